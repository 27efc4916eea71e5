"""What every page has: style, colours, language, the bar on top."""

from __future__ import annotations

import json
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal

from nicegui import ui
from nicegui.element import Element

from serving.desk.elements import button, el
from serving.desk.visit import Visit
from serving.desk.words import LOCALE, Words

Theme = Literal["system", "light", "dark"]
THEMES: tuple[Theme, ...] = ("system", "light", "dark")
_DARK: dict[str, bool | None] = {"system": None, "light": False, "dark": True}


@cache
def _asset(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def dress(words: Words, user: MutableMapping[str, Any]) -> Element:
    """Give the page its style, language and colours; return what holds the switches for them."""
    ui.add_head_html(
        f"<style>{_asset('desk.css')}</style><script>{_asset('desk.js')}\n"
        f"document.documentElement.lang = {json.dumps(LOCALE[words.language])};</script>"
    )
    theme = user.get("theme") if user.get("theme") in THEMES else "system"
    dark = ui.dark_mode(_DARK[str(theme)])
    switches = el("div", "switches")

    def turn() -> None:
        now = user.get("theme") if user.get("theme") in THEMES else "system"
        after = THEMES[(THEMES.index(now) + 1) % len(THEMES)]
        user["theme"] = after
        dark.value = _DARK[after]
        show(after)

    def show(theme: str) -> None:
        name = words(f"nav.theme_{theme}")
        colours.props["aria-label"] = colours.props["title"] = name
        icon.props["name"] = {"system": "contrast", "light": "light_mode", "dark": "dark_mode"}[theme]

    def switch() -> None:
        user["language"] = "en" if words.language == "zh" else "zh"
        ui.navigate.reload()

    with switches:
        button(
            words("nav.language"), switch, "quiet", data_testid="language",
            aria_label=words("nav.language_label"), lang=LOCALE["en" if words.language == "zh" else "zh"],
        )  # fmt: skip
        with button(None, turn, "quiet icon", data_testid="theme") as colours:
            icon = ui.icon("contrast").props("aria-hidden=true")
        show(str(theme))
    return switches


@contextmanager
def desk_frame(visit: Visit, here: Literal["desk", "insights"]) -> Iterator[None]:
    """The bar on top and the place for a page below it."""
    words = visit.words
    ui.page_title(f"{words('title.' + here)} · Amends")
    el("a", "skip", words("nav.skip"), href="#main")
    with el("header", "bar"):
        el("span", "brand", words("app"))
        with el("nav", "doors", aria_label=words("nav.main")):
            for door, path in (("desk", "/desk"), ("insights", "/insights")):
                el("a", "", words(f"nav.{door}"), href=path, aria_current="page" if door == here else None)
        el("div", "spacer")
        switches = dress(words, visit.user)
        with switches:
            if here == "desk":
                _shortcuts(words)
            el("span", "me", visit.staff.name)
            button(
                words("nav.sign_out"),
                lambda: visit.desk.sign_out(visit.user),
                "quiet",
                data_testid="sign-out",
            )
    with el("main", f"page page-{here}", id="main", tabindex="-1"):
        yield


def _shortcuts(words: Words) -> None:
    keys = {
        "j / k": "move", "t": "take", "r": "reply", "n": "note", "Esc": "leave", "?": "help",
    }  # fmt: skip
    with ui.dialog() as dialog, el("div", "sheet", role="dialog", aria_label=words("keys.title")):
        el("h2", "", words("keys.title"))
        with el("dl", "keys"):
            for key, name in keys.items():
                with el("dt"):
                    el("kbd", "", key)
                el("dd", "", words(f"keys.{name}"))
        with el("div", "sheet-actions"):
            button(words("keys.close"), dialog.close, "quiet")
    with button(
        None, dialog.open, "quiet icon", id="shortcuts",
        aria_label=words("nav.shortcuts"), title=words("nav.shortcuts"),
    ):  # fmt: skip
        ui.icon("keyboard").props("aria-hidden=true")
