"""Decide what to do next. The rules are here and in ``agent.handoff``, never in a prompt."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from langgraph.runtime import Runtime

from agent import handoff, refunds
from agent.intents import normalise
from agent.nodes.answer import left_to_answer
from agent.nodes.orders import ABOUT_ORDERS, ACTIONS, INTENTS, OWN
from agent.nodes.refunds import reading
from agent.nodes.search import QUESTIONS, UNSURE, VAGUE
from agent.slots import bare
from agent.turn_run import TurnRun
from agent.turn_state import TurnContext, TurnState
from agent.understanding import Understanding
from retrieval.words import content_words

SURELY = 0.75
"""Answerability from which an unsure reading of "my order" gives way to the documents."""
ALIKE = 1 / 3
"""Share of the shorter question's words that both hold when one asks again what the other asked."""


def begin(state: TurnState, runtime: Runtime[TurnContext]) -> Literal["perform", "understand", "converse"]:
    """A confirmed change comes first; then words; a click without words is only acknowledged."""
    if runtime.context.run.state.confirmed() is not None:
        return "perform"
    return "understand" if state["text"].strip() else "converse"


async def decide(state: TurnState, runtime: Runtime[TurnContext]) -> TurnState:
    """Say whether a person is needed, and why."""
    run, ports = runtime.context.run, runtime.context.ports
    if run.state.mode != "assistant":
        return {"reasons": ()}
    understanding, found = _reading(state, run), state.get("found")
    asked = set(understanding.intents)
    unanswered = (
        bool(asked & QUESTIONS)
        and not asked & ABOUT_ORDERS
        and found is not None
        and found.answerable < ports.answerable
        and not _known(state)
    )
    earlier = [mood for mood in run.state.moods if run.state.since_handback < mood.seq < _first(run)]
    situation = handoff.Situation(
        intents=understanding.intents,
        topics=understanding.topics,
        negative=state["mood"].scores.negative,
        angry=ports.mood.angry,
        earlier_negative=max(0.0, -earlier[-1].value) if earlier else 0.0,
        unsupported=run.state.unsupported + 1 if unanswered else 0,
        failures=run.state.failures,
        repeated=_repeated(state, run),
    )
    return {"reasons": handoff.reasons(situation), "understanding": understanding}


def route(
    state: TurnState, runtime: Runtime[TurnContext]
) -> Literal["hand_over", "prove", "change", "perform", "answer", "converse"]:
    """Choose the node that ends the turn."""
    run, ports = runtime.context.run, runtime.context.ports
    understanding = state["understanding"]
    intents = set(understanding.intents)
    if state["reasons"]:
        return "hand_over"
    if understanding.intents[0] == "confirm" and run.state.open_proposal(ports.clock()) is not None:
        return "perform"
    if understanding.code is not None and run.state.codes:
        return "prove"
    if run.state.customer is None and _needs_proof(state, run):
        return "prove"
    if intents & ACTIONS.keys() or _goes_on(state, run):
        return "change"
    if intents & (QUESTIONS | ABOUT_ORDERS) or understanding.order is not None:
        return "answer"
    found = state.get("found")
    answered = _known(state) or (found is not None and found.answerable >= ports.answerable)
    if intents & VAGUE and answered:
        return "answer"
    return "converse"


def after(state: TurnState) -> Literal["hand_over", "__end__"]:
    """What turns out to need a person goes on to one."""
    return "hand_over" if state.get("reasons") else "__end__"


def after_change(
    state: TurnState, runtime: Runtime[TurnContext]
) -> Literal["hand_over", "answer", "__end__"]:
    """What the same message asks besides is answered too."""
    if state.get("reasons"):
        return "hand_over"
    return "answer" if left_to_answer(state, runtime.context.ports) else "__end__"


def _reading(state: TurnState, run: TurnRun) -> Understanding:
    """What the message asks, now that it is known what was asked before and what the documents hold.

    A bare item, size or colour goes on with the change it was asked for, whatever it sounds like
    alone. Somebody unknown whose words sound a little like an order of their own more likely asks
    about the rules, when the documents answer that.
    """
    understanding, found = state["understanding"], state.get("found")
    if run.state.scope.level != "visitor" and refunds.asks(state["text"]):
        return reading(state["text"], understanding, state.get("back", ()))
    words, slots = bare(normalise(state["text"])), understanding.slots
    if run.state.asking is not None and words in (slots.get("product"), slots.get("variant")):
        return replace(understanding, intents=(INTENTS[run.state.asking.kind],), confidence=1.0)
    unknown = run.state.customer is None and not run.state.scope.orders
    named = understanding.order or understanding.email or understanding.code
    doubtful = understanding.confidence < UNSURE and not set(understanding.intents) & QUESTIONS
    if unknown and not named and doubtful and found is not None and found.answerable >= SURELY:
        return replace(understanding, intents=("policy_question",))
    return understanding


def _needs_proof(state: TurnState, run: TurnRun) -> bool:
    """Whether somebody who is not signed in asks for what needs a proof, or begins one."""
    understanding = state["understanding"]
    intents = set(understanding.intents)
    if understanding.order is not None and understanding.order not in run.state.scope.orders:
        return True
    if run.state.scope.orders:
        return "prove_order" in intents
    if "prove_order" in intents or understanding.email is not None:
        return True
    found = state.get("found")
    if intents & QUESTIONS and not intents & ACTIONS.keys() and found and found.answerable >= SURELY:
        return False  # the question beside it is answered, and the answer ends by asking for the proof
    return bool(intents & OWN)


def _known(state: TurnState) -> bool:
    """Whether product data answers the whole question."""
    known = state.get("known")
    return known is not None and known.outright


def _goes_on(state: TurnState, run: TurnRun) -> bool:
    """Whether the message gives the details asked for, rather than something new."""
    understanding = state["understanding"]
    fresh = set(understanding.intents) & (QUESTIONS | ABOUT_ORDERS | {"greeting", "decline", "goodbye"})
    return run.state.asking is not None and (not fresh or understanding.confidence < 0.5)


def _repeated(state: TurnState, run: TurnRun) -> bool:
    before = [
        event.body
        for event in run.events
        if event.body.type == "message.understood"
        and event.seq > run.state.since_handback
        and event.body.turn != run.turn
    ]
    if not before:
        return False
    now, last = state["understanding"], before[-1]
    if now.intents[0] != last.intents[0] or (now.order or last.order) != last.order:
        return False
    if now.intents[0] in QUESTIONS:
        return alike(now.query, last.query)
    return now.intents[0] in ABOUT_ORDERS


def alike(question: str, other: str) -> bool:
    """Whether two questions are about the same thing: another rule asked about is not the same again."""
    words, before = content_words(question), content_words(other)
    return len(words & before) >= ALIKE * min(len(words), len(before))


def _first(run: TurnRun) -> int:
    """``seq`` of the first shopper line of this turn."""
    burst = run.state.said_since(run.state.answered_upto)
    return burst[0].seq if burst else run.state.head + 1
