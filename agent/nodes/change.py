"""Prepare a change to an order: which order, whether it may be, with which details.

Nothing is changed here. The end is either a question back or a proposal from the gate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from langgraph.runtime import Runtime

from agent import events as ev
from agent import refunds
from agent.errors import ShopUnavailable
from agent.events import EventBody
from agent.handoff import SOUR
from agent.ids import Language, OrderId, TurnId
from agent.nodes.answer import Answer
from agent.nodes.orders import ACTIONS
from agent.order_facts import (
    called,
    eligibility_fact,
    listed,
    money,
    overview,
    payment,
    refusal_fact,
    refusals,
)
from agent.order_lines import named
from agent.shop.countries import country_code, country_name
from agent.shop.port import ActionKind, Eligibility, Order, OrderAction, OrderLine
from agent.texts import names, text
from agent.turn_state import TurnContext, TurnState
from agent.understanding import Understanding

ADDRESS = ("recipient", "line1", "line2", "city", "region", "postal_code", "country")
REQUIRED = ("recipient", "line1", "city", "postal_code", "country")


async def change(state: TurnState, runtime: Runtime[TurnContext]) -> TurnState:
    """Ask for what is missing, explain why not, or propose the change."""
    run, ports = runtime.context.run, runtime.context.ports
    understanding, focus = state["understanding"], state["focus"]
    language = understanding.language
    if focus.down:
        return _answer(run.turn, language, text("shop.down", language), outcome="failed")
    kind = _kind(understanding, run.state.asking)
    order = focus.order
    if order is None:
        return _which(run.turn, language, kind, focus.named, focus.choices)
    try:
        ruling = await ports.shop.eligibility(run.state.scope, order.id, kind)
    except ShopUnavailable:
        return _answer(run.turn, language, text("shop.down", language), outcome="failed")
    if ruling is None:
        return _answer(
            run.turn, language, text("order.not_found", language, order=order.id), outcome="failed"
        )
    barred, nothing_else = _barred(order, ruling, state["text"], understanding)
    if not ruling.allowed or nothing_else:
        facts = barred or [eligibility_fact(order, ruling, language)]
        await run.record(ev.OrderFactsRead(turn=run.turn, facts=tuple(facts)))
        told = _answer(run.turn, language, *_cited(facts), outcome="failed")
        if state["mood"].scores.negative >= SOUR and run.state.mode == "assistant":
            told["reasons"] = ("out_of_policy",)
        return told
    details, question = _details(
        kind, order, ruling, understanding, state["text"], run.state.asking, language
    )
    if kind == "change_address" and not _reachable(details, ruling):
        country = country_name(country_code(str(details["country"])) or str(details["country"]), language)
        words = text("address.not_served", language, order=order.id, country=country)
        return _answer(run.turn, language, words, replies=(text("reply.person", language),), outcome="failed")
    action = OrderAction(kind=kind, order=order.id, arguments=details)
    if question is not None:
        words, replies = question
        asks = ev.ProposedAction(kind=kind, order=order.id, arguments=details)
        return _answer(run.turn, language, words, replies=replies, asks=asks, outcome="asked")
    out: list[EventBody] = []
    if (older := run.state.open_proposal(ports.clock())) is not None:
        if _same(older.action, action):
            # Asked for once more: what lies before the shopper stays, and only waits for the word.
            return _answer(run.turn, language, text("confirm.hint", language), outcome="asked")
        out.append(ev.ActionDeclined(proposal=older.proposal, why="superseded"))
    summary = _summary(action, order, ruling, language)
    proposal = ports.gate.propose(
        run.state, turn=run.turn, action=action, eligibility=ruling, summary=summary
    )
    out.append(proposal)
    if barred:
        await run.record(ev.OrderFactsRead(turn=run.turn, facts=tuple(barred)))
    # The proposal itself says what will happen; what was named besides and cannot be is told here.
    if refunds.asks(state["text"]) and kind in refunds.PAYING:
        # Beside what was agreed to before; an older proposal has just been put aside.
        terms = eligibility_fact(order, ruling, language)
        agreed = [back for back in state.get("back", ()) if not back.open]
        back = refunds.told([*agreed, refunds.proposed(order, action, terms, language)], language)
        await run.record(ev.OrderFactsRead(turn=run.turn, facts=back))
        barred = [*barred, *back]
    words, citations = _cited(barred)
    words = "\n\n".join(filter(None, (words, text("confirm.hint", language))))
    answer = _answer(run.turn, language, words, citations, outcome="proposed")
    return {**answer, "out": [*out, *answer["out"]]}


def _barred(
    order: Order, ruling: Eligibility, said: str, understanding: Understanding
) -> tuple[list[ev.OrderFact], bool]:
    """Why what is named can't be sent back, and whether nothing else of the order is named."""
    meant = named(said, order.lines)
    if len(meant) > 1:
        facts = refusals(order, ruling, meant, understanding.language)
        return facts, len(facts) == len(meant)
    product = understanding.slots.get("product", "")
    fact = refusal_fact(order, ruling, product, understanding.language)
    return ([fact], True) if fact else ([], False)


