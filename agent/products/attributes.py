"""Which attributes a question asks for, by the vocabulary of ``agent/data/product_attributes.yaml``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from agent.ids import Language
from agent.products.port import Spec

Span = tuple[int, int]
Wins = Literal["low", "high"]
FieldName = Literal[
    "", "weight", "price", "warranty", "stock", "colours", "sizes", "variants", "care", "final_sale"
]


class _Words(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    en: str
    zh: str


class _Compared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    en: tuple[str, str]
    zh: str
    most: str = ""


class Attribute(BaseModel):
    """An attribute: how it is asked for, and where the shop's data says it. See the file's head."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = ""
    ask: _Words
    weak: _Words | None = None
    count: _Words | None = None
    specs: _Words | None = None
    field: FieldName = ""
    over: tuple[str, ...] = ()
    unit: str | None = None
    take: Literal["one", "max"] = "one"
    compare: Mapping[Wins, _Compared] = Field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """A wish to compare: by what, which end is meant, and whether the very end ("cheapest")."""

    attribute: Attribute
    wins: Wins
    most: bool = False

    @property
    def of_variants(self) -> bool:
        """Whether it may be about the variants of one product: they differ in price alone."""
        return self.most and self.attribute.field == "price"

    def words(self, language: Language) -> tuple[str, str]:
        """Comparative and superlative; in Chinese the adjective, twice."""
        compared = self.attribute.compare[self.wins]
        if language == "en":
            return compared.en
        # Of alternatives the first is said.
        adjective = re.sub(r"\(\?:[^)]*\)\?", "", compared.zh).removeprefix("(?:").split("|")[0].rstrip(")")
        return adjective, adjective


@dataclass(frozen=True)
class Wish:
    """Attributes that one stretch of a question may mean; an answer to one of them answers it."""

    span: Span
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True)
class Asked:
    """What a question asks for, in its order."""

    wishes: tuple[Wish, ...] = ()
    comparison: Comparison | None = None
    counted: frozenset[str] = frozenset()
    """Names of the attributes of which it is asked how many there are."""
    parts: Mapping[str, Span] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Vocabulary:
    """The file, compiled."""

    attributes: tuple[Attribute, ...]
    parts: Mapping[str, re.Pattern[str]]
    fillers_en: frozenset[str]
    fillers_zh: re.Pattern[str]
    colour_words: re.Pattern[str]
    size_words: re.Pattern[str]
    colour_characters: frozenset[str]

    def asked(self, text: str) -> Asked:
        """What a plain text asks for."""
        spans = [
            (match.span(), attribute)
            for attribute in self.attributes
            for match in _either(attribute.ask).finditer(text)
        ]
        counted = [
            (match.span(), attribute)
            for attribute in self.attributes
            if attribute.count is not None
            for match in _either(attribute.count).finditer(text)
        ]
        spans += counted
        comparison, compared = self._comparison(text)
        if comparison is not None:
            spans.append((compared, comparison.attribute))
        if not spans:
            spans = [
                (match.span(), attribute)
                for attribute in self.attributes
                if attribute.weak is not None
                for match in _either(attribute.weak).finditer(text)
            ]
        over = {name for _, attribute in spans for name in attribute.over}
        kept = [
            (span, attribute)
            for span, attribute in spans
            if attribute.name not in over and not any(_inside(span, other) for other, _ in spans)
        ]
        parts = self._parts(text)
        denied = [match.span() for match in _NOT.finditer(text)] if parts else []
        return Asked(
            wishes=_wishes(kept),
            comparison=comparison,
            counted=frozenset(attribute.name for _, attribute in counted),
            parts=parts,
            spans=(*(span for span, _ in spans), *denied),
        )

    def _comparison(self, text: str) -> tuple[Comparison | None, Span]:
        for attribute in self.attributes:
            for wins, words in attribute.compare.items():
                match = _comparing(words.en, words.zh, words.most).search(text)
                if match is not None:
                    most = match["most"] or re.search("[最哪]|est$|^most", match.group(), re.IGNORECASE)
                    return Comparison(attribute, wins, most=bool(most)), match.span()
        return None, (0, 0)

    def _parts(self, text: str) -> Mapping[str, Span]:
        """Parts asked about; "not the fly" is none."""
        said = _NOT.sub(lambda match: " " * len(match.group()), text)
        found = {name: pattern.search(said) for name, pattern in self.parts.items()}
        return {name: match.span() for name, match in found.items() if match is not None}

    def leftover(self, text: str, spans: Iterable[Span]) -> list[str]:
        """Words of a question that nothing recognised in it explains."""
        rest = list(text)
        for start, end in spans:
            rest[start:end] = " " * (end - start)
        # English words first: a unit in Latin letters may stand between Han characters.
        words = re.findall(r"[A-Za-z]+(?:['’][A-Za-z]+)?|-?\d+(?:[.,]\d+)*", "".join(rest))
        left = [word for word in words if _bare(word) not in self.fillers_en]
        for run in re.findall(r"[\u3400-\u4dbf\u4e00-\u9fff]+", "".join(rest)):
            remains = self.fillers_zh.sub("", run)
            if len(remains) > 1:
                left.append(remains)
        return left


