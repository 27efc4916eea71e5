"""Judge one output against what was wanted: facts that can be counted, nothing rated by a model."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.events import Intent
from agent.grounding import Source, Vectors, check, split_sentences
from agent.ids import Language
from agent.language import detect
from agent.understand_prompt import ARGUMENTS
from evals.text import holds
from finetune.example import Example

MARK = re.compile(r"\[(\d{1,2})\]")
_APOLOGY = re.compile(r"\b(?:sorry|apologi[sz]e|apolog(?:y|ies))\b|抱歉|对不起|不好意思|歉意", re.IGNORECASE)
"""Every opening of ``data/voice.yaml`` has one of these, and so has any apology we know of."""
_FIGURE = re.compile(r"\d+(?:[.,:]\d+)*")
_TOKEN = re.compile(r"[\u3400-\u9fff]|[a-z0-9]+(?:['’.,-][a-z0-9]+)*")


class Wanted(BaseModel):
    """What a message asks for, as a model writes it and as a target says it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    intents: tuple[Intent, ...] = Field(min_length=1)
    language: Language
    args: dict[str, str]

    @classmethod
    def read(cls, text: str) -> Wanted | None:
        """From JSON; ``None`` when it is not of this form."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return None


@dataclass(frozen=True)
class Understood:
    """How well a message was understood. Output that cannot be read counts as wrong throughout."""

    valid: bool
    main: bool
    intents: bool
    """As sets: the order of the further ones means nothing."""
    language: bool
    arguments: bool
    """All of them right, and none too many."""
    right: frozenset[str]
    """Arguments given with the wanted value."""
    given: frozenset[str]
    wanted: frozenset[str]


def understood(output: Wanted | None, target: Wanted) -> Understood:
    """Compare what was read with what was meant."""
    wanted = _compared(target.args)
    if output is None:
        return Understood(False, False, False, False, False, frozenset(), frozenset(), frozenset(wanted))
    given = _compared(output.args)
    return Understood(
        valid=set(output.args) <= set(ARGUMENTS),
        main=output.intents[0] == target.intents[0],
        intents=set(output.intents) == set(target.intents),
        language=output.language == target.language,
        arguments=given == wanted,
        right=frozenset(name for name, value in given.items() if wanted.get(name) == value),
        given=frozenset(given),
        wanted=frozenset(wanted),
    )


@dataclass(frozen=True)
class Answered:
    """How good an answer is.

    Attributes:
        claims: Sentences that claim something.
        supported: Those of them that a source says.
        cited: It has marks, and all are of the source that answers.
        language: It is in the shopper's.
        apologises: Its first sentence does.
        upset: Whether the shopper is, so that it should.
        sentences: How many, the apology included.
        figures: Figures in it, and ``figures_right``: those that the right source has.
        needed: Figures of the target, and ``needed_found``: those that are in it.
        overlap: ROUGE-L F1 with the target (Lin 2004): words, in Chinese characters.
    """

    claims: int
    supported: int
    cited: bool
    language: bool
    apologises: bool
    upset: bool
    sentences: int
    figures: int
    figures_right: int
    needed: int
    needed_found: int
    overlap: float

    @property
    def grounded(self) -> bool:
        """It says something, and all it says is supported."""
        return 0 < self.claims == self.supported


def answered(text: str, example: Example, vectors: Vectors | None = None) -> Answered:
    """Judge an answer by its example's sources and target."""
    plain, target = _plain(text), _plain(example.target)
    sources = [Source(id=one.id, text=one.text, title=one.title) for one in example.sources]
    claims = [claim for claim in check(plain, sources, vectors=vectors) if claim.needs_source]
    right = example.sources[example.right]
    told = f"{right.title}\n{right.text}"
    figures, needed = _figures(plain), _figures(target)
    sentences = split_sentences(plain)
    apologises = bool(sentences) and _APOLOGY.search(sentences[0]) is not None
    other: Language = "en" if example.language == "zh" else "zh"
    return Answered(
        claims=len(claims),
        supported=sum(claim.supported for claim in claims),
        cited=set(MARK.findall(text)) == {str(example.right + 1)},
        language=detect(plain, default=other) == example.language,
        apologises=apologises,
        upset=example.upset,
        sentences=len(sentences),
        figures=len(figures),
        figures_right=sum(holds(told, figure) for figure in figures),
        needed=len(needed),
        needed_found=sum(holds(plain, figure) for figure in needed),
        overlap=rouge_l(plain, target),
    )


def rouge_l(said: str, target: str) -> float:
    """F1 of the longest common subsequence of words (Han characters singly), 0 to 1."""
    ours, theirs = (_TOKEN.findall(unicodedata.normalize("NFKC", text).lower()) for text in (said, target))
    if not ours or not theirs:
        return 0.0
    before = [0] * (len(theirs) + 1)
    for token in ours:
        row = [0]
        for place, other in enumerate(theirs):
            row.append(before[place] + 1 if token == other else max(row[-1], before[place + 1]))
        before = row
    return 2 * before[-1] / (len(ours) + len(theirs))


def _compared(args: Mapping[str, str]) -> dict[str, str]:
    """Values as they are compared: one width, one case, single spaces, no outer punctuation."""
    return {
        name: " ".join(unicodedata.normalize("NFKC", value).casefold().split()).strip(" .,。，")
        for name, value in args.items()
        if value.strip()
    }


def _plain(text: str) -> str:
    """Without citation marks."""
    return re.sub(r"[ \t]+", " ", MARK.sub("", text)).strip()


def _figures(text: str) -> set[str]:
    return set(_FIGURE.findall(unicodedata.normalize("NFKC", text)))
