"""Small building blocks: plain elements whose text is text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from serving.desk.board import mood_level
from serving.desk.words import Words


def el(tag: str, classes: str = "", text: str | None = None, /, **attributes: Any) -> Element:
    """Make a plain element. ``text`` becomes its text content, never markup.

    An underscore in an attribute's name stands for a hyphen, one at the end is left out.
    """
    element = Element(tag) if text is None else TextElement(tag=tag, text=text)
    if classes:
        element.classes(classes)
    for name, value in attributes.items():
        if value is not None:
            element.props[name.rstrip("_").replace("_", "-")] = value
    return element


def signed(value: float) -> str:
    """A mood value with its sign, the minus as wide as the plus."""
    return f"{value:+.2f}".replace("-", "−")


def mood_chip(value: float, words: Words, *, title: str = "") -> Element:
    """Mood as a word and a number; the colour only repeats them."""
    level = mood_level(value)
    label = f"{words('mood.' + level)} {signed(value)}"
    with el("span", f"mood mood-{level}", data_testid="mood", title=title or None) as chip:
        el("span", "mood-mark", "", aria_hidden="true")
        el("span", "", label)
    return chip


def button(text: str | None, act: Callable[..., Any], classes: str = "", /, **attributes: Any) -> Element:
    """Make a button; ``classes`` may say ``primary``, ``quiet`` or ``icon``."""
    return el("button", f"btn {classes}".strip(), text, type="button", **attributes).on("click", act, [])
