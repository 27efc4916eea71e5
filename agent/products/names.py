"""Which products a text names: by model name, or by the thing where only one such thing is sold.

A model name is a Latin word that a product's title has in every language ("Arbor 2 双人帐篷").
Where it stands for several products, a number after it and other words of the titles decide;
a number that no such product has ("Arbor 4") names none. A thing is the end of a title
("hiking boots", 睡袋内胆); several products may be that thing, and are then a group.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from agent.products.port import Product
from agent.products.words import SMALL_WORDS, Token, plain, tokens

FAMILY = 3
"""A bare name shared by more products than this is too vague to answer for."""
_CUT = re.compile(r"[,，:：;；(（/]|\b(?:for|with|set of)\b", re.IGNORECASE)
_MEASURE_END = re.compile(
    r"[\s\d.,×x]+(?:mm|cm|m|ml|l|g|kg|w|v|inch|毫米|厘米|米|毫升|升|克|公斤|寸)?\s*$", re.IGNORECASE
)
_UNIT_AFTER = re.compile(
    r"\s*(?:-?\s?(?:mm|cm|m|ml|l|lm|g|kg|w|v|h|hours?|days?|weeks?|months?|years?|eur|euros?|litres?|liters?"
    r"|people|persons?|grams?|lumens?|degrees?|percent|pieces?|pairs?|of)\b|[%°€$£¥,]|\s*(?:个|年|天|月|岁"
    r"|人|克|公斤|升|毫米|厘米|米|流明|小时|度|块|元|件|双|只|条|码|号))",
    re.IGNORECASE,
)
_AND = re.compile(
    r"\s*(?:,|/|&|、|(?:,\s*)?\b(?:and|or|vs|versus|than)\b\.?|和|跟|与|或|还是|比)?\s*(?:the\s*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Named:
    """What a text names.

    Attributes:
        products: Products meant, in the order of naming.
        group: Products of a kind that was named without saying which ("tents"); empty when
            products are named.
        kind: The words of the group as written.
        by_name: By model names, not by the words for a thing.
        unknown: A model was named that the shop does not have.
        spans: Where in the text, for both.
    """

    products: tuple[Product, ...] = ()
    group: tuple[Product, ...] = ()
    kind: str = ""
    by_name: bool = False
    unknown: bool = False
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class _Entry:
    product: Product
    words: frozenset[str]
    numbers: frozenset[str]
    first: tuple[str, ...]
    """First word of each title: a title that begins with a name is about it."""


@dataclass
class NameIndex:
    """Titles of a catalogue, prepared once."""

    products: Sequence[Product]
    names: dict[str, list[_Entry]] = field(init=False)
    weak: frozenset[str] = field(init=False)
    """Names that the shop also writes as common words."""

    def __post_init__(self) -> None:
        entries = [_entry(product) for product in self.products]
        counts: dict[str, int] = defaultdict(int)
        for entry in entries:
            for word in entry.words:
                counts[word] += 1
        self._rarity = {word: math.log(len(entries) / count) for word, count in counts.items()}
        owned = {name for product in self.products for name in _names(product)}
        most = max(4, len(entries) // 10)
        owned = {name for name in owned if counts[name] <= most}
        self.names = {name: [entry for entry in entries if name in entry.words] for name in owned}
        self._owners = {name: {p.id for p in self.products if name in _names(p)} for name in owned}
        self.weak = frozenset(owned & set(_common_words(self.products)))
        titles = [(plain(t).lower(), p) for p in self.products for t in p.title.values()]
        self._titles = sorted(titles, key=lambda one: -len(one[0]))
        self._things = _things(self.products)
        self._longest = max((len(thing) for thing in self._things), default=0)

    def find(self, text: str) -> Named:
        """What ``text`` (plain) names."""
        found = tokens(text)
        whole = self._titles_in(text)
        products = {product.id: product for product, _ in whole}
        titled = {n for n, token in enumerate(found) for _, span in whole if _within(token, span)}
        used = set(titled)
        unknown = False
        for at, token in enumerate(found):
            if at in used or token.word not in self.names or not self._meant(found, at, text):
                continue
            entries, places = self._which(found, at, text)
            if not entries:
                unknown = True
                used.update(places)
            elif len(entries) <= FAMILY:
                used.update(places)
                products.update({entry.product.id: entry.product for entry in entries})
            else:
                unknown = True
        spans = tuple(span for _, span in whole)
        spans += tuple((found[at].start, found[at].end) for at in sorted(used - titled))
        if products or unknown:
            # The thing behind the name: 帐篷 in "Arbor 2 帐篷".
            spans += tuple(
                span
                for those, span in self._things_in(text, found, used)
                if any(product.id in products for product in those)
            )
            return Named(tuple(products.values()), by_name=True, unknown=unknown, spans=spans)
        return self._thing(text, found)

    def _titles_in(self, text: str) -> list[tuple[Product, tuple[int, int]]]:
        """Products whose whole title stands in the text, and where; a longer title goes first."""
        lowered = text.lower()
        found: list[tuple[Product, tuple[int, int]]] = []
        for title, product in self._titles:
            start = lowered.find(title)
            end = start + len(title)
            if start >= 0 and not any(start < other[1] and other[0] < end for _, other in found):
                found.append((product, (start, end)))
        return found

    def _meant(self, found: Sequence[Token], at: int, text: str) -> bool:
        """Whether a word that is also a common one stands for the product here."""
        token = found[at]
        if token.word not in self.weak or re.search("[\u4e00-\u9fff]", text):
            return True
        if at > 0 and token.raw[0].isupper() and not text.isupper():
            return True
        own = frozenset().union(*(entry.words | entry.numbers for entry in self.names[token.word]))
        around = [found[n].word for n in (at - 1, at + 1) if 0 <= n < len(found)]
        return any(word in own and word != token.word for word in around)

    def _which(self, found: Sequence[Token], at: int, text: str) -> tuple[list[_Entry], set[int]]:
        """The products that the name at ``at`` stands for, and the tokens that say so."""
        word = found[at].word
        entries = self.names[word]
        numbers = _numbers_after(found, at, text, entries)
        scores: list[float] = []
        for entry in entries:
            score = sum(
                self._rarity[token.word]
                for token in found
                # "Made for" speaks of no "Footprint for Arbor tents".
                if token.kind == "word" and token.word in entry.words - SMALL_WORDS and token.word != word
            )
            if any(_has_number(entry, number.word, entries) for number in numbers):
                score += 3.0
            score += 0.5 if entry.product.id in self._owners[word] else 0.0
            score += 0.5 * entry.first.count(word) / len(entry.first)
            scores.append(score + _han_overlap(text, entry.product))
        best = max(scores)
        chosen = [entry for entry, score in zip(entries, scores, strict=True) if score > best - 0.05]
        places = {at}
        for step in (-1, 1):
            n = at + step
            # Words of the title beside the name; the name again may stand for another product.
            while 0 <= n < len(found) and found[n].word != word and _titled(found[n], chosen):
                places.add(n)
                n += step
        if numbers:
            said = {found.index(number) for number in numbers}
            fits = [e for e in chosen if any(_has_number(e, number.word, entries) for number in numbers)]
            if fits:
                return fits, places | said
            if any(entry.numbers for entry in chosen):
                return [], places | said
        return chosen, places

    def _thing(self, text: str, found: Sequence[Token]) -> Named:
        """A group, or a product that alone is such a thing."""
        groups = self._things_in(text, found, set())
        if not groups:
            return Named()
        merged: dict[str, Product] = {}
        spans: list[tuple[int, int]] = []
        kinds: list[str] = []
        for products, span in groups:
            merged.update({product.id: product for product in products})
            spans.append(span)
            kinds.append(text[span[0] : span[1]])
        if all(len(products) == 1 for products, _ in groups):
            return Named(tuple(merged.values()), spans=tuple(spans))
        return Named(group=tuple(merged.values()), kind=" ".join(kinds), spans=tuple(spans))

    def _things_in(
        self, text: str, found: Sequence[Token], used: set[int]
    ) -> list[tuple[tuple[Product, ...], tuple[int, int]]]:
        """Things named in the text, each with the products that are one, by the longest words."""
        hits: list[tuple[tuple[Product, ...], tuple[int, int]]] = []
        at = 0
        while at < len(found):
            token = found[at]
            if token.kind == "han":
                hits += self._han_things(token)
                at += 1
                continue
            for length in range(min(4, len(found) - at), 0, -1):
                run = found[at : at + length]
                if any(n in used for n in range(at, at + length)) or any(t.kind != "word" for t in run):
                    continue
                products = self._things.get(" ".join(t.word for t in run))
                if products:
                    products = self._narrowed(products, found, at)
                    hits.append((products, (run[0].start, run[-1].end)))
                    at += length - 1
                    break
            at += 1
        return hits

    def _narrowed(
        self, products: tuple[Product, ...], found: Sequence[Token], at: int
    ) -> tuple[Product, ...]:
        """Those whose titles also have the words before the thing: "down jacket", "silk liner"."""
        while at > 0 and found[at - 1].kind == "word":
            word = found[at - 1].word
            fits = tuple(product for product in products if word in _entry(product).words)
            if not fits:
                break
            products, at = fits, at - 1
        return products

    def _han_things(self, token: Token) -> list[tuple[tuple[Product, ...], tuple[int, int]]]:
        hits: list[tuple[tuple[Product, ...], tuple[int, int]]] = []
        at = 0
        while at < len(token.word):
            for length in range(min(self._longest, len(token.word) - at), 1, -1):
                products = self._things.get(token.word[at : at + length])
                if products:
                    hits.append((products, (token.start + at, token.start + at + length)))
                    at += length - 1
                    break
            at += 1
        return hits


def _entry(product: Product) -> _Entry:
    titles = [tokens(plain(title)) for title in product.title.values()]
    return _Entry(
        product,
        frozenset(token.word for title in titles for token in title if token.kind == "word"),
        frozenset(token.word for title in titles for token in title if token.kind == "number"),
        tuple(title[0].word if title else "" for title in titles),
    )


def _names(product: Product) -> set[str]:
    """Latin words, three letters and up, that stand in every title of a product."""
    sets = [
        {token.word for token in tokens(plain(title)) if token.kind == "word" and len(token.word) > 2}
        for title in product.title.values()
    ]
    return set.intersection(*sets) if sets else set()


def _common_words(products: Iterable[Product]) -> Iterable[str]:
    """Words that the shop writes in lower case somewhere."""
    for product in products:
        texts = [*product.title.values(), *product.care.values()]
        for spec in product.specs:
            texts += [*spec.name.values(), *spec.value.values()]
        for text in texts:
            yield from (token.word for token in tokens(plain(text)) if token.raw.islower())


def _things(products: Iterable[Product]) -> Mapping[str, tuple[Product, ...]]:
    """Ends of titles, one word or character run and longer, with the products that have them."""
    found: dict[str, dict[str, Product]] = defaultdict(dict)
    for product in products:
        for title in product.title.values():
            head = _MEASURE_END.sub("", _CUT.split(plain(title))[0])
            words = tokens(head)
            if not words:
                continue
            if words[-1].kind == "han":
                run = words[-1].word
                for length in range(2, len(run) + 1):
                    found[run[-length:]][product.id] = product
                continue
            own: list[str] = []
            for token in reversed(words):
                if token.kind != "word":
                    break
                own.insert(0, token.word)
                if len(own) > 4:
                    break
                found[" ".join(own)][product.id] = product
    return {thing: tuple(those.values()) for thing, those in found.items()}


def _within(token: Token, span: tuple[int, int]) -> bool:
    return span[0] <= token.start and token.end <= span[1]


def _titled(token: Token, entries: Sequence[_Entry]) -> bool:
    words = token.kind == "word" and any(token.word in entry.words for entry in entries)
    return words or (token.kind == "number" and any(token.word in entry.numbers for entry in entries))


def _numbers_after(
    found: Sequence[Token], at: int, text: str, entries: Sequence[_Entry]
) -> tuple[Token, ...]:
    """The model number right after a name, and those added to it ("Arbor 2 or 3"); no measures."""
    numbers: list[Token] = []
    end = found[at].end
    for token in found[at + 1 :]:
        between = text[end : token.start]
        if token.kind != "number":
            if _AND.fullmatch(between + token.raw) and numbers:
                continue
            break
        joined = _AND.fullmatch(between) if numbers else not between.strip(" -#")
        if not joined or _UNIT_AFTER.match(text[token.end :]):
            break
        if numbers and not any(_has_number(entry, token.word, entries) for entry in entries):
            break
        numbers.append(token)
        end = token.end
    return tuple(numbers)


def _has_number(entry: _Entry, number: str, among: Sequence[_Entry]) -> bool:
    if number in entry.numbers:
        return True
    # "Arbor-2": a dash, unless one of the products has a minus in its name.
    bare = number.lstrip("-")
    return bare in entry.numbers and not any(number in other.numbers for other in among)


def _han_overlap(text: str, product: Product) -> float:
    """Longest run of Han characters, two and up, that text and title share, as a score."""
    best = 0
    for title in product.title.values():
        for token in tokens(plain(title)):
            if token.kind != "han":
                continue
            for start in range(len(token.word)):
                for end in range(start + max(2, best + 1), len(token.word) + 1):
                    if token.word[start:end] in text:
                        best = max(best, end - start)
    return 0.6 * best
