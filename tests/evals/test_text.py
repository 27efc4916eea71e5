"""Facts are found as they are written, and not inside other facts."""

from __future__ import annotations

import pytest

from evals.text import holds


@pytest.mark.parametrize(
    ("text", "wording"),
    [
        ("It weighs 1,900 g.", "1,900g"),
        ("You have 30  Days.", "30 days"),
        ("refund: Germany. 149.00 EUR", "149.00"),
        ("Kaiserstraße 20, 79098 Freiburg", "Kaiserstraße 20"),
        ("on June 16, 2026", "June 16"),
        ("30天内可退", "30 天"),
        ("within 10-30 days", "30 days"),
        ("two returns", "return"),
        ("ＥＵ 40", "eu 40"),
    ],
)
def test_is_there(text: str, wording: str) -> None:
    assert holds(text, wording)


@pytest.mark.parametrize(
    ("text", "wording"),
    [
        ("130 days", "30 days"),
        ("4.90 EUR", "4.9"),
        ("1 900 g", "900 g"),
        ("down to -2 °C", "2 °C"),
        ("二十七天", "七天"),
        ("twenty-two years", "wo years"),
        ("into 400 pieces", "to 400"),
        ("casino viruses", "no viruses"),
        ("149.001", "149.00"),
    ],
)
def test_is_not_there(text: str, wording: str) -> None:
    assert not holds(text, wording)
