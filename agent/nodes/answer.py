"""Answer from order facts and from documents.

Order facts are said as they are: nothing generated stands between a shopper and the state
of their order. So are product facts where they answer the whole question; where they touch it,
they are sources beside the passages. Questions to the documents are answered by the model and
checked; when it is away or nothing it said can stand, the sources are quoted instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from langgraph.runtime import Runtime

from agent import events as ev
from agent import refunds
from agent.answering import generate, quote, settle
from agent.errors import ModelError
from agent.events import Citation
from agent.handoff import SOUR, UNSUPPORTED
from agent.ids import Language
from agent.joining import joined
from agent.nodes.orders import ABOUT_ORDERS, OWN
from agent.nodes.search import QUESTIONS, VAGUE
from agent.order_facts import cite, eligibility_fact, refusal_fact
from agent.products import facts as product_facts
from agent.prompts import VERSION
from agent.shop.port import Order
from agent.texts import text
from agent.turn_run import Ports, TurnRun
from agent.turn_state import TurnContext, TurnState
from retrieval.passages import Found

_CONTENTS = re.compile(
    r"\b(?:total|paid|pay(?:ing)? for|cost|how much|amount|items?|what(?:'s| is| was) in|(?:did|have) i (?:buy|order))\b"
    r"|多少钱|总价|总额|总共|一共|付了|金额|花了|买了(?:什么|啥|哪)|哪些(?:商品|东西)|有什么",
    re.IGNORECASE,
)
"""Words that ask for what is in an order and what it cost."""
STATUS_FACTS = 6
"""Order facts told at once; the rest is there when asked for."""


@dataclass
class Answer:
    """The parts of one answer, in the order they are said."""

    parts: list[str] = field(default_factory=list)
    citations: list[Citation] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    how: Literal["generated", "quoted", "composed"] = "composed"
    degraded: bool = False
    supported: bool = True
    outcome: str = "answered"
    model: str = ""
    adapter: str = ""

    def cite(self, fact: ev.OrderFact | ev.ProductFact) -> str:
        """Add a fact and return its sentence with the mark."""
        ref = len(self.citations) + 1
        citation = cite(fact, ref) if isinstance(fact, ev.OrderFact) else product_facts.cite(fact, ref)
        self.citations.append(citation)
        return f"{fact.text} [{citation.ref}]"


async def answer(state: TurnState, runtime: Runtime[TurnContext]) -> TurnState:
    """Say what the shop and its documents say."""
    run, ports = runtime.context.run, runtime.context.ports
    understanding = state["understanding"]
    language, said = understanding.language, Answer()
    before = state.get("out", [])
    intents = left_to_answer(state, ports) if before else frozenset[str](understanding.intents)
    if "complaint" in intents:
        strong = state["mood"].scores.negative >= SOUR
        said.parts.append(text("sorry.strong" if strong else "sorry", language))
        said.replies.append(text("reply.person", language))
    if intents & ABOUT_ORDERS or (understanding.order is not None and not before):
        await _from_orders(state, run, ports, said, language)
    found, known = state.get("found"), state.get("known")
    asks = bool(intents & (QUESTIONS | VAGUE)) or (
        not said.citations and bool(intents & {"return_eligibility"})
    )
    if asks and known is not None and known.outright:
        said.parts.append("\n".join(said.cite(fact) for fact in known.facts))
    elif asks and known is not None and known.missing:
        said.parts.append(text("product.missing", language, title=known.missing))
        said.supported, said.outcome = False, "failed"
    elif asks:
        if known is not None and known.facts and found is not None:
            found = product_facts.beside(known.facts, found, language)
        if said.parts:
            run.speak("\n".join(said.parts) + "\n\n")
        upset = state["mood"].scores.negative >= SOUR and not said.parts
        await _from_documents(
            understanding.query or state["text"], found, run, ports, said, language, upset=upset
        )
        if known is not None:
            said.citations = product_facts.recited(said.citations, known.facts)
    if run.state.scope.level == "visitor" and intents & OWN and "complaint" not in intents and not before:
        said.parts.append(text("prove.ask", language))
    if not said.supported and run.state.mode == "assistant":
        said.replies.insert(0, text("reply.person", language))
    told = ev.AnswerSent(
        turn=run.turn,
        text="\n\n".join(part for part in said.parts if part),
        language=language,
        how=said.how,
        citations=tuple(said.citations),
        withdrawn=tuple(said.withdrawn),
        quick_replies=tuple(dict.fromkeys(said.replies)),
        supported=said.supported,
        degraded=said.degraded,
        model=said.model,
        adapter=said.adapter,
        prompt=VERSION if said.how == "generated" else "",
    )
    if before:
        return {"out": [joined(told, one) if isinstance(one, ev.AnswerSent) else one for one in before]}
    result: TurnState = {"out": [told], "outcome": said.outcome}
    if not said.supported and run.state.unsupported + 1 >= UNSUPPORTED and run.state.mode == "assistant":
        result["reasons"] = ("unsupported_answer",)
    return result


def left_to_answer(state: TurnState, ports: Ports) -> frozenset[str]:
    """What a message asks beside a change that has been seen to: intents that can be answered.

    A question that the documents answer; how an order stands that the message names beside the
    one to be changed, or that one, when it could not be changed.
    """
    found, asked = state.get("found"), frozenset(state["understanding"].intents)
    left: frozenset[str] = frozenset()
    if found is not None and found.answerable >= ports.answerable:
        left |= asked & QUESTIONS
    if _told_about(state):
        left |= asked & {"order_status"}
    return left


def _told_about(state: TurnState) -> tuple[Order, ...]:
    """The orders whose state an answer tells; after a change only those that it leaves open."""
    focus = state["focus"]
    if focus.order is None:
        return ()
    changed = bool(state.get("out")) and state.get("outcome") != "failed"
    return focus.beside if changed else (focus.order, *focus.beside)


async def _from_orders(
    state: TurnState, run: TurnRun, ports: Ports, said: Answer, language: Language
) -> None:
    focus, facts = state["focus"], state["facts"]
    intents = set(state["understanding"].intents)
    if run.state.scope.level == "visitor":
        if intents & {"complaint"}:
            said.parts.append(text("prove.ask", language))
            said.outcome = "asked"
        return
    if focus.down:
        said.parts.append(text("shop.down", language))
        said.replies.append(text("reply.person", language))
        said.outcome = "failed"
        return
    if back := () if state.get("out") else refunds.told(state.get("back", ()), language):
        await run.record(ev.OrderFactsRead(turn=run.turn, facts=back))
        said.parts.append("\n".join(map(said.cite, back)))
        return
    if focus.order is not None:
        told = []
        for order in _told_about(state):
            own = [fact for fact in facts if fact.order == order.id]
            some = [fact for fact in own if fact.name not in {"placed", "items"}][:STATUS_FACTS]
            if intents & {"find_orders", "complaint"} or _CONTENTS.search(state["text"]):
                some += [fact for fact in own if fact.name == "items"]
            told += [said.cite(fact) for fact in some]
        if "return_eligibility" in intents and not state.get("out"):
            ruling = await ports.shop.eligibility(run.state.scope, focus.order.id, "return")
            if ruling is not None:
                product = state["understanding"].slots.get("product", "")
                refused = refusal_fact(focus.order, ruling, product, language)
                fact = refused or eligibility_fact(focus.order, ruling, language)
                await run.record(ev.OrderFactsRead(turn=run.turn, facts=(fact,)))
                told.insert(0, said.cite(fact))
                if ruling.allowed and refused is None:
                    said.replies.append(text("reply.action.return", language, order=focus.order.id))
        said.parts.append("\n".join(told))
        return
    if focus.named is not None:
        said.parts.append(text("order.not_found", language, order=focus.named))
        said.outcome = "asked"
    elif not focus.choices:
        if intents & ABOUT_ORDERS - {"return_eligibility", "complaint"}:
            said.parts.append(text("orders.none", language))
        return
    else:
        said.parts.append(text("orders.lead" if "find_orders" in intents else "orders.which", language))
        said.outcome = "answered" if "find_orders" in intents else "asked"
    said.parts.append("\n".join(f"- {said.cite(fact)}" for fact in facts))
    said.replies += [text("reply.order", language, order=order.id) for order in focus.choices[:3]]


async def _from_documents(
    question: str,
    found: Found | None,
    run: TurnRun,
    ports: Ports,
    said: Answer,
    language: Language,
    *,
    upset: bool,
) -> None:
    if found is None:
        said.parts.append(text("index.down", language))
        said.replies.append(text("reply.person", language))
        said.outcome, said.degraded = "failed", True
        return
    if found.answerable < ports.answerable or not found.passages:
        titles = list(dict.fromkeys(passage.chunk.title for passage in found.passages))[:3]
        separator = "、" if language == "zh" else ", "
        said.parts.append(
            text("unanswerable.near", language, titles=separator.join(titles))
            if titles
            else text("unanswerable", language)
        )
        said.supported, said.outcome = False, "failed"
        return
    first = len(said.citations) + 1
    try:
        draft = await generate(run, ports, question, found.passages, language, upset=upset)
    except ModelError:
        words, citations = quote(question, found, language, first=first)
        lead = text("model.down" if words else "model.down.nothing", language)
        said.parts.append(f"{lead}\n{words}".strip())
        said.citations += citations
        said.replies.append(text("reply.person", language))
        said.how, said.degraded, said.outcome = "quoted", True, "quoted"
        return
    said.withdrawn += draft.withdrawn
    if draft.supported:
        words, citations = settle(draft, question, found, language, first=first)
        said.how, said.model, said.adapter = "generated", draft.model, draft.adapter
    else:
        words, citations = quote(question, found, language, first=first)
        words = f"{text('quote.lead', language)}\n{words}"
        said.how, said.outcome = "quoted", "quoted"
    said.parts.append(words)
    said.citations += citations
