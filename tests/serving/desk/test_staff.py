"""Signing in."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from serving.desk.staff import TRIES, Door, Staff, TooManyTries
from tests.serving.desk.stories import Hands

USERS = {"dana": SecretStr("right"), "Li": SecretStr("also right"), "nobody": SecretStr("")}


def door(clock: Hands | None = None) -> Door:
    return Door(USERS, clock or Hands())


def test_the_right_password_signs_in_under_a_proper_name() -> None:
    assert door().sign_in(" Dana ", "right", address="a") == Staff("dana", "Dana")  # type: ignore[arg-type]
    assert door().sign_in("li", "also right", address="a") == Staff("li", "Li")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("dana", "wrong"),
        ("dana", ""),
        ("eve", "right"),
        ("eve", ""),
        ("nobody", ""),
        ("", ""),
        ("dana", "ríght"),
    ],
)
def test_anything_else_is_refused_alike(name: str, password: str) -> None:
    assert door().sign_in(name, password, address="a") is None


def test_guessing_must_pause_after_five_failures_even_with_the_right_password() -> None:
    clock = Hands()
    one = door(clock)
    for _ in range(TRIES):
        assert one.sign_in("dana", "guess", address="a") is None
    with pytest.raises(TooManyTries):
        one.sign_in("DANA", "right", address="a")
    assert one.sign_in("dana", "right", address="b") is not None
    assert one.sign_in("li", "also right", address="a") is not None
    clock.advance(seconds=61)
    assert one.sign_in("dana", "right", address="a") is not None


def test_success_forgets_the_failures() -> None:
    one = door()
    for _ in range(3):
        for _ in range(TRIES - 1):
            assert one.sign_in("dana", "guess", address="a") is None
        assert one.sign_in("dana", "right", address="a") is not None


def test_somebody_who_left_is_no_longer_known() -> None:
    assert door().staff("dana") is not None
    assert door().staff("mo") is None