def _cited(facts: Sequence[ev.OrderFact]) -> tuple[str, tuple[ev.Citation, ...]]:
    """Facts as an answer's words, each with its source."""
    said = Answer()
    return "\n\n".join(map(said.cite, facts)), tuple(said.citations)


def _same(proposed: ev.ProposedAction, action: OrderAction) -> bool:
    """Whether two changes do the same; the reason given may differ."""
    ours, theirs = ({**one, "reason": ""} for one in (dict(proposed.arguments), dict(action.arguments)))
    return (proposed.kind, proposed.order, ours) == (action.kind, action.order, theirs)


def _reachable(details: Mapping[str, object], ruling: Eligibility) -> bool:
    """Whether the order can be sent to the address; an unknown country is left to the shop."""
    code = country_code(str(details.get("country", "")))
    return ruling.countries is None or code is None or code in ruling.countries


def _kind(understanding: Understanding, asking: ev.ProposedAction | None) -> ActionKind:
    for intent in understanding.intents:
        if intent in ACTIONS:
            return ACTIONS[intent]
    assert asking is not None  # noqa: S101 - the only other way here (decide._goes_on)
    return asking.kind


def _which(
    turn: TurnId,
    language: Language,
    kind: ActionKind,
    named: OrderId | None,
    choices: Sequence[Order],
) -> TurnState:
    if not choices:
        words = text("order.not_found", language, order=named) if named else text("orders.none", language)
        return _answer(turn, language, words, outcome="failed")
    lead = text("order.not_found", language, order=named) if named else text("orders.which", language)
    lines = "\n".join(f"- {fact.text}" for fact in overview(choices, language))
    replies = tuple(text(f"reply.action.{kind}", language, order=order.id) for order in choices[:4])
    return _answer(turn, language, f"{lead}\n\n{lines}", replies=replies, outcome="asked")


Question = tuple[str, tuple[str, ...]]


def _details(
    kind: ActionKind,
    order: Order,
    ruling: Eligibility,
    understanding: Understanding,
    said: str,
    asking: ev.ProposedAction | None,
    language: Language,
) -> tuple[dict[str, object], Question | None]:
    """The action's arguments as far as they are known, and the question for the rest."""
    known: dict[str, object] = {}
    if asking is not None and asking.kind == kind and asking.order == order.id:
        known = dict(asking.arguments)
    slots = understanding.slots
    if reason := slots.get("reason_code") or slots.get("reason"):
        known["reason"] = reason
    if kind == "cancel":
        known.setdefault("reason", "")
        return known, None
    if kind == "change_address":
        if "line1" in slots:
            known.pop("line2", None)  # the flat of another house
        for part in ADDRESS:
            if value := slots.get(part):
                known[part] = value
        if any(not known.get(part) for part in REQUIRED):
            return known, (text("ask.address", language), ())
        return {part: known.get(part, "") for part in ADDRESS}, None
    known.setdefault("reason", "")
    lines = [line for line in order.lines if line.line in ruling.lines]
    if "lines" not in known:
        chosen = _chosen(lines, slots, said)
        if not chosen or (kind == "exchange" and len(chosen) > 1):  # one exchange, one item
            replies = tuple(line.title[language] for line in lines[:4])
            items = "; ".join(f"{line.line}. {line.title[language]} ({line.variant})" for line in lines)
            return known, (text("ask.lines", language, order=order.id, items=items), replies)
        known["lines"] = [line.line for line in chosen]
    if kind == "return":
        return known, None
    wanted = [choice for choice in ruling.choices if choice.line in _lines(known)]
    if not wanted:
        return known, (text("ask.variant.none", language), ())
    variant = slots.get("variant", "").strip().lower()
    named = [
        choice
        for choice in wanted
        if variant and any(_names(name, variant) for name in (*choice.name.values(), choice.sku))
    ]
    if len(named) != 1:
        choices = ", ".join(choice.name[language] for choice in wanted)
        replies = tuple(choice.name[language] for choice in wanted[:4])
        return known, (text("ask.variant", language, choices=choices), replies)
    known["sku"] = named[0].sku
    return known, None


