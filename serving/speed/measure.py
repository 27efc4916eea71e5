"""Rounds over all ways of serving, so that what changes on the machine meanwhile meets each of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from uuid import uuid4

from agent.model import Prompt
from serving.speed.figures import STREAMS, Answer, Bandwidth, Together, Visit
from serving.speed.ways import Speaker, Way, load

WARM_UP_TOKENS = 8

Progress = Callable[[str, int, int], None]
"""Called with what is being done, answers that came, and answers in all."""


@dataclass(frozen=True)
class Measured:
    """What all rounds gave: visits of each way, a round each, and the memory's rate in each round."""

    visits: Mapping[str, tuple[Visit, ...]]
    bandwidths: tuple[Bandwidth, ...]

    @property
    def bandwidth(self) -> Bandwidth:
        """The best of all rounds: other programs can only lower it."""
        return Bandwidth(max(one.read for one in self.bandwidths), max(one.triad for one in self.bandwidths))


async def measure(
    ways: Sequence[Way],
    prompts: Sequence[Sequence[Prompt]],
    bandwidth: Callable[[], Awaitable[Bandwidth]],
    *,
    rounds: int,
    max_tokens: int,
    progress: Progress,
) -> Measured:
    """Measure every way in every round, one at a time; each second round goes in reverse.

    Raises:
        AmendsError: One of them cannot be started or broke off. Nothing is left running.
    """
    visits: dict[str, list[Visit]] = {way.name: [] for way in ways}
    bandwidths: list[Bandwidth] = []
    total, done = rounds * len(ways) * _answers(len(prompts)), 0
    for number in range(rounds):
        progress(f"round {number + 1} of {rounds} · memory bandwidth", done, total)
        bandwidths.append(await bandwidth())
        for way in reversed(ways) if number % 2 else ways:
            name = f"round {number + 1} of {rounds} · {way.name}"
            before, at_start = done, load()

            def say(doing: str, answers: int = 0, name: str = name) -> None:
                nonlocal done
                done += answers
                progress(f"{name} · {doing}", done, total)

            async with way.open(say) as speaker:
                visits[way.name].append(await visit(speaker, prompts, max_tokens, at_start, say))
            done = before + _answers(len(prompts))  # also where nothing is cached
    return Measured({name: tuple(found) for name, found in visits.items()}, tuple(bandwidths))


async def visit(
    speaker: Speaker,
    prompts: Sequence[Sequence[Prompt]],
    max_tokens: int,
    load: float,
    say: Callable[[str, int], None],
) -> Visit:
    """Warm up, then every prompt alone, new and again, then all of them ``STREAMS`` at a time."""
    say("warming up", 0)
    groups = _groups(prompts)
    for some in (groups[0][:1], groups[0]):
        await speaker.ask(some, _new(len(some)), max_tokens=WARM_UP_TOKENS)
    alone: list[Answer] = []
    cached: list[Answer] = []
    for prompt in prompts:
        salts = _new(1)
        alone += (await speaker.ask([prompt], salts, max_tokens=max_tokens)).answers
        say("one at a time", 1)
        if speaker.caches:
            cached += (await speaker.ask([prompt], salts, max_tokens=1)).answers
            say("one at a time", 1)
    together: list[Together] = []
    for group in groups:
        together.append(await speaker.ask(group, _new(len(group)), max_tokens=max_tokens))
        say(f"{STREAMS} at a time", len(group))
    return Visit(tuple(alone), tuple(answer.first for answer in cached), tuple(together), load)


def _groups(prompts: Sequence[Sequence[Prompt]]) -> list[list[Sequence[Prompt]]]:
    """All prompts in groups of ``STREAMS``; the last is filled up from the beginning."""
    count = -(-len(prompts) // STREAMS)
    endless = (prompts[at % len(prompts)] for at in range(count * STREAMS))
    return [list(islice(endless, STREAMS)) for _ in range(count)]


def _answers(prompts: int) -> int:
    """Of one visit."""
    return 2 * prompts + -(-prompts // STREAMS) * STREAMS


def _new(count: int) -> list[str]:
    return [uuid4().hex for _ in range(count)]
