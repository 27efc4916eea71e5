"""Which items of an order a message names."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.order_lines import named
from agent.shop.port import OrderLine


def line(number: int, english: str, chinese: str, variant: str) -> OrderLine:
    title = {"en": english, "zh": chinese}
    return OrderLine(number, f"p{number}", f"s{number}", title, variant, 1, Decimal(10))  # type: ignore[arg-type]


ORDER = (
    line(1, "Spring insulated bottle 750 ml", "Spring 保温水壶 750 毫升", "blue"),
    line(2, "Stride folding poles, aluminium", "Stride 铝合金折叠登山杖", "110–130 cm"),
    line(3, "Ridge hiking boots", "Ridge 徒步鞋", "42"),
    line(4, "Thistle wind shirt", "Thistle 防风衬衫", "M, moss"),
    line(5, "Thistle wind shirt", "Thistle 防风衬衫", "L, black"),
    line(6, "Mender repair kit", "Mender 户外修补包", "one size"),
    line(7, "Hillside first-aid kit", "Hillside 户外急救包", "one size"),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("return the bottle and the poles", [1, 2]),
        ("I'd like to send back the boots, the bottle and the repair kit please", [1, 3, 6]),
        ("return my Ridge boots and Spring bottle", [1, 3]),
        ("Stride poles + boots", [2, 3]),
        ("the first-aid kit as well as the repair kit", [6, 7]),
        ("I don't need the boots and the bottle any more", [1, 3]),
        ("水壶和登山杖都要退", [1, 2]),
        ("退徒步鞋、水壶", [1, 3]),
    ],
)
def test_several_are_meant_where_they_are_said_together(text: str, expected: list[int]) -> None:
    assert [one.line for one in named(text, ORDER)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("return the black wind shirt", [5]),
        ("the Thistle wind shirt (M, moss)", [4]),
        ("the wind shirt in M and the wind shirt in L", [4, 5]),
        ("both wind shirts", [4, 5]),
        ("I want to return the wind shirt", []),
        ("the kit", []),
    ],
)
def test_of_one_title_the_variant_decides_or_nothing_does(text: str, expected: list[int]) -> None:
    assert [one.line for one in named(text, ORDER)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I'm keeping the boots and the bottle, return the poles", [2]),
        ("return the boots; the bottle is fine", [3]),
        ("don't return the boots, return the bottle", [1]),
        ("水壶留着，登山杖退掉", [2]),
    ],
)
def test_what_is_kept_is_not_meant(text: str, expected: list[int]) -> None:
    assert [one.line for one in named(text, ORDER)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "the boots arrived with the bottle inside",
        "return the boots because the bottle leaked on them",
        "hello",
    ],
)
def test_things_here_and_there_are_not_taken_together(text: str) -> None:
    assert named(text, ORDER) == []


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=120) | st.text(alphabet="the boots and bottle,()水壶和 ML", max_size=80))
def test_any_text_names_lines_of_the_order(text: str) -> None:
    found = named(text, ORDER)
    assert found == [one for one in ORDER if one in found]
    assert named(text, ()) == []
