"""The demo shop as its pages show it, read from its folder of YAML, JSON and Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from markdown_it import MarkdownIt
from markupsafe import Markup
from pydantic import BaseModel

Language = Literal["en", "zh"]
HelpKind = Literal["policy", "guide", "manual"]

_FOLDERS: Mapping[HelpKind, str] = {"policy": "policies", "guide": "guides", "manual": "manuals"}
_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]*")


class Words(BaseModel):
    """A text in both languages."""

    en: str
    zh: str

    def __getitem__(self, language: Language) -> str:
        return self.zh if language == "zh" else self.en


class Spec(BaseModel):
    """One line of a product's specification."""

    name: Words
    value: Words


class Variant(BaseModel):
    """What is ordered: a colour, size or length of a product."""

    sku: str
    name: Words
    option: str
    stock: int
    price: Decimal | None = None


class Product(BaseModel):
    """A product; prices in the shop's currency, weight in grams."""

    id: str
    category: str
    brand: str
    title: Words
    description: Words
    price: Decimal
    warranty_years: int
    final_sale: bool = False
    weight_g: int
    specs: list[Spec]
    care: Words | None = None
    size_guide: str = ""
    manual: str = ""
    variants: list[Variant]

    @property
    def colour(self) -> str:
        """English name of the colour it is shown in; empty when it comes in one only."""
        return next((variant.name.en for variant in self.variants if variant.option == "colour"), "")


class Category(BaseModel):
    """A department of the shop."""

    id: str
    title: Words
    description: Words


class Persona(BaseModel):
    """A customer one can be in the demo."""

    email: str
    name: str
    language: Language = "en"
    about: Words | None = None


class Question(BaseModel):
    """An entry of the frequently asked questions."""

    id: str
    topic: str
    question: str
    answer: str


@dataclass(frozen=True)
class HelpPage:
    """A policy, guide or manual as HTML that holds nothing but formatting."""

    id: str
    title: str
    version: str
    html: Markup


@dataclass(frozen=True)
class Shopfront:
    """Everything the shop's pages show."""

    folder: Path
    shop: Mapping[str, Any]
    categories: Mapping[str, Category]
    products: Mapping[str, Product]
    personas: tuple[Persona, ...]

    def of_category(self, category: str) -> list[Product]:
        """Products of one category, in the shop's order."""
        return [product for product in self.products.values() if product.category == category]

    def help_page(self, kind: HelpKind, id: str, language: Language) -> HelpPage | None:
        """A policy, guide or manual; ``None`` when there is none of that name."""
        if not _SLUG.fullmatch(id):
            return None
        path = self.folder / _FOLDERS[kind] / language / f"{id}.md"
        return _help_page(path) if path.is_file() else None

    def help_titles(self, kind: HelpKind, language: Language) -> dict[str, str]:
        """Titles of all pages of a kind by id."""
        paths = sorted((self.folder / _FOLDERS[kind] / language).glob("*.md"))
        return {path.stem: _help_page(path).title for path in paths}

    def questions(self, language: Language) -> list[Question]:
        """The frequently asked questions."""
        path = self.folder / "faq" / f"{language}.json"
        return (
            [Question.model_validate(entry) for entry in json.loads(path.read_text())]
            if path.is_file()
            else []
        )


@cache
def read_shopfront(folder: Path) -> Shopfront:
    """Read the shop's folder, once; its help pages are read when they are opened.

    Raises:
        OSError, yaml.YAMLError, pydantic.ValidationError: The folder is not a demo shop.
    """
    categories = {entry["id"]: Category.model_validate(entry) for entry in _yaml(folder / "categories.yaml")}
    products = [
        Product.model_validate({**entry, "category": category})
        for category in categories
        if (path := folder / "products" / f"{category}.yaml").is_file()
        for entry in _yaml(path)
    ]
    personas = folder / "personas.yaml"
    return Shopfront(
        folder=folder,
        shop=_yaml(folder / "shop.yaml"),
        categories=categories,
        products={product.id: product for product in products},
        personas=tuple(Persona.model_validate(entry) for entry in _yaml(personas))
        if personas.is_file()
        else (),
    )


def _yaml(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - both are safe loaders


@cache
def _help_page(path: Path) -> HelpPage:
    text = path.read_text(encoding="utf-8")
    front: dict[str, Any] = {}
    if match := _FRONT_MATTER.match(text):
        front, text = yaml.safe_load(match[1]), text[match.end() :]
    title = str(front.get("title", path.stem))
    # The page shows the title itself.
    text = re.sub(r"\A\s*# .*\n", "", text)
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return HelpPage(
        id=path.stem,
        title=title,
        version=str(front.get("version", "")),
        html=Markup(html),  # noqa: S704 - markdown-it escapes HTML here and refuses script addresses
    )