def _names(name: str, variant: str) -> bool:
    """Whether ``variant`` stands in ``name`` as a word of its own ("L" is not in "Olive")."""
    return re.search(rf"(?<![a-z0-9]){re.escape(variant)}(?![a-z0-9])", name.lower()) is not None


def _lines(known: dict[str, object]) -> list[int]:
    value = known.get("lines")
    return [int(number) for number in value] if isinstance(value, list | tuple) else []


def _chosen(lines: Sequence[OrderLine], slots: Mapping[str, str], said: str) -> list[OrderLine]:
    """The order lines a message names, all of them when only one is possible."""
    if len(lines) == 1:
        return list(lines)
    numbers = slots.get("line", "")
    called_so = named(said, lines)
    if len(called_so) > 1:
        return called_so
    if numbers == "all":
        return list(lines)
    if numbers:
        return [line for line in lines if str(line.line) in numbers.split(",")]
    product = slots.get("product", "").lower()
    by_product = [line for line in lines if product and called(line, product)]
    return called_so or (by_product if len(by_product) == 1 else [])


def _summary(action: OrderAction, order: Order, ruling: Eligibility, language: Language) -> str:
    """What will happen, in words; the shopper confirms exactly this."""
    arguments = dict(action.arguments)
    lines = _lines(arguments) or [line.line for line in order.lines]
    items = listed([line for line in order.lines if line.line in lines], language)
    reason = _reason(str(arguments.get("reason") or "none"), language)
    match action.kind:
        case "cancel":
            refund = (
                text("summary.cancel.nothing", language)
                if order.state == "placed"
                else text(
                    "summary.cancel.refund",
                    language,
                    amount=money(order.total, order.currency),
                    method=payment(order.payment_method, language),
                )
            )
            return text("summary.cancel", language, order=order.id, items=items, refund=refund)
        case "return":
            return text("summary.return", language, order=order.id, items=items, reason=reason)
        case "exchange":
            wanted = next(c.name[language] for c in ruling.choices if c.sku == arguments["sku"])
            return text(
                "summary.exchange", language, order=order.id, items=items, wanted=wanted, reason=reason
            )
        case "change_address":
            separator = "、" if language == "zh" else ", "
            address = separator.join(str(arguments[part]) for part in ADDRESS if arguments.get(part))
            return text("summary.change_address", language, order=order.id, address=address)


def _reason(reason: str, language: Language) -> str:
    """A reason in words: the shop's codes have a text, a shopper's own words stay."""
    name = f"reason.{reason}"
    return text(name, language) if name in names() else reason


def _answer(
    turn: TurnId,
    language: Language,
    words: str,
    citations: tuple[ev.Citation, ...] = (),
    *,
    outcome: str,
    replies: tuple[str, ...] = (),
    asks: ev.ProposedAction | None = None,
) -> TurnState:
    answer = ev.AnswerSent(
        turn=turn,
        text=words,
        language=language,
        how="composed",
        citations=citations,
        quick_replies=replies,
        asks=asks,
    )
    return {"out": [answer], "outcome": outcome}
