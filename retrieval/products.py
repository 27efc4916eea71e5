"""Which products a question names, so that "Arbor 3" is not answered from the pages of "Arbor 2".

A name is a word of a product's title that the shop's texts write with a capital: "Arbor" is
one, "tent" and "light" are not. In Chinese texts it is a word in Latin letters. A number tells
products of one name apart; one without a number (the footprint for all Arbor tents) stays.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable

from retrieval.passages import Chunk
from retrieval.words import terms

SMALL = 0.1
"""Share of a name's occurrences that may be without a capital."""
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9'’-]*")


class ProductNames:
    """The names of the products that chunks are about."""

    def __init__(self, chunks: Collection[Chunk]) -> None:
        self._titles: dict[str, set[str]] = {}
        titled: set[str] = set()
        seen, small = Counter[str](), Counter[str]()
        for chunk in chunks:
            if chunk.product:
                self._titles.setdefault(chunk.product, set()).update(terms(chunk.title, asked=True))
                titled.update(word.lower() for word in _WORD.findall(chunk.title))
            for word in _WORD.findall(f"{chunk.title}\n{chunk.text}"):
                seen[word.lower()] += 1
                small[word.lower()] += word[0].islower()
        names = {
            name for word in titled if small[word] <= SMALL * seen[word] for name in terms(word, asked=True)
        }
        self._products: dict[str, set[str]] = {}
        for product, words in self._titles.items():
            for name in words & names:
                self._products.setdefault(name, set()).add(product)

    def named(self, question: str) -> frozenset[str]:
        """Ids of the products that a question names; none when it names none."""
        asked = set(terms(question, asked=True))
        names = asked & self._products.keys()
        found: set[str] = set()
        for name in names:
            shared = {
                one: sum(one in self._products[other] for other in names) for one in self._products[name]
            }
            closest = {one for one, count in shared.items() if count == max(shared.values())}
            numbered = {one for one in closest if _numbers(self._titles[one])}
            fitting = {one for one in numbered if self._titles[one] & _numbers(asked)}
            found |= closest - numbered | fitting if fitting else closest
        return frozenset(found)


def _numbers(words: set[str]) -> set[str]:
    return {word for word in words if word[0].isdigit()}


def other_product(chunk: Chunk, named: Iterable[str]) -> bool:
    """Whether a chunk is about a product, and the question names others only."""
    products = frozenset(named)
    return bool(products) and bool(chunk.product) and chunk.product not in products
