"""The staff's sign-in."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlsplit

from nicegui import ui

from serving.desk.elements import el
from serving.desk.frame import dress
from serving.desk.staff import TooManyTries
from serving.desk.visit import Desk
from serving.desk.words import Words

PAUSE_SECONDS = 0.4
"""After a wrong password, so that guessing is slow and a typing mistake is not punished."""
GOALS = ("/desk", "/insights")


def sign_in_page(
    desk: Desk, user: MutableMapping[str, Any], words: Words, address: str, *, goal: str
) -> None:
    """Build the page; ``goal`` is where a successful sign-in leads, if it is one of ours."""
    ui.page_title(f"{words('title.sign_in')} · Amends")

    async def submit() -> None:
        problem.text = ""
        try:
            staff = desk.door.sign_in(str(name.value or ""), str(password.value or ""), address=address)
        except TooManyTries:
            problem.text = words("login.wait")
            return
        if staff is None:
            await asyncio.sleep(PAUSE_SECONDS)
            password.value = ""
            problem.text = words("login.wrong")
            return
        desk.sign_in(user, staff)
        ui.navigate.to(goal if _is_ours(goal) else "/desk")

    with el("main", "login", id="main"):
        with el("div", "login-top"):
            el("span", "brand", words("app"))
            dress(words, user)
        with el("form", "login-card", aria_label=words("title.sign_in")).on("submit.prevent", submit):
            el("h1", "", words("title.sign_in"))
            el("p", "muted", words("login.lead"))
            name = ui.input(words("login.name")).props(
                'outlined autofocus autocomplete=username data-testid="login-name" autocapitalize=off'
            )
            password = ui.input(words("login.password"), password=True).props(
                'outlined autocomplete=current-password data-testid="login-password"'
            )
            problem = ui.label("").classes("problem").props("role=alert data-testid=login-problem")
            el("button", "btn primary wide", words("login.submit"), type="submit", data_testid="login-submit")


def _is_ours(goal: str) -> bool:
    parts = urlsplit(goal)
    return not parts.scheme and not parts.netloc and parts.path in GOALS
