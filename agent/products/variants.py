"""Variants: the options they differ in, and which of them a text names."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from agent.ids import Language
from agent.products.attributes import Span, vocabulary
from agent.products.port import Choice, Product
from agent.products.words import plain, tokens

_SIZE = re.compile(
    r"(?:EU|US|UK)?\s*\d[\d.,–/×x \-]*(?:mm|cm|m|ml|l|g|kg|litres?|liters?|inch(?:es)?|毫米|厘米|米|毫升|升|克|公斤|寸)?"
    r"|(?:\d?X{0,3}[SL]|M)(?:/(?:X{0,3}L|M))?",
    re.IGNORECASE,
)
_FIT = re.compile(
    r"(?:wo)?men'?s|women’s|men’s|unisex|kids'?|regular|short|long|wide|narrow|女款|男款|.{0,2}(?:标准|加长|加宽|常规|短款|长款).{0,2}",
    re.IGNORECASE,
)
Picked = Mapping[int, Collection[str]]
"""Options named: by their place in a variant's name, under their English names."""


def options(choice: Choice, language: Language) -> list[str]:
    """The options of a variant: ``Fjord blue, M`` has two."""
    return [part.strip() for part in re.split(r"[,，]", choice.name[language])]


def colours(product: Product, language: Language) -> list[str]:
    """The colours it comes in, where its variants differ in colour."""
    if all(choice.option in {"colour", "color"} for choice in product.choices):
        return [choice.name[language] for choice in product.choices]
    found: dict[str, None] = {}
    for choice in product.choices:
        own, said = options(choice, language), options(choice, "en")
        if len(own) > 1 and len(own) == len(said):
            places = range(len(own))
            rest = [own[n] for n in places if not _SIZE.fullmatch(said[n]) and not _FIT.fullmatch(said[n])]
            found.update(dict.fromkeys(rest))
    return list(found)


def sizes(product: Product, language: Language) -> list[str]:
    """The sizes and cuts it comes in, where its variants differ in them."""
    if all(choice.option in {"colour", "color"} for choice in product.choices):
        return []
    found: dict[str, None] = {}
    for choice in product.choices:
        own, said = options(choice, language), options(choice, "en")
        if len(own) == len(said) and len(own) > 1:
            places = range(len(own))
            own = [own[n] for n in places if _SIZE.fullmatch(said[n]) or _FIT.fullmatch(said[n])]
        found.update(dict.fromkeys(own))
    return list(found)


def picked(product: Product, text: str) -> tuple[Picked, list[Span]]:
    """Options of a product's variants that a plain text names, and where."""
    picks: dict[int, set[str]] = {}
    spans: list[Span] = []
    for choice in product.choices:
        for at, (en, zh) in enumerate(zip(options(choice, "en"), options(choice, "zh"), strict=False)):
            where = _option_in(en, zh, text)
            if where:
                picks.setdefault(at, set()).add(en)
                spans += where
    return picks, spans


def having(product: Product, picks: Picked) -> list[Choice]:
    """The variants that have the options named; none when none is named."""
    named = [(choice, options(choice, "en")) for choice in product.choices]
    return [
        choice
        for choice, own in named
        if picks and all(place < len(own) and own[place] in those for place, those in picks.items())
    ]


def is_colour(word: str) -> bool:
    """Whether a word is a common name of a colour."""
    words = vocabulary()
    return bool(words.colour_words.fullmatch(word)) or set(word) <= words.colour_characters | {"色"}


def is_size(word: str) -> bool:
    """Whether a word is a common size: ``XL``, ``42``."""
    return bool(vocabulary().size_words.fullmatch(word))


def names_colour(text: str) -> bool:
    """Whether a plain text names a colour."""
    words = vocabulary()
    characters = "".join(sorted(words.colour_characters))
    latin = any(words.colour_words.fullmatch(token.raw) for token in tokens(text))
    return latin or re.search(f"[{characters}]色", text) is not None


def _option_in(en: str, zh: str, text: str) -> list[Span]:
    """Where a text names one option of a variant ("Fjord blue", "EU 42"); empty where it does not."""
    said = tokens(text)
    own = tokens(plain(en))
    numbers = [_number(token.word) for token in own if token.kind == "number"]
    if numbers:
        letters = {token.raw for token in own if token.kind == "word" and re.fullmatch("X*[SML]", token.raw)}
        span_of = re.search(r"\d\s*-\s*\d", plain(en)) is not None and len(numbers) == 2
        fits = [
            token.kind == "number" and _sized(_number(token.word), numbers, ranged=span_of) for token in said
        ]
        hits = [
            token
            for at, token in enumerate(said)
            # The L of "1.7 L" is the unit of another number, and does not name "1 L".
            if fits[at]
            or (token.raw in letters and (at == 0 or fits[at - 1] or said[at - 1].kind != "number"))
        ]
        around = [token for token in said if token.raw.upper() == "EU"] if hits else []
        return [(token.start, token.end) for token in (*hits, *around)]
    if re.fullmatch(r"\d?X*[SML](?:/X*[SML]L?)?", en):
        return [(m.start(), m.end()) for m in re.finditer(rf"(?<![\w'’/]){re.escape(en)}(?![\w'’/])", text)]
    han = plain(zh)
    if re.search("[\u4e00-\u9fff]", han) and han in text:
        return [(text.index(han), text.index(han) + len(han))]
    words = [token.word for token in own if len(token.word) > 2]
    hits = [token for token in said if token.kind == "word" and token.word in words]
    if hits and (len(words) < 3 or len(hits) == len(words)):
        return [(token.start, token.end) for token in hits]
    for match in re.finditer(r"([\u4e00-\u9fff])(?:色|的(?=[还有吗么，,。？?\s]|$))", text):
        if match[1] in han and match[1] in vocabulary().colour_characters:
            return [match.span()]
    return []


def _number(word: str) -> float:
    return abs(float(word.rstrip("k")))


def _sized(number: float, own: Sequence[float], *, ranged: bool) -> bool:
    return own[0] <= number <= own[1] if ranged else number in own
