"""Of several versions of a document only the one in force is current."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from retrieval.passages import Chunk
from retrieval.versions import outdated
from tests.retrieval.conftest import chunk_of

TODAY = date(2026, 6, 15)


def version(
    name: str, *, day: date | None = None, family: str = "", title: str = "Returns", version: str = ""
) -> Chunk:
    """A chunk of a policy of its own."""
    chunk = chunk_of(name, title=title, source=f"shop/{name}.md")
    return replace(chunk, product="", effective=day, family=family, version=version)


OLD, NOW, NEXT = date(2024, 5, 1), date(2026, 3, 1), date(2026, 7, 1)


@pytest.mark.parametrize(
    ("chunks", "gone"),
    [
        ([version("a", day=OLD, family="r", title="Old"), version("b", day=NOW, family="r")], {"a"}),
        ([version("a", day=OLD), version("b", day=NOW, family="r")], {"a"}),
        ([version("a", version="2024-05-01"), version("b", day=NOW)], {"a"}),
        ([version("a", day=OLD), version("b", day=NOW), version("c", day=NEXT)], {"a", "c"}),
        ([version("c", day=NEXT)], {"c"}),
        ([version("a", day=OLD), version("b", day=NOW, title="Shipping")], set()),
        ([version("a"), version("b", day=NOW)], set()),
        ([version("a", version="v2"), version("b", version="v3")], set()),
        ([version("a", day=NOW), version("b", day=NOW)], set()),
        ([version("a"), replace(version("b", title="New rules"), replaces="a")], {"a"}),
        ([version("a"), replace(version("b", day=NEXT), replaces="a")], {"b"}),
        ([replace(version("a"), superseded=True), version("b")], {"a"}),
        ([version("a", day=OLD), replace(version("b", day=NOW), language="zh")], set()),
        (
            [
                version("a", day=OLD, family="r", title="One"),
                version("b", day=NOW, family="r"),
                version("c", day=date(2026, 4, 1), family="s"),
            ],
            {"a", "b"},
        ),
    ],
    ids=lambda value: "-".join(sorted(value)) if isinstance(value, set) else None,
)
def test_what_holds_no_more_or_not_yet_is_told(chunks: list[Chunk], gone: set[str]) -> None:
    found = outdated(chunks, TODAY)
    assert found == {f"shop/{name}.md@en" for name in gone}
    assert outdated(reversed(chunks), TODAY) == found


def test_the_day_of_effect_is_in_force() -> None:
    chunks = [version("a", day=OLD), version("b", day=TODAY)]
    assert outdated(chunks, TODAY) == {"shop/a.md@en"}
