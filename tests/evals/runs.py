"""Runs made up in a test: scenarios, attempts, scores, and a real log with a few events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent import events as ev
from agent.events import EventBody
from agent.ids import ConversationId, CustomerId, Language, OrderId, ProposalId, StaffId, TurnId
from agent.log_sql import SqlLog
from agent.migrations import migrate
from evals.records import Attempt, Manifest, Run, Score, log_url, read_run, write_lines
from evals.scenario import Area, Scenario

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
ATTACK = '<img src=x onerror="window.hurt=1"></script><script>window.hurt=2</script>'


def scenario(name: str, language: Language = "en", area: Area = "orders", **more: Any) -> Scenario:
    """A scenario with one message; twins share what stands before the dot."""
    data = {
        "id": name,
        "pair": name.rsplit(".", 1)[0],
        "about": f"What {name} is about",
        "area": area,
        "language": language,
        "shopper": {"goal": "An answer", "script": [{"say": "hello"}]},
        "expect": {},
    }
    return Scenario.model_validate(data | more)


def pairs(count: int) -> list[Scenario]:
    """``count`` scenarios in each language."""
    return [scenario(f"s{i:03d}.{tongue}", tongue) for i in range(count) for tongue in _TONGUES]


_TONGUES: tuple[Language, ...] = ("en", "zh")


def run(
    scenarios: Sequence[Scenario],
    results: Mapping[str, Callable[[int, int], tuple[float, float] | None]],
    *,
    name: str = "base",
    repeats: int = 1,
    folder: Path = Path("run"),
    outcomes: Mapping[tuple[str, int], str] | None = None,
    **manifest: Any,
) -> Run:
    """A run whose ``results[metric](place of the scenario, repeat)`` are hits and of."""
    attempts = [
        Attempt.model_validate(
            {
                "scenario": each.id,
                "repeat": repeat,
                "seed": repeat,
                "outcome": (outcomes or {}).get((each.id, repeat), "held"),
                "conversation": f"c_{each.id}_{repeat}",
            }
        )
        for each in scenarios
        for repeat in range(1, repeats + 1)
    ]
    scores = [
        Score(
            scenario=each.id,
            repeat=repeat,
            metric=metric,
            hits=found[0],
            of=found[1],
            why=f"{metric} of {each.id}",
        )
        for place, each in enumerate(scenarios)
        for repeat in range(1, repeats + 1)
        for metric, result in results.items()
        if (found := result(place, repeat)) is not None
    ]
    return Run(
        folder=folder,
        manifest=Manifest.model_validate(
            {
                "name": name,
                "suite": "test",
                "scenarios": len(scenarios),
                "repeats": repeats,
                "seed": 1,
                "target": "in-process",
                "model": "scripted",
                "started": NOW.isoformat(),
            }
            | manifest
        ),
        scenarios=tuple(scenarios),
        attempts=tuple(attempts),
        scores=tuple(scores),
    )


def passes(*misses: int) -> Callable[[int, int], tuple[float, float]]:
    """Yes everywhere, but in these scenarios (by place)."""
    return lambda place, _: (0.0 if place in misses else 1.0, 1.0)


def write(run_: Run) -> None:
    """Write the run's files (not its log) into its folder."""
    run_.folder.mkdir(parents=True, exist_ok=True)
    (run_.folder / "run.json").write_text(run_.manifest.model_dump_json(), encoding="utf-8")
    write_lines(run_.folder / "scenarios.jsonl", run_.scenarios)
    write_lines(run_.folder / "attempts.jsonl", run_.attempts)
    write_lines(run_.folder / "scores.jsonl", run_.scores)


async def write_log(folder: Path, conversations: Mapping[str, Iterable[EventBody]]) -> None:
    """Make the run's log with these conversations."""
    migrate(log_url(folder))
    log = SqlLog(log_url(folder), clock=lambda: NOW)
    try:
        for name, bodies in conversations.items():
            await log.append(ConversationId(name), list(bodies), expected=0)
    finally:
        await log.close()


def dialogue(language: Language = "en", words: str = "Please cancel FW-100001") -> list[EventBody]:
    """A conversation in which everything a report shows happens once."""
    turn, order, proposal = TurnId("t_1"), OrderId("FW-100001"), ProposalId("p_1")
    action = ev.ProposedAction(kind="cancel", order=order, arguments={"reason": ""})
    return [
        ev.ConversationStarted(shop="fernway", language=language, channel="eval"),
        ev.ConversationIdentified(level="customer", method="token", customer=CustomerId("C-10001")),
        ev.MessageReceived(message="m1", text=words),
        ev.TurnStarted(turn=turn, upto=3),
        ev.AnswerSent(
            turn=turn,
            text="可以取消，要我帮您取消吗？[1]" if language == "zh" else "You can cancel it. Shall I? [1]",
            language=language,
            how="generated",
            citations=(
                ev.Citation(ref="1", kind="passage", id="p", title="Cancelling", quote="while it is paid"),
            ),
        ),
        ev.ActionProposed(
            proposal=proposal,
            turn=turn,
            action=action,
            arguments_hash="h",
            policy_version="2026-01",
            customer=CustomerId("C-10001"),
            summary="Cancel FW-100001 and refund 40.00 EUR",
            expires_at=NOW,
        ),
        ev.TurnCompleted(turn=turn, outcome="proposed"),
        ev.ActionConfirmed(proposal=proposal, how="button"),
        ev.ActionDone(
            proposal=proposal, turn=turn, order=order, kind="cancel", reference="R-1", text="It is cancelled."
        ),
        ev.MessageReceived(message="m2", text="A person, please"),
        ev.HandoffRequested(
            turn=turn,
            reasons=("requested",),
            packet=ev.HandoffPacket(
                customer="C-10001",
                identity="customer",
                wants="to talk to a person",
                tried=(ev.PacketFact(text="Cancelled FW-100001", seq=9),),
                suggested="Say hello",
            ),
        ),
        ev.HandoffAccepted(staff=StaffId("dana"), name="Dana"),
        ev.ReplySent(message="r1", staff=StaffId("dana"), name="Dana", text="Hello, Dana here."),
    ]


STORIES = [*pairs(3), scenario("attack.en", about=ATTACK, area="injection")]
"""Seven scenarios; one of them, and what is written in it, attacks the report."""


async def written(folder: Path, name: str, *misses: int, repeats: int = 1) -> Run:
    """A run on disk, with its log; read back as a command would."""
    first = run(
        STORIES,
        {
            "resolved": passes(*misses),
            "grounded": lambda i, _: (2.0, 3.0) if i in misses else (3.0, 3.0),
            "scope": passes(),
            "confirmed_writes": passes(),
            "handoff_recall": passes(),
            "first_token": lambda i, _: (0.2 + i / 10, 1.0),
        },
        name=name,
        folder=folder / name,
        repeats=repeats,
        outcomes={("s002.zh", 1): "simulator_error"},
    )
    scores = [
        score.model_copy(update={"seqs": (5,), "why": f"{ATTACK} is not supported"})
        if score.metric == "grounded" and score.hits < score.of
        else score
        for score in first.scores
    ]
    write(first.model_copy(update={"scores": tuple(scores)}))
    talks = {
        f"c_{s.id}_{repeat}": dialogue(
            s.language, {"attack.en": ATTACK, "s000.zh": "我要取消订单"}.get(s.id, "Please cancel FW-100001")
        )
        for s in STORIES
        for repeat in range(1, repeats + 1)
    }
    await write_log(folder / name, talks)
    return read_run(folder / name)
