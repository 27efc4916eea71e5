"""The mood scorer of words: a weighted lexicon, a few features of tone, a small softmax. No model.

The lexicon is ``agent/data/mood_lexicon.yaml``; the coefficients are fitted by
``tools/fit_mood.py`` on written utterances and kept in ``agent/data/mood_weights.json``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from agent.events import MoodScores
from agent.ids import Language
from agent.intents import normalise
from agent.mood import Mood

_DATA = Path(__file__).parent / "data"
WEIGHTS = _DATA / "mood_weights.json"

KINDS = ("anger", "disappointment", "problem", "urgency", "sarcasm", "leaving", "praise", "thanks")
FEATURES = (
    *KINDS,
    "negative_emoji",
    "positive_emoji",
    "angry_emphasis",
    "glad_emphasis",
    "plain_emphasis",
    "repeated",
    "times",
    "asks",
)
_NEGATIVE = frozenset({"anger", "disappointment", "problem", "sarcasm", "leaving"})
_LONGEST = 2_000
_ANSWERS = frozenset({"好的", "have a nice day", "have a good day", "have a great day", "祝好"})
"""Courtesies that do not come with a wish."""
_MOST = 6.0
"""Strength of one kind above which more words add nothing."""

_WHY: Mapping[str, tuple[str, str]] = {
    "anger": ("anger", "愤怒"),
    "disappointment": ("disappointment", "失望"),
    "problem": ("something went wrong", "出了问题"),
    "urgency": ("urgency", "催促"),
    "sarcasm": ("sarcasm", "反讽"),
    "leaving": ("threat to leave or escalate", "要离开或升级投诉"),
    "praise": ("praise", "称赞"),
    "thanks": ("thanks", "感谢"),
    "negative_emoji": ("emoji", "表情"),
    "positive_emoji": ("emoji", "表情"),
    "emphasis": ("emphasis", "强调"),
    "repeated": ("says it again", "重复提出"),
    "times": ("not the first time", "不是第一次"),
}


@dataclass(frozen=True)
class Hit:
    """A phrase of the lexicon found in a text."""

    kind: str
    strength: float
    phrase: str
    start: int


@dataclass(frozen=True)
class _Lexicon:
    entries: Mapping[str, tuple[str, int]]
    pattern: re.Pattern[str]
    negators: tuple[str, ...]
    intensifiers: re.Pattern[str]


@dataclass(frozen=True)
class Reading:
    """The features of a text and the evidence for them."""

    values: Mapping[str, float]
    hits: tuple[Hit, ...]
    signs: tuple[tuple[str, str], ...]
    """Evidence beside the lexicon: kind and phrase."""


@cache
def _raw() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((_DATA / "mood_lexicon.yaml").read_text(encoding="utf-8"))
    return loaded


@cache
def _lexicon(language: Language) -> _Lexicon:
    raw = _raw()
    entries = {
        entry.lower(): (kind, int(strength))
        for kind, by_strength in raw[language].items()
        for strength, phrases in by_strength.items()
        for entry in phrases
    }
    longest_first = sorted(entries, key=len, reverse=True)
    if language == "en":
        body = "|".join(re.escape(e).replace(r"\*", r"\w*").replace("'", "['’]") for e in longest_first)
        pattern = re.compile(rf"(?<![\w'’])(?:{body})(?![\w])", re.IGNORECASE)
        strong = re.compile(r"\b(?:" + "|".join(raw["intensifiers"]["en"]) + r")\b", re.IGNORECASE)
    else:
        pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)
        strong = re.compile("|".join(map(re.escape, raw["intensifiers"]["zh"])))
    return _Lexicon(entries, pattern, tuple(raw["negators"][language]), strong)


@cache
def _emoji() -> tuple[frozenset[str], frozenset[str]]:
    raw = _raw()["emoji"]
    return frozenset(raw["negative"]), frozenset(raw["positive"])


def _entry(lexicon: _Lexicon, found: str) -> tuple[str, int]:
    word = found.lower().replace("’", "'")
    if word in lexicon.entries:
        return lexicon.entries[word]
    return next(
        value
        for entry, value in lexicon.entries.items()
        if entry.endswith("*") and word.startswith(entry[:-1])
    )


_CLAUSE_END = re.compile(r"[,.;:!?\n]|\b(?:but|and|because|so)\b[^,.;:!?\n]{0,60}$", re.IGNORECASE)
_BETWEEN_ZH = r"(?:什么|任何|很|太|那么|特别|非常|怎么|觉得|感到|感觉|啥|有|是|过|再|得)*$"


def _negated(text: str, start: int, lexicon: _Lexicon, language: Language) -> bool:
    if language == "zh":
        # 满不满意, 好不好: a question, taken for neither.
        if re.search(r"(.)不\1", text[max(0, start - 2) : start + 2]):
            return True
        before = re.sub(_BETWEEN_ZH, "", text[max(0, start - 10) : start])
        return before.endswith(lexicon.negators) and not before.endswith(("要不", "不得不", "差不", "无不"))
    before = re.split(r"[,.;:!?\n]|\bbut\b", text[:start], flags=re.IGNORECASE)[-1].lower().replace("’", "'")
    words = re.findall(r"[\w']+", before)[-3:]
    if words[-2:] == ["not", "only"] or (words[-1:] == ["no"] and len(words) == 1):
        return False
    return any(word in lexicon.negators or word.endswith("n't") for word in words)


_IF = re.compile(
    r"\b(?:if|what happens|what if|in case|when|whether|does|do|can|could|would|is|are|cover|covers"
    r"|covered)\b|如果|要是|万一|假如|的话|怎么办|保修|包括|会不会|能不能|是否",
    re.IGNORECASE,
)
_QUESTION = re.compile(r"[?？]|(?:吗|呢|么|多少|怎么|什么|几天|多久|哪)", re.IGNORECASE)
_QUESTION_EN = re.compile(
    r"\?|^\W*(?:what|how|which|who|when|where|why|can|could|do|does|is|are|would|will)\b", re.IGNORECASE
)
_AGAIN = re.compile(r"\b(?:again|another|yet|now|also)\b|又|再次|也没|现在", re.IGNORECASE)
_TIMES = re.compile(
    r"\b(?:second|third|fourth|fifth|sixth|tenth|2nd|3rd|4th|5th|\d+th|umpteenth|hundredth) (?:time|message"
    r"|mail|email|complaint)\b"
    r"|\b(?:[3-9]|three|four|five|ten) times\b|\b(?:already|told you|asked|said|wrote"
    r"|explained)\b.{0,20}\b(?:twice|three times|before|already)\b"
    r"|\b(?:already|just) (?:asked|told|said|wrote|explained)|\bi (?:asked|told you) already\b"
    r"|\bhow many times\b|\b(?:i|as i) said\b|\bkeep (?:asking|saying|repeating|giving|sending|telling)\b"
    r"|\bover and over\b"
    r"|第[二三四五六七八九十\d几N]次|[三四五六七八九十好几]+[次遍]了|说了(?:多少|几|好几)遍|要我说几遍"
    r"|问过了|说过了|我说了|已经(?:说|问|讲)过|重复了|一直重复|反复",
    re.IGNORECASE,
)
_LONG_NUMBER = re.compile(r"\d{4,}")
_BUT = re.compile(r"\b(?:but|however|except|although|though)\b|但是?|可是|不过|只是|然而", re.IGNORECASE)


def read(text: str, language: Language, earlier: Sequence[str] = ()) -> Reading:
    """The features of ``text``; anything is accepted."""
    shown = text[:_LONGEST]
    plain = normalise(shown)
    lexicon = _lexicon(language)
    asks = bool((_QUESTION if language == "zh" else _QUESTION_EN).search(plain))
    hits: list[Hit] = []
    courtesy = False
    for match in lexicon.pattern.finditer(plain):
        kind, strength = _entry(lexicon, match.group())
        weight = float(strength)
        if kind == "courtesy":
            courtesy = courtesy or match.group().lower() not in _ANSWERS
            continue
        if kind in ("problem", "disappointment", "praise") and asks and _hypothetical(plain, match.start()):
            continue
        if _negated(plain, match.start(), lexicon, language):
            if kind == "praise" and not asks:
                hits.append(Hit("disappointment", min(weight, 2.0), _around(plain, match), match.start()))
            continue
        before = plain[max(0, match.start() - 14) : match.start()]
        strong = list(lexicon.intensifiers.finditer(before))
        if strong and kind != "problem" and not before[strong[-1].end() :].strip():
            weight += 0.5
        hits.append(Hit(kind, weight, match.group(), match.start()))
    hits = _turn_sarcastic(plain, hits)
    values = dict.fromkeys(FEATURES, 0.0)
    turn = _BUT.search(plain)
    for hit in hits:
        # "Nice boots, but …": what follows is what counts.
        half = hit.kind == "praise" and turn is not None and hit.start < turn.start()
        values[hit.kind] = min(_MOST, values[hit.kind] + (hit.strength / 2 if half else hit.strength))
    bad = sum(values[kind] for kind in _NEGATIVE)
    if bad or asks or courtesy:
        # Thanks beside a wish or a complaint are manners.
        values["thanks"] = max(0.0, values["thanks"] - 1.0) if not bad else 0.0
    signs: list[tuple[str, str]] = []
    for name, faces in zip(("negative_emoji", "positive_emoji"), _emoji(), strict=True):
        found = [char for char in shown if char in faces]
        values[name] = float(min(3, len(found)))
        if found:
            signs.append((name, found[0]))
    _emphasis(shown, plain, bad, values, signs)
    _repetition(plain, earlier, values, signs)
    values["asks"] = float(asks)
    scaled = {name: math.log1p(value) if name in KINDS else value for name, value in values.items()}
    return Reading(scaled, tuple(hits), tuple(signs))


def _around(text: str, match: re.Match[str]) -> str:
    """A negated phrase with its negation."""
    start = max(0, match.start() - 12)
    piece = re.split(r"[,.;:!?，。；：！？]", text[start : match.end()])[-1].strip()
    return piece if start == 0 or not piece[:1].isascii() else piece.split(" ", 1)[-1]


def _hypothetical(text: str, at: int) -> bool:
    """Whether a word stands in a clause that only supposes or asks ("if it is broken, …")."""
    starts = [match.end() for match in re.finditer(r"[.!?。！？\n]", text[:at])]
    start = starts[-1] if starts else 0
    end = re.search(r"[.!?。！？\n]", text[at:])
    sentence = text[start : at + end.end() if end else len(text)]
    return bool(_IF.search(sentence)) and not re.search(
        r"\b(?:my|still|why|i'?ve|you)\b|为什么|怎么还|怎么这|我的", sentence, re.IGNORECASE
    )


def _turn_sarcastic(text: str, hits: Sequence[Hit]) -> list[Hit]:
    """Praise that opens a message of bad news ("Great, another delay") is sarcasm."""
    bad = [hit for hit in hits if hit.kind in ("problem", "disappointment", "anger")]
    out: list[Hit] = []
    for hit in hits:
        opens = hit.start <= 8 and hit.kind == "praise" and hit.strength >= 2
        tail = text[hit.start + len(hit.phrase) :]
        first = re.split(r"[.!。！\n]", tail.lstrip(" ,，.!。！"), maxsplit=1)[0]
        news = [h for h in bad if hit.start < h.start]
        if (opens and not _BUT.search(tail) and (news and (_AGAIN.search(first) or len(first) < 40))) or (
            opens and re.match(r"\W*(?:another|again|now .{0,20}\bgone|又|现在.{0,8}没)", tail, re.IGNORECASE)
        ):
            out.append(Hit("sarcasm", 2.0, hit.phrase, hit.start))
        else:
            out.append(hit)
    return out


def _emphasis(
    shown: str, plain: str, bad: float, values: dict[str, float], signs: list[tuple[str, str]]
) -> None:
    marks = re.findall(r"[!！?？]{2,}", shown)
    shouts = [word for word in re.findall(r"\b[A-Z]{3,}\b", plain) if word not in _ACRONYMS]
    amount = min(3.0, len(re.findall("[!！]", shown)) * 0.5 + len(marks) * 0.7 + min(len(shouts), 3) * 0.8)
    if not amount:
        return
    glad = values["praise"] + values["thanks"]
    name = (
        "angry_emphasis"
        if bad + values["urgency"] > 0 and bad >= glad
        else "glad_emphasis"
        if glad
        else "plain_emphasis"
    )
    # One exclamation mark after "hello" or a wish says little.
    values[name] = amount if name != "plain_emphasis" else max(0.0, amount - 0.5)
    if marks or shouts:
        signs.append(("emphasis", (shouts or marks)[0]))


_ACRONYMS = frozenset(
    [
        "DHL",
        "UPS",
        "USA",
        "EUR",
        "USD",
        "GBP",
        "CNY",
        "PDF",
        "FAQ",
        "VAT",
        "SKU",
        "LED",
        "USB",
        "IPX",
        "GPS",
        "PFAS",
        "PLZ",
        "ASAP",
        "DPD",
        "GLS",
        "FAX",
        "XXL",
        "VIP",
        "CET",
        "UTC",
    ]
)


def _tokens(text: str) -> frozenset[str]:
    words = re.findall(r"[a-z']+", text.lower())
    han = re.findall("[\u4e00-\u9fff]", text)
    return frozenset(w for w in words if len(w) > 2) | frozenset(a + b for a, b in pairwise(han))


def _repetition(
    plain: str, earlier: Sequence[str], values: dict[str, float], signs: list[tuple[str, str]]
) -> None:
    if (match := _TIMES.search(plain)) is not None:
        values["times"] = 1.0
        signs.append(("times", match.group()))
    now, about = _tokens(plain), set(_LONG_NUMBER.findall(plain))
    if len(now) < 2:
        return
    again = 0
    for line in earlier[-6:]:
        earlier_line = normalise(line[:_LONGEST])
        before, other = _tokens(earlier_line), set(_LONG_NUMBER.findall(earlier_line))
        # The same request about another order is another request.
        if about and other and not about & other:
            continue
        # Half of all distinct words in common: the same request in other words.
        if before and len(now & before) / len(now | before) >= 0.5:
            again += 1
    if again:
        values["repeated"] = float(min(2, again))
        signs.append(("repeated", plain[:40]))


@cache
def weights(path: Path = WEIGHTS) -> Mapping[str, Mapping[str, float]]:
    """Coefficients by class and feature, ``bias`` included; neutral is the reference (all 0)."""
    loaded: dict[str, dict[str, float]] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def probabilities(values: Mapping[str, float], coefficients: Mapping[str, Mapping[str, float]]) -> MoodScores:
    """The softmax over negative, neutral (reference) and positive."""
    logits = {
        name: by["bias"] + sum(by[feature] * values[feature] for feature in FEATURES)
        for name, by in coefficients.items()
    }
    top = max(0.0, *logits.values())
    exponentials = {name: math.exp(logit - top) for name, logit in logits.items()} | {
        "neutral": math.exp(-top)
    }
    total = sum(exponentials.values())
    return MoodScores(**{name: value / total for name, value in exponentials.items()})


class LexiconMood:
    """Scores English and Chinese turns in well under a millisecond per sentence."""

    @property
    def name(self) -> str:
        """Name and version, stored with every score."""
        return "lexicon-2"

    @property
    def angry(self) -> float:
        """Set by hand: one clearly furious message. Reached by 80 % of furious utterances."""
        return 0.75

    def score(self, text: str, *, language: Language, earlier: Sequence[str] = (), before: str = "") -> Mood:
        """Score ``text``; what stands ``before`` it is not read. Empty text is neutral."""
        if not text.strip():
            return Mood(MoodScores(negative=0.0, neutral=1.0, positive=0.0), ())
        reading = read(text, language, earlier)
        return Mood(probabilities(reading.values, weights()), _reasons(reading, language))


def _reasons(reading: Reading, language: Language) -> tuple[str, ...]:
    """Up to five, strongest first: the phrase, then why it counts."""
    column = 1 if language == "zh" else 0
    ranked = sorted(reading.hits, key=lambda hit: (-hit.strength, hit.start))
    evidence = [(hit.kind, hit.phrase) for hit in ranked] + list(reading.signs)
    lines = (f"“{phrase}”: {_WHY[kind][column]}" for kind, phrase in evidence)
    return tuple(dict.fromkeys(lines))[:5]
