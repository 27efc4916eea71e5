"""Was a person brought in when one was needed, in time, with the story; was the mood read right."""

from __future__ import annotations

from collections.abc import Iterator

from agent import events as ev
from evals.records import Score
from evals.scenario import MoodLabel
from evals.scorers.trajectory import Trajectory
from evals.text import holds

BY = "people/1"


def people(held: Trajectory) -> Iterator[Score]:
    """Judge hand-over and mood."""
    expect = held.scenario.expect.handoff
    requested = list(held.of(ev.HandoffRequested))
    first = requested[0] if requested else None
    turn = held.turn(first[0]) if first else 0
    if expect.needed == "yes":
        in_time = first is not None and (expect.by_turn is None or turn <= expect.by_turn)
        why = "" if first else "no person was brought in"
        seqs = [first[0]] if first else []
        yield held.score("handoff_recall", first is not None, why=why, seqs=seqs, by=BY)
        if first is not None:
            late = max(0, turn - expect.by_turn) if expect.by_turn else 0
            why = f"in turn {turn}" if late else ""
            yield held.score("handoff_late", late, why=why, seqs=seqs, by=BY)
            if expect.reasons:
                right = bool(set(first[1].reasons) & set(expect.reasons))
                why = "" if right else f"because of {', '.join(first[1].reasons)}"
                yield held.score("handoff_reason", right, why=why, seqs=seqs, by=BY)
            yield from _packet(held, requested)
        yield held.score("handoff", in_time, why="" if in_time else "late or not at all", by=BY)
    elif expect.needed == "never" and not (first is not None and gave_up(held, first[1])):
        yield held.score("handoff", first is None, why=_reasons(first), by=BY)
    if first is not None and not gave_up(held, first[1]):
        right = expect.needed != "never"
        why = "" if right else f"nobody was needed: {_reasons(first)}"
        yield held.score("handoff_precision", right, why=why, seqs=[first[0]], by=BY)
    yield from _moods(held)


def _reasons(first: tuple[int, ev.HandoffRequested] | None) -> str:
    return ", ".join(first[1].reasons) if first else ""


def gave_up(held: Trajectory, handoff: ev.HandoffRequested) -> bool:
    """Whether a simulated shopper, having got nowhere, asked for a person by itself."""
    return held.attempt.ended == "gave_up" and "requested" in handoff.reasons


def _packet(held: Trajectory, requested: list[tuple[int, ev.HandoffRequested]]) -> Iterator[Score]:
    facts = held.scenario.expect.handoff.packet
    if not facts:
        return
    text = requested[-1][1].packet.model_dump_json()
    missing = [fact for fact in facts if not holds(text, fact)]
    why = f"not in the packet: {', '.join(missing)}" if missing else ""
    yield held.score("packet", len(facts) - len(missing), len(facts), why=why, seqs=[requested[-1][0]], by=BY)


def _moods(held: Trajectory) -> Iterator[Score]:
    wanted = held.scenario.expect.moods
    read: dict[int, tuple[int, MoodLabel]] = {}
    for seq, body in held.of(ev.MoodScored):
        turn = held.turn(body.seq)
        if turn:
            read[turn] = (seq, label(body.scores))
    judged = {turn: read[turn] for turn in wanted if turn in read}
    if not judged:
        return
    wrong = {turn: found for turn, found in judged.items() if found[1] != wanted[turn]}
    why = "; ".join(f"turn {turn}: {found} for {wanted[turn]}" for turn, (_, found) in wrong.items())
    seqs = [seq for seq, _ in wrong.values()]
    yield held.score("mood", len(judged) - len(wrong), len(judged), why=why, seqs=seqs, by=BY)


def label(scores: ev.MoodScores) -> MoodLabel:
    """The likeliest mood."""
    ranked: list[tuple[float, MoodLabel]] = [
        (scores.negative, "negative"),
        (scores.neutral, "neutral"),
        (scores.positive, "positive"),
    ]
    return max(ranked, key=lambda pair: pair[0])[1]
