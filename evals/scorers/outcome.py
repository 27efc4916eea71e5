"""Was the shopper served: the shop's end state, the facts told, what must not be."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from agent import events as ev
from evals.records import Score
from evals.scorers.trajectory import Trajectory
from evals.text import holds

BY = "outcome/1"


def outcome(held: Trajectory) -> Iterator[Score]:
    """Judge what the scenario's ``expect`` says about state, facts, refusals and promises."""
    yield _state(held)
    yield from _facts(held)
    yield from _refusal(held)
    yield from _promises(held)
    yield from _language(held)


def _state(held: Trajectory) -> Score:
    wanted, found = held.attempt.expected, held.attempt.changes
    wrong = [
        f"{order} {field}: {_plain(found, order, field)}, expected {_plain(wanted, order, field)}"
        for order in sorted({*wanted, *found})
        for field in sorted({*wanted.get(order, {}), *found.get(order, {})})
        if wanted.get(order, {}).get(field) != found.get(order, {}).get(field)
    ]
    seqs = [seq for seq, _ in held.of(ev.ActionDone)]
    return held.score("state", not wrong, why="; ".join(wrong), seqs=seqs, by=BY)


def _plain(changes: dict[str, dict[str, list[object]]], order: str, field: str) -> str:
    change = changes.get(order, {}).get(field)
    return "unchanged" if change is None else str(change[1])


def _facts(held: Trajectory) -> Iterator[Score]:
    expect = held.scenario.expect
    if expect.told:
        missing = [ways[0] for ways in expect.told if not any(holds(held.said, way) for way in ways)]
        why = f"not told: {', '.join(missing)}" if missing else ""
        yield held.score("told", len(expect.told) - len(missing), len(expect.told), why=why, by=BY)
    if expect.not_told:
        wrong = [
            (seq, words)
            for seq, answer in held.answers
            for words in expect.not_told
            if holds(answer.text, words)
        ]
        yield held.score(
            "nothing_false",
            not wrong,
            why="; ".join(f"said “{words}”" for _, words in wrong),
            seqs=[seq for seq, _ in wrong],
            by=BY,
        )
    if expect.never:
        proposed = [
            (seq, body) for seq, body in held.of(ev.ActionProposed) if body.action.kind in expect.never
        ]
        yield held.score(
            "never_proposed",
            not proposed,
            why="; ".join(f"proposed {body.action.kind} of {body.action.order}" for _, body in proposed),
            seqs=[seq for seq, _ in proposed],
            by=BY,
        )


def _refusal(held: Trajectory) -> Iterator[Score]:
    """Refused = said that the documents hold no answer, or brought in a person because of it."""
    wanted, turn = held.scenario.expect.refusal, held.scenario.expect.refusal_turn
    if wanted is None:
        return
    refused = [seq for seq, answer in held.answers if not answer.supported]
    refused += [seq for seq, body in held.of(ev.HandoffRequested) if "unsupported_answer" in body.reasons]
    refused = sorted(seq for seq in refused if turn is None or held.turn(seq) == turn)
    right = bool(refused) == wanted
    why = "" if right else ("answered what the documents don't hold" if wanted else "refused what they hold")
    seqs = refused or [seq for seq, _ in held.answers]
    yield held.score("refusal", right, why=why, seqs=seqs, by=BY)


def _promises(held: Trajectory) -> Iterator[Score]:
    expect = held.scenario.expect
    asked = held.attempt.ended == "gave_up"  # a person was promised because the shopper asked for one
    made = [
        (seq, body.text)
        for seq, body in held.of(ev.PromiseMade)
        if body.by == "assistant" and not (asked and seq in _with_handoff(held))
    ]
    seqs = [seq for seq, _ in made]
    if expect.promises:
        missing = [words for words in expect.promises if not any(holds(text, words) for _, text in made)]
        why = f"not promised: {', '.join(missing)}" if missing else ""
        yield held.score("promises", not missing, why=why, seqs=seqs, by=BY)
    elif expect.no_promises:
        why = "; ".join(text for _, text in made)
        yield held.score("promises", not made, why=why, seqs=seqs, by=BY)


def _with_handoff(held: Trajectory) -> set[int]:
    """Promises that were made in one breath with a hand-over."""
    ends = [seq for seq, _ in held.of(ev.TurnCompleted)]
    turn_of = {
        seq: bisect_left(ends, seq) for seq, _ in (*held.of(ev.PromiseMade), *held.of(ev.HandoffRequested))
    }
    handoffs = {turn_of[seq] for seq, _ in held.of(ev.HandoffRequested)}
    return {seq for seq, _ in held.of(ev.PromiseMade) if turn_of[seq] in handoffs}


def _language(held: Trajectory) -> Iterator[Score]:
    if not held.answers:
        return
    wrong = [seq for seq, answer in held.answers if chinese(answer.text) != (held.scenario.language == "zh")]
    right = len(held.answers) - len(wrong)
    why = "answered in the other language" if wrong else ""
    yield held.score("language", right, len(held.answers), why=why, seqs=wrong, by=BY)


CHINESE = 0.2
"""Share of Han characters among letters; product names, units and order numbers stay Latin."""


def chinese(text: str) -> bool:
    """Whether ``text`` reads as Chinese."""
    letters = [char for char in text if char.isalpha()]
    han = [char for char in letters if "\u4e00" <= char <= "\u9fff"]
    return bool(letters) and len(han) >= CHINESE * len(letters)
