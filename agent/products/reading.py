"""Reads a question: products, attributes and options named, and what the conversation adds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from agent.followups import is_follow_up
from agent.products.attributes import Asked, Span, Wish, core, vocabulary
from agent.products.names import Named, NameIndex
from agent.products.port import Product, Spec
from agent.products.variants import Picked, picked
from agent.products.words import SMALL_WORDS, one_slip, plain, singular, tokens
from agent.understanding import Said

GROUP = 4
"""Products of a kind ("your headlamps") for which an attribute is told one by one."""
RECALL = 6
"""Earlier lines in which "it" is looked for."""
_SLIPS_FROM = 5
"""Letters from which a word one slip away from one the shop uses is taken for it."""
_SHORT_EN, _SHORT_ZH = 4, 8
"""Words, or Han characters, of a question that leaves out what it is about."""
_BOTH = re.compile(
    r"\b(?:both|(?:the|those|these) two|each|either|between)\b|两|二者|哪个|哪款|哪一|分别|各", re.IGNORECASE
)
_THEY = re.compile(r"\b(?:they|them|their|those|these|which|all)\b|它们|这些|那些|都", re.IGNORECASE)
_OF_THEM = re.compile("其中|里面|里边|当中|之中")
_OF_THE_SHOP = re.compile(
    r"^\W*(?:is|are|isn't|aren't)\b(?! there)|\b(?:your|of all)\b|\b(?:the|in|your) (?:shop|store|range)\b"
    r"|(?:你们?|您|店|贵店|家|全场|全店|所有)[^，。？]{0,6}最|是[^，。？]{0,12}最[^，。？]{0,8}[吗么]|是不是|算不算",
    re.IGNORECASE,
)
_FIRST_SENTENCE = re.compile(r"(?<=[.。])\s*(?=[A-Z\u4e00-\u9fff])")


@dataclass(frozen=True)
class Direct:
    """A specification whose own name stands in a question, and where."""

    product: Product
    spec: Spec
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Reading:
    """A question, read. ``text`` is plain, with slips put right; spans are places in it."""

    text: str
    named: Named
    asked: Asked
    direct: tuple[Direct, ...] = ()

    @property
    def products(self) -> tuple[Product, ...]:
        """The products meant, or those of the kind named."""
        return self.named.products or self.named.group

    @property
    def asks(self) -> bool:
        """Whether an attribute is asked for."""
        return bool(self.asked.wishes or self.direct)

    @property
    def among_variants(self) -> bool:
        """Whether the cheapest, or dearest, of one product's variants is asked for.

        "Is the Squall your cheapest?" asks about the shop.
        """
        comparison = self.asked.comparison
        one = len(self.named.products) == 1 and comparison is not None and comparison.of_variants
        return one and _OF_THE_SHOP.search(self.text) is None

    def options(self, product: Product) -> tuple[Picked, list[Span]]:
        """Options of the product's variants that are named, and where."""
        return picked(product, blank(self.text, self.named.spans))

    def unexplained(self, spans: Iterable[Span], products: Sequence[Product]) -> list[str]:
        """Words that neither these stretches nor the titles of the products explain."""
        titles = [title for product in products for title in product.title.values()]
        titled = {token.word for title in titles for token in tokens(plain(title))}
        # 靴子 is the 靴 of a title.
        thing = rf"[{re.escape(''.join(titles))}]子" if titles else "(?!)"
        left = vocabulary().leftover(re.sub(thing, "  ", self.text), spans)
        return [word for word in left if singular(word.lower()) not in titled]


