"""From timings to figures: medians with their spread over rounds, ratios, shares of the limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

GB = 1e9
STREAMS = 4
"""Shoppers at once."""
MOST_CROWDING = 2.0
"""Target: with ``STREAMS`` shoppers at once an answer may take this many times as long as with one."""


@dataclass(frozen=True)
class Answer:
    """One generated answer.

    Attributes:
        first: Seconds from the request to the first token.
        whole: Seconds from the request to the end.
        tokens: Generated, the end token among them.
        prompt_tokens: Read before.
    """

    first: float
    whole: float
    tokens: int
    prompt_tokens: int

    @property
    def rate(self) -> float | None:
        """Tokens a second after the first; ``None`` of a single token."""
        return (self.tokens - 1) / (self.whole - self.first) if self.whole > self.first else None


@dataclass(frozen=True)
class Together:
    """Answers asked for at the same moment, and the seconds until the last of them ended."""

    answers: tuple[Answer, ...]
    seconds: float

    @property
    def rate(self) -> float:
        """Tokens a second of all streams together, reading of the prompts included."""
        return sum(answer.tokens for answer in self.answers) / self.seconds


@dataclass(frozen=True)
class Visit:
    """What one round measured of one way of serving.

    Attributes:
        alone: One answer at a time, each prompt new to the server.
        cached: Seconds to the first token of the same prompts asked again; empty without a prefix cache.
        together: Several answers at a time, each prompt new to the server.
        load: Runnable processes, mean of the minute before it (``os.getloadavg``).
    """

    alone: tuple[Answer, ...]
    cached: tuple[float, ...]
    together: tuple[Together, ...]
    load: float


@dataclass(frozen=True)
class Bandwidth:
    """Best rates of moving memory, bytes a second, by the bytes that the kernel asks for.

    Attributes:
        read: A sum, or a product of two arrays, whichever is faster.
        triad: ``a = b + 3 c`` (STREAM).
    """

    read: float
    triad: float

    @property
    def limit(self) -> float:
        """What weights can be read with at most: the best that was seen."""
        return max(self.read, self.triad)


@dataclass(frozen=True)
class Spread:
    """The median of all values, and the lowest and highest median of a round."""

    median: float
    low: float
    high: float


Better = Literal["lower", "higher"]


@dataclass(frozen=True)
class Kind:
    """A figure: its heading, its values in one visit, and which way it is better."""

    title: str
    of: Callable[[Visit], list[float]]
    better: Better | None = None


def _crowding(visit: Visit) -> list[float]:
    return [median(_whole_together(visit)) / median(answer.whole for answer in visit.alone)]


def _whole_together(visit: Visit) -> list[float]:
    return [answer.whole for group in visit.together for answer in group.answers]


KINDS: Mapping[str, Kind] = {
    "first": Kind("first token, s", lambda visit: [one.first for one in visit.alone], "lower"),
    "first_cached": Kind("cached, s", lambda visit: list(visit.cached), "lower"),
    "whole": Kind("whole, s", lambda visit: [one.whole for one in visit.alone], "lower"),
    "rate": Kind(
        "tokens/s", lambda visit: [one.rate for one in visit.alone if one.rate is not None], "higher"
    ),
    "first_together": Kind(
        f"first of {STREAMS}, s",
        lambda visit: [one.first for group in visit.together for one in group.answers],
        "lower",
    ),
    "whole_together": Kind(f"whole of {STREAMS}, s", _whole_together, "lower"),
    "rate_together": Kind(
        f"tokens/s of {STREAMS}", lambda visit: [one.rate for one in visit.together], "higher"
    ),
    "crowding": Kind(f"{STREAMS} : 1", _crowding),
    "tokens": Kind("tokens", lambda visit: [float(one.tokens) for one in visit.alone]),
    "prompt_tokens": Kind("prompt", lambda visit: [float(one.prompt_tokens) for one in visit.alone]),
}


def figures(visits: Sequence[Visit]) -> dict[str, Spread]:
    """Every figure that the visits of one way of serving give."""
    found = {name: [values for visit in visits if (values := kind.of(visit))] for name, kind in KINDS.items()}
    return {name: _spread(rounds) for name, rounds in found.items() if rounds}


def speedups(visits: Sequence[Visit], base: Sequence[Visit]) -> dict[str, Spread]:
    """How many times as fast as ``base``, round by round, so that what slows a whole round cancels.

    A figure that one of them lacks is left out.
    """
    found: dict[str, Spread] = {}
    for name, kind in KINDS.items():
        ratios = [
            median(ours) / median(theirs) if kind.better == "higher" else median(theirs) / median(ours)
            for one, other in zip(visits, base, strict=True)
            if kind.better and (ours := kind.of(one)) and (theirs := kind.of(other))
        ]
        if ratios:
            found[name] = _spread([[ratio] for ratio in ratios])
    return found


def share_of_limit(rate: Spread, weights: int, bandwidth: Bandwidth) -> Spread:
    """Tokens a second as a share of the limit: bandwidth ÷ bytes of weights read for a token.

    Above 1 where one reading of the weights gives several tokens (speculation).
    """
    limit = limit_of(weights, bandwidth)
    return Spread(rate.median / limit, rate.low / limit, rate.high / limit)


def limit_of(weights: int, bandwidth: Bandwidth) -> float:
    """Tokens a second that reading the weights once for each allows."""
    return bandwidth.limit / weights


def _spread(rounds: Sequence[Sequence[float]]) -> Spread:
    medians = [median(values) for values in rounds]
    return Spread(median([value for values in rounds for value in values]), min(medians), max(medians))
