"""The widget's one file, and the demo shop's pages that carry it."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from serving.errors import NotFound
from serving.pictures import picture, swatch
from serving.services import ServicesDep
from serving.settings import Settings
from serving.shop_words import WORDS
from serving.shopfront import HelpKind, Language, Shopfront, read_shopfront

router = APIRouter(include_in_schema=False)

ACCENT = "#2f5d50"
"""The demo shop's colour, which the widget takes over."""

_HERE = Path(__file__).parent
_PAGE_HEADERS = {
    # Trusted types make the browser itself refuse any text that would become HTML or script.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_WIDGET_HEADERS = {
    # Any shop's page may load it; a new version arrives within minutes.
    "Cache-Control": "public, max-age=300, stale-while-revalidate=86400",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_HELP_KINDS: tuple[HelpKind, ...] = ("policy", "guide", "manual")


@dataclass(frozen=True)
class _Static:
    body: bytes
    zipped: bytes
    etag: str


@cache
def _static(name: str) -> _Static:
    body = (_HERE / "static" / name).read_bytes()
    return _Static(body, gzip.compress(body, 9, mtime=0), f'"{hashlib.sha256(body).hexdigest()[:24]}"')


def _serve(name: str, request: Request, headers: dict[str, str]) -> Response:
    """A file of ours, zipped where the client takes that, or 304 when it has this version."""
    file = _static(name)
    # A weak tag: zipped or not, it is the same file.
    headers = headers | {"ETag": f"W/{file.etag}", "Vary": "Accept-Encoding"}
    known = (tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(","))
    if file.etag in known:
        return Response(status_code=304, headers=headers)
    zipped = "gzip" in request.headers.get("accept-encoding", "")
    if zipped:
        headers["Content-Encoding"] = "gzip"
    return Response(
        file.zipped if zipped else file.body, headers=headers, media_type=_TYPES[Path(name).suffix]
    )


@router.get("/widget.js")
def widget(request: Request) -> Response:
    """Return the widget."""
    return _serve("widget.js", request, _WIDGET_HEADERS)


def settings(services: ServicesDep) -> Settings:
    """The settings of the running server."""
    return services.settings


def shopfront(settings: Annotated[Settings, Depends(settings)]) -> Shopfront:
    """The demo shop; :class:`NotFound` outside demo mode, where a real shop carries the widget."""
    if not settings.demo:
        raise NotFound("no demo shop here")
    return read_shopfront(settings.shop.folder)


ShopfrontDep = Annotated[Shopfront, Depends(shopfront)]
LanguageDep = Annotated[Language, Query(alias="lang")]


@router.get("/shop/{name}")
def static(name: str, request: Request, front: ShopfrontDep) -> Response:
    """Return a style sheet or script of the shop's pages."""
    if name not in ("shop.css", "shop.js"):
        raise NotFound("no such file")
    return _serve(name, request, {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"})


@router.get("/")
def home(request: Request, front: ShopfrontDep, lang: LanguageDep = "en", category: str = "") -> Response:
    """Return the shop's front page, or the products of one category."""
    if not category:
        popular = [found for name in front.categories for found in front.of_category(name)[:2]]
        return _page("home.html", request, front, lang, popular=popular)
    if category not in front.categories:
        return _missing(request, front, lang)
    return _page(
        "category.html", request, front, lang,
        category=front.categories[category], products=front.of_category(category),
    )  # fmt: skip


@router.get("/product/{id}")
def product(id: str, request: Request, front: ShopfrontDep, lang: LanguageDep = "en") -> Response:
    """Return a product's page."""
    found = front.products.get(id)
    if found is None:
        return _missing(request, front, lang)
    alike = [other for other in front.of_category(found.category) if other.id != id][:5]
    return _page(
        "product.html", request, front, lang,
        product=found, category=front.categories[found.category], alike=alike,
    )  # fmt: skip


@router.get("/help/faq/all")
def questions(request: Request, front: ShopfrontDep, lang: LanguageDep = "en") -> Response:
    """Return the frequently asked questions."""
    topics: dict[str, list[Any]] = {}
    for entry in front.questions(lang):
        topics.setdefault(entry.topic, []).append(entry)
    return _page("faq.html", request, front, lang, topics=topics)


@router.get("/help/{kind}/{id}")
def help_page(
    kind: HelpKind, id: str, request: Request, front: ShopfrontDep, lang: LanguageDep = "en"
) -> Response:
    """Return a policy, guide or manual."""
    found = front.help_page(kind, id, lang)
    if found is None:
        return _missing(request, front, lang)
    return _page("help.html", request, front, lang, page=found, kind=kind)


@router.get("/mailbox")
def mailbox(request: Request, front: ShopfrontDep, lang: LanguageDep = "en") -> Response:
    """Return the page that shows the demo's mail."""
    return _page("mailbox.html", request, front, lang)


def _missing(request: Request, front: Shopfront, lang: Language) -> Response:
    return _page("missing.html", request, front, lang, status=404)


def _page(
    template: str, request: Request, front: Shopfront, lang: Language, *, status: int = 200, **values: Any
) -> Response:
    def url(path: str, **query: str) -> str:
        """An address inside the shop that keeps the language."""
        kept = query if "lang" in query else query | ({"lang": lang} if lang != "en" else {})
        return f"{path}?{urlencode(kept)}" if kept else path

    here = {key: value for key, value in request.query_params.items() if key != "lang"}
    html = (
        _templates()
        .get_template(template)
        .render(
            values,
            front=front,
            shop=front.shop,
            t=WORDS[lang],
            lang=lang,
            url=url,
            languages={other: url(request.url.path, **here, lang=other) for other in ("en", "zh")},
            help={kind: front.help_titles(kind, lang) for kind in _HELP_KINDS},
            picture=picture,
            swatch=swatch,
            accent=ACCENT,
        )
    )
    return HTMLResponse(html, status_code=status, headers=_PAGE_HEADERS)


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["money"] = _money
    return environment


def _money(amount: Decimal) -> str:
    """Euros as both languages of this shop write them."""
    return f"€{amount:,.2f}"