_BRACKETS = re.compile(r"\s*[(（][^)）]*[)）]")
_NOT = re.compile(
    r"\b(?:not|instead of|rather than)\s+(?:of\s+)?(?:the\s+)?\w+|(?:不是|而非|并非)[^，。？,?\s]{1,6}",
    re.IGNORECASE,
)


@cache
def vocabulary() -> Vocabulary:
    """The vocabulary shipped with the product."""
    raw = yaml.safe_load((files("agent") / "data" / "product_attributes.yaml").read_text(encoding="utf-8"))
    parts, fillers = raw.pop("parts"), raw.pop("fillers")
    colours, sizes = raw.pop("colour_words").strip(), raw.pop("size_words")
    characters = raw.pop("colour_characters")
    zh = sorted(set(fillers["zh"].split()), key=len, reverse=True)
    return Vocabulary(
        attributes=tuple(Attribute(name=name, **fields) for name, fields in raw.items()),
        parts={name: re.compile(pattern, re.IGNORECASE) for name, pattern in parts.items()},
        fillers_en=frozenset(fillers["en"].split()),
        fillers_zh=re.compile("|".join(map(re.escape, zh))),
        colour_words=re.compile(colours, re.IGNORECASE),
        size_words=re.compile(sizes, re.IGNORECASE),
        colour_characters=frozenset(characters),
    )


@cache
def _either(words: _Words) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{words.en})(?!\w)|{words.zh}", re.IGNORECASE | re.ASCII)


def core(name: str) -> str:
    """A specification's name without what stands in brackets, in lower case."""
    return _BRACKETS.sub("", name).strip().lower()


def states(attribute: Attribute, spec: Spec) -> bool:
    """Whether a specification states an attribute, by its name in any language."""
    if attribute.specs is None:
        return False
    pattern = _naming(attribute.specs)
    return any(pattern.search(core(name)) for name in spec.name.values())


@cache
def _naming(specs: _Words) -> re.Pattern[str]:
    return re.compile(f"{specs.en}|{specs.zh}", re.IGNORECASE)


@cache
def _comparing(en: tuple[str, str], zh: str, most: str) -> re.Pattern[str]:
    words = "|".join(map(re.escape, en))
    han = rf"(?:更|最|比较|较|谁|哪[^，。？\s]{{0,4}}?){zh}|比[^，。？]{{1,12}}{zh}|{zh}(?:一点|一些|些(?!什么))"
    return re.compile(rf"\b(?:{words})\b|{han}|(?P<most>{most or '(?!)'})", re.IGNORECASE | re.ASCII)


def _bare(word: str) -> str:
    return word.lower().replace("’", "'").removesuffix("'s")


def _inside(span: Span, other: Span) -> bool:
    return span != other and other[0] <= span[0] and span[1] <= other[1]


def _wishes(found: list[tuple[Span, Attribute]]) -> tuple[Wish, ...]:
    """Overlapping stretches are one wish; the same attribute is wished once."""
    wishes: list[tuple[Span, list[Attribute]]] = []
    for span, attribute in sorted(found, key=lambda item: item[0]):
        if wishes and span[0] < wishes[-1][0][1]:
            (start, end), own = wishes[-1]
            wishes[-1] = ((start, max(end, span[1])), own)
            if attribute not in own:
                own.append(attribute)
        elif not any(attribute in own for _, own in wishes):
            wishes.append((span, [attribute]))
    return tuple(Wish(span, tuple(own)) for span, own in wishes)
