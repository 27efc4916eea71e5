"""A simulated shopper: a state machine with wishes, knowledge, temper and patience.

It hears only what a shopper can see. It presses "confirm" for the change it wants and
"decline" for any other, answers what it is asked from what it knows, says its wish in other
words when it got nowhere, and gives up when its patience ends. Everything random comes from
one seed, so a run can be repeated. It needs no language model, so it can't be charmed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any, cast

import yaml

from agent.ids import Language
from agent.sentences import split_sentences
from evals.records import Ended, SimulatorProblem
from evals.scenario import Press, Say, Scenario, Step, Topic, TypeCode, Wish
from evals.shoppers.port import Wire
from evals.shoppers.typing import mistype
from evals.shoppers.wishes import fulfils
from evals.text import holds

TURNS = 14
"""Shopper turns after which a conversation that goes nowhere is ended."""


class SimulatedShopper:
    """Plays ``scenario.shopper.wishes``."""

    def __init__(self, scenario: Scenario, *, seed: int) -> None:
        self._scenario = scenario
        self._shopper = scenario.shopper
        self._words = words(scenario.language)
        self._random = Random(seed)  # noqa: S311 - a simulation
        self._wishes = list(self._shopper.wishes)
        self._openings = {id(wish): list(wish.say) for wish in self._wishes}
        self._told: dict[Topic, int] = {}
        self._unhelped = 0
        self._turns = 0
        self._proposal: Wire | None = None
        self._asked_for_person = False
        self._fresh = True
        """Whether the present wish has not been said yet."""
        self.ended: Ended = ""
        self.problems: Sequence[SimulatorProblem] = ()

    @property
    def wish(self) -> Wish | None:
        """What they want now."""
        return self._wishes[0] if self._wishes else None

    async def act(self, heard: Sequence[Wire]) -> Step | None:
        """Decide the next step from what was heard."""
        fulfilled = self._listen(heard)
        if self._turns >= TURNS:
            return self._end("limit")
        if any(event["type"] in {"handoff.requested", "handoff.accepted"} for event in heard):
            if self._asked_for_person:
                return self._end("gave_up")
            return self._end("handed_over" if self._wishes else "satisfied")
        if self._proposal is not None:
            return self._decide(self._proposal)
        if self.wish is None:
            return self._end("satisfied")
        if self._fresh or fulfilled:
            self._fresh = False
            return self._say(self._opening())
        if self._asked_for_person:
            return self._end("gave_up")
        if (topic := self._asked(heard)) is not None:
            return self._answer(topic)
        self._unhelped += 1
        if self._unhelped > self._shopper.patience:
            self._asked_for_person = True
            return self._say(self._pick("give_up", self._shopper.temper))
        again = self._pick("again", self._shopper.temper)
        return self._say(again.format(wish=self._opening()))

    # --- what was heard ---

    def _listen(self, heard: Sequence[Wire]) -> bool:
        """Take in events; whether the present wish was fulfilled by them."""
        fulfilled = False
        for event in heard:
            match event["type"]:
                case "action.proposed":
                    self._proposal = event
                case "action.declined" | "action.confirmed" | "action.done":
                    self._proposal = None
            if self.wish is not None and fulfils(event, self.wish):
                fulfilled = self._fulfil()
        return fulfilled

    def _fulfil(self) -> bool:
        self._wishes.pop(0)
        self._unhelped = 0
        return True

    def _asked(self, heard: Sequence[Wire]) -> Topic | None:
        """What the last answer asks for, if anything. What it only mentions or quotes is no question."""
        said = [event["text"] for event in heard if event["type"] in {"answer.sent", "reply.sent"}]
        if not said:
            return None
        asking = [
            sentence
            for line in said[-1].splitlines()
            if not line.lstrip().startswith("-")
            for sentence in split_sentences(line)
            if re.search(self._words["asking"], sentence, re.IGNORECASE)
        ]
        for topic, patterns in self._words["asks"].items():
            if any(re.search(pattern, one, re.IGNORECASE) for pattern in patterns for one in asking):
                name = cast("Topic", topic)
                # Asked a third time for the same, they notice that it leads nowhere.
                return name if self._told.get(name, 0) < 2 else None
        return None

    # --- what they do ---

    def _decide(self, proposal: Wire) -> Step:
        wish = self.wish
        self._proposal = None
        fits = wish is not None and _fits(wish, proposal)
        if wish is not None and fits and wish.decline:
            self._fulfil()
            self._fresh = True
            return Press(press="decline")
        if fits:
            return Press(press="confirm")
        if wish is None:
            return Press(press="decline")
        self._unhelped += 1
        return self._say(self._pick("wrong_proposal").format(wish=self._opening()))

    def _answer(self, topic: Topic) -> Step:
        self._told[topic] = self._told.get(topic, 0) + 1
        if topic == "code":
            return self._typed(TypeCode(code="right"))
        known = self._shopper.knows | (self.wish.knows if self.wish else {})
        value = known.get(topic)
        if value is None:
            self._unhelped += 1
            return self._say(f"{self._pick('unknown')} {self._opening()}")
        return self._say(self._pick("answers", topic).format(value=value), exact=True)

    def _opening(self) -> str:
        wish = self.wish
        assert wish is not None  # noqa: S101 - asked for only while there is one
        left = self._openings[id(wish)]
        return left.pop(0) if len(left) > 1 else left[0]

    def _say(self, text: str, *, exact: bool = False) -> Step:
        if self._shopper.typos and not exact:
            text = mistype(text, self._shopper.typos, self._random)
        return self._typed(Say(say=text))

    def _typed(self, step: Step) -> Step:
        self._turns += 1
        return step

    def _end(self, why: Ended) -> Step | None:
        self.ended = why
        return None

    def _pick(self, *path: str) -> str:
        found: Any = self._words
        for name in path:
            found = found[name]
        return str(self._random.choice(found))


def _fits(wish: Wish, proposal: Wire) -> bool:
    """Whether a proposal, as the shopper reads it, is what they want."""
    action, summary = proposal["action"], proposal["summary"]
    return (
        action["kind"] == wish.done
        and wish.order in {None, action["order"]}
        and all(holds(summary, words) for words in wish.shows)
        and not any(holds(summary, words) for words in wish.hides)
    )


@cache
def words(language: Language) -> Mapping[str, Any]:
    """The simulated shopper's own words."""
    data = yaml.safe_load(files("evals").joinpath("data/shopper.yaml").read_text(encoding="utf-8"))
    return cast("Mapping[str, Any]", data[language])