class QuestionReader:
    """Reads questions about one catalogue.

    Args:
        products: The catalogue.
    """

    def __init__(self, products: Sequence[Product]) -> None:
        self.products = products
        self._index = NameIndex(products)
        self._known = frozenset(_words_of(products))
        self._correctable = [word for word in self._known if len(word) >= _SLIPS_FROM]

    def read(self, text: str, *, rewritten: str = "", earlier: Sequence[Said] = ()) -> Reading:
        """Read ``text``; what it leaves out comes from ``rewritten`` or ``earlier`` (oldest first)."""
        reading = self._alone(text)
        if reading.named.unknown:
            return reading
        if reading.named.products and not reading.asks:
            return self._elliptic(reading, earlier)
        if reading.products:
            return reading
        if reading.asks or self._direct(reading.text, self.products):
            if not self._leans(reading, rewritten):
                return reading
            products = self._meant(reading, rewritten, earlier)
            return replace(reading, named=Named(products), direct=self._direct(reading.text, products))
        # "And in blue?"
        products = self._meant(reading, "", earlier)
        if len(products) == 1:
            _, spans = reading.options(products[0])
            if spans and not reading.unexplained(spans, products):
                return self._asking_again(replace(reading, named=Named(products)), products, earlier)
        return reading

    def _alone(self, text: str) -> Reading:
        text = self._corrected(plain(text))
        named = self._index.find(text)
        # What a product is called asks for nothing: "rain" of a rain jacket.
        rest = blank(text, named.spans)
        direct = self._direct(rest, named.products or named.group)
        return Reading(text, named, vocabulary().asked(rest), direct)

    def _elliptic(self, reading: Reading, earlier: Sequence[Said]) -> Reading:
        """A question that says a product and no more: "And the Arbor 3?", "The Squall in red?"."""
        products = reading.named.products
        _, spans = reading.options(products[0])
        if reading.unexplained([*reading.named.spans, *spans], products):
            return reading
        again = self._asking_again(reading, products, earlier)
        if spans and not again.asks:
            stock = next(one for one in vocabulary().attributes if one.field == "stock")
            return replace(reading, asked=replace(reading.asked, wishes=(Wish((0, 0), (stock,)),)))
        return again

    def _leans(self, reading: Reading, rewritten: str) -> bool:
        """Whether a question without a product is about the one before it rather than about the shop."""
        if is_follow_up(reading.text) or self._index.find(plain(rewritten)).products:
            return True
        if any(
            attribute.field == "final_sale" for wish in reading.asked.wishes for attribute in wish.attributes
        ):
            return False  # "How do returns work?"
        if reading.unexplained(reading.asked.spans, ()):
            return False  # "What does shipping cost?"
        if reading.asked.counted or _OF_THEM.search(reading.text):
            return True  # "How many sizes are in stock?"
        han = len(re.findall("[\u4e00-\u9fff]", reading.text))
        return han <= _SHORT_ZH if han else len(reading.text.split()) <= _SHORT_EN

    def _asking_again(
        self, reading: Reading, products: Sequence[Product], earlier: Sequence[Said]
    ) -> Reading:
        """The reading with what the shopper asked for before."""
        for line in reversed(earlier[-RECALL:]):
            before = self._alone(line.text) if line.who == "shopper" else None
            if before is None or not before.asks:
                continue
            names = {core(one.spec.name["en"]) for one in before.direct}
            direct = tuple(
                Direct(product, spec)
                for product in products
                for spec in product.specs
                if core(spec.name["en"]) in names
            )
            wishes = tuple(Wish((0, 0), wish.attributes) for wish in before.asked.wishes)
            parts = dict.fromkeys(before.asked.parts, (0, 0))
            return replace(reading, asked=replace(reading.asked, wishes=wishes, parts=parts), direct=direct)
        return reading

    def _meant(self, reading: Reading, rewritten: str, earlier: Sequence[Said]) -> tuple[Product, ...]:
        """What "it" or "the two" are: the products named last, by either side."""
        both, several = bool(_BOTH.search(reading.text)), bool(_THEY.search(reading.text))
        # "Which is the cheapest?" is one of what was compared before, or a variant of the one product.
        comparison = reading.asked.comparison
        cheapest = comparison is not None and comparison.of_variants
        for line in reversed(earlier[-RECALL:]):
            said = self._corrected(plain(line.text))
            before = self._index.find(said)
            if before.unknown and line.who == "shopper":
                return ()
            if line.who != "shopper" and not before.by_name:
                continue  # prose mentions many things
            if len(before.products) > 1 and cheapest:
                return before.products
            if len(before.products) > GROUP:
                # A list of what was compared follows the one that won.
                before = self._index.find(_FIRST_SENTENCE.split(said, maxsplit=1)[0])
            if len(before.products) == 1 and (cheapest or not both):
                return before.products
            if 1 < len(before.products) <= GROUP and (both or several or line.who == "shopper"):
                return before.products
        again = self._index.find(self._corrected(plain(rewritten)))
        return () if again.unknown else again.products

    @staticmethod
    def _direct(text: str, products: Sequence[Product]) -> tuple[Direct, ...]:
        """Specifications whose own name stands in the text."""
        said = {token.word: (token.start, token.end) for token in tokens(text) if token.kind == "word"}
        found: list[Direct] = []
        for product in products:
            for spec in product.specs:
                words, han = _name_words(spec.name["en"]), core(plain(spec.name["zh"]))
                if words and all(word in said for word in words):
                    found.append(Direct(product, spec, tuple(said[word] for word in words)))
                elif re.search("[\u4e00-\u9fff]{2}", han) and han in text:
                    start = text.index(han)
                    found.append(Direct(product, spec, ((start, start + len(han)),)))
        return tuple(found)

    def _corrected(self, text: str) -> str:
        """``text`` with slips in the shop's own words put right: "Squal", "waterhed"."""
        for token in reversed(tokens(text)):
            if token.kind != "word" or len(token.word) < _SLIPS_FROM or token.word in self._known:
                continue
            meant = one_slip(token.word, self._correctable)
            if meant is not None:
                text = text[: token.start] + meant + text[token.end :]
        return text


def blank(text: str, spans: Iterable[Span]) -> str:
    """``text`` with these stretches as spaces, so that places stay true."""
    for start, end in spans:
        text = text[:start] + " " * (end - start) + text[end:]
    return text


@lru_cache(maxsize=4096)
def _name_words(name: str) -> tuple[str, ...]:
    words = (token.word for token in tokens(core(plain(name))) if token.kind == "word")
    return tuple(word for word in words if word not in SMALL_WORDS)


def _words_of(products: Iterable[Product]) -> Iterable[str]:
    """Words that the shop's titles and specifications use, and those that ask for attributes."""
    for product in products:
        names = [*product.title.values(), *(name for spec in product.specs for name in spec.name.values())]
        for name in names:
            yield from (token.word for token in tokens(plain(name)) if token.kind == "word")
    for attribute in vocabulary().attributes:
        yield from (singular(word) for word in re.findall(r"[a-z]{4,}", attribute.ask.en))
    yield from vocabulary().fillers_en
