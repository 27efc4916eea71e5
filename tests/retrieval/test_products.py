"""Which products a question names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retrieval.passages import Chunk
from retrieval.products import ProductNames, other_product
from tests.retrieval.conftest import chunk_of


def about(product: str, title: str, text: str = "A light tent with a camp light.") -> Chunk:
    return replace(chunk_of(product, text, title=title, heading=""), product=product)


SHOP = [
    about("a2", "Arbor 2 two-person tent"),
    about("a3", "Arbor 3 three-person tent"),
    about("fp", "Footprint for Arbor tents", "A footprint keeps the floor dry."),
    about("sq", "Squall rain jacket", "Wear the Squall in a storm. The jacket is light."),
    about("gl", "Glade camp light"),
]


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("how heavy is the arbor 3?", {"a3", "fp"}),
        ("is there a footprint for the Arbor 2", {"a2", "fp"}),
        ("Arbor tents", {"a2", "a3", "fp"}),
        ("squall or Arbor 2 in a storm?", {"sq", "a2", "fp"}),
        ("Squall 有多重", {"sq"}),
        ("which tent is light?", set()),
        ("can I return it within 3 days", set()),
    ],
)
def test_names_are_told_from_common_words(question: str, named: set[str]) -> None:
    assert ProductNames(SHOP).named(question) == named


def test_only_chunks_about_other_products_are_beside_the_point() -> None:
    general = replace(chunk_of("faq"), product="")
    assert [other_product(chunk, {"a3"}) for chunk in (SHOP[0], SHOP[1], general)] == [True, False, False]
    assert not other_product(SHOP[0], ())
