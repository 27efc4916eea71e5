"""Runs turns: one at a time per conversation, anywhere in the cluster, never lost.

A message wakes a worker for its conversation. The worker takes the lease, folds the log,
and runs the graph while the shopper is owed something. A new message or a take-over
cancels a running turn at once; a turn that died half way is seen in the log and run again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence

from langgraph.graph.state import CompiledStateGraph

from agent import events as ev
from agent.conversation import fold
from agent.errors import AmendsError, LogError
from agent.events import Event, EventBody
from agent.graph import TurnContext, TurnState, build_graph
from agent.handoff import packet
from agent.ids import ConversationId, TurnId, new_id
from agent.live import LocalBus
from agent.log import ConversationLog, Lease
from agent.texts import text
from agent.turn_run import Interrupted, Ports, TurnRun, stops_turn

LEASE_SECONDS = 30.0
"""A dead holder blocks its conversations this long at most; renewed every third of it."""
ATTEMPTS = 3
"""A turn that died this often goes to a person instead of being tried for ever."""

logger = logging.getLogger(__name__)


class Turns:
    """The engine: listens to appended events and runs turns."""

    def __init__(self, log: ConversationLog, bus: LocalBus, ports: Ports) -> None:
        self._log = log
        self._bus = bus
        self._ports = ports
        self._holder = new_id("holder")
        self._graph: CompiledStateGraph[TurnState, TurnContext, TurnState, TurnState] = build_graph()
        self._workers: dict[ConversationId, asyncio.Task[None]] = {}
        self._running: dict[ConversationId, asyncio.Task[None]] = {}
        self._stopping = False
        bus.on_event(self._notice)

    @property
    def running(self) -> int:
        """Turns running now."""
        return len(self._running)

    async def start(self) -> None:
        """Take up what a stopped or killed server left unanswered."""
        for conversation in await self._log.unsettled():
            self.wake(conversation)

    async def stop(self) -> None:
        """Stop all turns; the log says which were under way, and they run again later."""
        self._stopping = True
        tasks = list(self._workers.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def settled(self) -> None:
        """Wait until no worker has anything to do."""
        while self._workers:
            await asyncio.gather(*self._workers.values(), return_exceptions=True)

    def wake(self, conversation: ConversationId) -> None:
        """See to a conversation unless somebody already does."""
        if self._stopping or conversation in self._workers:
            return
        task = asyncio.create_task(self._work(conversation), name=f"turns:{conversation}")
        self._workers[conversation] = task
        task.add_done_callback(lambda _: self._workers.pop(conversation, None))

    def _notice(self, event: Event) -> None:
        by = stops_turn(event)
        if by is None:
            return
        if (running := self._running.get(event.conversation)) is not None:
            running.cancel(by)
        if by == "message":
            self.wake(event.conversation)

    async def _work(self, conversation: ConversationId) -> None:
        while True:
            lease = await self._lease(conversation)
            if lease is None:
                # Another process has it. It may die, so look again when its lease has run out.
                await asyncio.sleep(LEASE_SECONDS / 3)
                events = await self._log.read(conversation)
                if not fold(conversation, events).pending:
                    return
                continue
            renewal = asyncio.create_task(self._renew(conversation), name=f"lease:{conversation}")
            try:
                while await self._one_turn(conversation):
                    pass
            finally:
                renewal.cancel()
                with contextlib.suppress(LogError):
                    await self._log.release(lease)
            # A message may have come between the last look and the release.
            events = await self._log.read(conversation)
            if not fold(conversation, events).pending:
                return

    async def _lease(self, conversation: ConversationId) -> Lease | None:
        return await self._log.lease(conversation, holder=self._holder, seconds=LEASE_SECONDS)

    async def _renew(self, conversation: ConversationId) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            lease = await self._lease(conversation)
            if lease is None and (running := self._running.get(conversation)) is not None:
                running.cancel("lease lost")

    async def _one_turn(self, conversation: ConversationId) -> bool:
        """Run one turn if one is owed; whether there may be another."""
        events = await self._log.read(conversation)
        state = fold(conversation, events)
        if not state.pending:
            return False
        # A turn that died is run again under its own id, so that readers void its first try.
        again = state.running is not None
        turn = state.running if state.running is not None else TurnId(new_id("turn"))
        attempt = state.attempts + 1 if again else 1
        began = time.monotonic()
        run = TurnRun(
            turn=turn,
            state=state,
            events=events,
            log=self._log,
            bus=self._bus,
            elapsed=lambda: time.monotonic() - began,
        )
        task = asyncio.create_task(self._run(run, attempt), name=f"turn:{turn}")
        self._running[conversation] = task
        try:
            await task
        except Interrupted as interruption:
            await self._interrupted(run, interruption.by)
        except asyncio.CancelledError as cancelled:
            if not task.cancelled():  # we are being stopped, not the turn
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                raise
            if (current := asyncio.current_task()) is not None and current.cancelling():
                raise
            by = cancelled.args[0] if cancelled.args else "message"
            if by == "lease lost":
                return False
            await self._interrupted(run, by)
        finally:
            self._running.pop(conversation, None)
        return True

    async def _interrupted(self, run: TurnRun, by: str) -> None:
        with contextlib.suppress(Interrupted):
            await run.catch_up()
        if run.state.running != run.turn:
            return  # it was cancelled before it had begun
        reason = by if by in {"takeover", "closed"} else "message"
        while True:
            try:
                await run.record(ev.TurnInterrupted(turn=run.turn, by=reason))
            except Interrupted:
                continue
            return

    async def _run(self, run: TurnRun, attempt: int) -> None:
        state = run.state
        upto = max(state.wanted_upto, state.started_upto if attempt > 1 else 0)
        await run.record(ev.TurnStarted(turn=run.turn, attempt=attempt, upto=upto))
        if attempt > ATTEMPTS:
            await self._give_up(run)
            return
        try:
            result = await self._graph.ainvoke(
                {"text": _burst(run), "message": upto},
                context=TurnContext(ports=self._ports, run=run),
                config={"recursion_limit": 40, "callbacks": []},
            )
        except Interrupted:
            raise
        except LogError:
            raise
        except AmendsError as error:
            logger.warning("turn %s failed: %s", run.turn, error.code)
            await self._give_up(run)
            return
        except Exception:
            logger.exception("turn %s failed", run.turn)
            await self._give_up(run)
            return
        await self._finish(run, result.get("out", []), result.get("outcome", "failed"))

    async def _give_up(self, run: TurnRun) -> None:
        """Never leave a shopper without an answer: say so, and bring in a person."""
        language = run.state.language
        out: list[EventBody] = [
            ev.AnswerSent(
                turn=run.turn,
                text=text("error", language),
                language=language,
                how="composed",
                supported=False,
                degraded=True,
            )
        ]
        if run.state.mode == "assistant":
            why: tuple[ev.HandoffReason, ...] = ("repeated_failure",)
            out.append(
                ev.HandoffRequested(turn=run.turn, reasons=why, packet=packet(run.state, run.events, why))
            )
        await self._finish(run, out, "failed")

    async def _finish(self, run: TurnRun, out: Sequence[EventBody], outcome: str) -> None:
        meter = run.meter
        measured = ev.TurnMeasured(
            turn=run.turn,
            first_token=None if meter.first_token is None else round(meter.first_token, 3),
            total=round(run.elapsed(), 3),
            model_calls=meter.model_calls,
            prompt_tokens=meter.prompt_tokens,
            completion_tokens=meter.completion_tokens,
        )
        completed = ev.TurnCompleted(turn=run.turn, outcome=outcome)
        # One append: an answer without its completed turn would be given again after a crash.
        await run.record(*_sourced(out, run), measured, completed)


def _burst(run: TurnRun) -> str:
    """What the shopper wrote since the last answer, as one text."""
    return "\n".join(line.text for line in run.state.said_since(run.state.answered_upto))


def _sourced(out: Sequence[EventBody], run: TurnRun) -> list[EventBody]:
    """Point each promise at the event before it, whose words it repeats."""
    placed: list[EventBody] = []
    for body in out:
        if isinstance(body, ev.PromiseMade) and body.source == 0:
            placed.append(body.model_copy(update={"source": run.state.head + len(placed)}))
        else:
            placed.append(body)
    return placed
