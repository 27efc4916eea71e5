"""Every event a conversation can hold, in one closed union.

A conversation is an append-only, gapless sequence of these (``seq`` 1, 2, 3 …); it is the
only truth, and everything else is folded from it. ``docs/events.md`` is generated from this
module, and the wire carries the same JSON.

Names are ``noun.verb`` in the past tense. Unknown fields are refused. A field, once
released, keeps its meaning; new ones get a default, so that old logs stay readable.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from agent.ids import ConversationId, CustomerId, Language, OfferId, OrderId, ProposalId, StaffId, TurnId
from agent.scope import IdentityLevel
from agent.shop.port import ActionKind

Audience = Literal["shopper", "staff"]
"""``shopper`` events reach the widget and the desk; ``staff`` events the desk alone."""

Intent = Literal[
    "product_question",
    "policy_question",
    "find_orders",
    "order_status",
    "return_eligibility",
    "cancel_order",
    "return_item",
    "exchange_item",
    "change_address",
    "complaint",
    "request_person",
    "prove_order",
    "confirm",
    "decline",
    "greeting",
    "thanks",
    "goodbye",
    "off_topic",
    "unclear",
]

HandoffReason = Literal[
    "requested",
    "mood",
    "repeated_failure",
    "out_of_policy",
    "unsupported_answer",
    "legal_or_safety",
    "action_failed",
    "model_down",
]

SignalKind = Literal[
    "negative_mood",
    "repeated_question",
    "unresolved",
    "handoff",
    "delivery_problem",
    "refund_problem",
    "broken_promise",
    "low_rating",
    "abandoned",
    "leaving_threat",
]


class Part(BaseModel):
    """Base of the values inside events: frozen, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Citation(Part):
    """A claim's pointer to what supports it."""

    ref: str
    """Number shown in the text as ``[1]``, counting from 1 within the answer."""
    kind: Literal["passage", "order_fact", "product_fact"]
    id: str
    """Passage id (opens at ``/v1/passages/{id}``), or the id of an order or product fact of this turn."""
    title: str
    heading: str = ""
    quote: str = ""
    """The words that support the claim, as they stand in the source."""
    version: str = ""
    """The source document's version or effective date."""


class PassageRef(Part):
    """A passage found for a turn, with its text as it was then."""

    id: str
    document: str
    source: str
    title: str
    heading: str
    text: str
    language: Language
    version: str
    kind: str
    similarity: float
    """Cosine similarity of query and passage, -1 to 1."""


class OrderFact(Part):
    """One thing read live from the shop about an order in scope."""

    id: str
    """``{order}#{name}``, for example ``FW-104233#state``."""
    order: OrderId
    name: str
    text: str
    """The fact as a sentence in the shopper's language."""


class ProductFact(Part):
    """One thing that the shop lists about a product, or sees on its shelf now."""

    id: str
    """``product:{product}#{name}``, for example ``product:tent-arbor-2#weight``."""
    product: str
    """The product's id; of a comparison, the ids compared, joined by ``+``."""
    title: str
    """The product as the shopper knows it."""
    name: str
    text: str
    """The fact as a sentence in the shopper's language."""


class MoodScores(Part):
    """Probabilities of one shopper turn's mood; they sum to 1."""

    negative: float
    neutral: float
    positive: float


class ProposedAction(Part):
    """A change to an order with its exact arguments."""

    kind: ActionKind
    order: OrderId
    arguments: dict[str, Any] = Field(default_factory=dict)


class PacketFact(Part):
    """One line of a hand-off packet, with the event it comes from."""

    text: str
    seq: int


class MoodPoint(Part):
    """Mood at one shopper message: ``value`` = P(positive) - P(negative), -1 to 1."""

    seq: int
    value: float


class HandoffPacket(Part):
    """What a person needs to take over without asking the shopper again."""

    customer: str
    identity: IdentityLevel
    wants: str
    tried: tuple[PacketFact, ...] = ()
    facts: tuple[PacketFact, ...] = ()
    promises: tuple[PacketFact, ...] = ()
    mood: tuple[MoodPoint, ...] = ()
    suggested: str
    """The next step we would take."""


class ChurnReason(Part):
    """One thing that moved a churn score."""

    feature: str
    text: str
    contribution: float
    """Change of the log-odds, positive towards leaving."""


class Body(Part):
    """Base of all event bodies."""

    audience: ClassVar[Audience] = "staff"


class ConversationStarted(Body):
    """A shopper opened a conversation."""

    audience = "shopper"
    type: Literal["conversation.started"] = "conversation.started"
    shop: str
    language: Language
    channel: Literal["widget", "terminal", "api", "eval"] = "widget"


class ConversationIdentified(Body):
    """The shopper proved who they are, or that an order is theirs."""

    audience = "shopper"
    type: Literal["conversation.identified"] = "conversation.identified"
    level: IdentityLevel
    method: Literal["token", "order_code"]
    customer: CustomerId | None = None
    """Set by a verified token. An order proof gives its order alone."""
    order: OrderId | None = None


class MessageReceived(Body):
    """The shopper wrote."""

    audience = "shopper"
    type: Literal["message.received"] = "message.received"
    message: str
    """The client's id for it: the same id twice is the same message."""
    text: str


class TurnStarted(Body):
    """A turn began to work on shopper messages, or on a confirmed action."""

    audience = "shopper"
    type: Literal["turn.started"] = "turn.started"
    turn: TurnId
    attempt: int = 1
    """2 and up when an earlier attempt died half way."""
    upto: int
    """Highest ``seq`` of shopper input this turn answers."""


class TurnInterrupted(Body):
    """A running turn stopped: the shopper wrote again, or a person took over."""

    audience = "shopper"
    type: Literal["turn.interrupted"] = "turn.interrupted"
    turn: TurnId
    by: Literal["message", "takeover", "closed"]


class TurnCompleted(Body):
    """A turn ended with everything it caused in the log."""

    audience = "shopper"
    type: Literal["turn.completed"] = "turn.completed"
    turn: TurnId
    outcome: Literal["answered", "quoted", "proposed", "acted", "handed_over", "asked", "failed"]


class TurnMeasured(Body):
    """How long a turn took, in seconds since it started."""

    type: Literal["turn.measured"] = "turn.measured"
    turn: TurnId
    first_token: float | None = None
    total: float
    model_calls: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class MessageUnderstood(Body):
    """What the shopper wants, as read from the message."""

    type: Literal["message.understood"] = "message.understood"
    turn: TurnId
    intents: tuple[Intent, ...]
    confidence: float
    language: Language
    order: OrderId | None = None
    """An order number named in the text. Naming one proves nothing."""
    slots: dict[str, str] = Field(default_factory=dict)
    topics: tuple[str, ...] = ()
    query: str = ""
    """What retrieval was asked."""


class MoodScored(Body):
    """The mood of one shopper turn, with what gave it away."""

    type: Literal["mood.scored"] = "mood.scored"
    turn: TurnId
    seq: int
    """The shopper message it is about."""
    scores: MoodScores
    reasons: tuple[str, ...] = ()
    scorer: str


class PassagesFound(Body):
    """What retrieval returned."""

    type: Literal["passages.found"] = "passages.found"
    turn: TurnId
    query: str
    passages: tuple[PassageRef, ...]
    answerable: float
    """Probability, by a scorer outside the generator, that these answer the question."""


class OrderFactsRead(Body):
    """What the shop said about orders in scope."""

    type: Literal["order_facts.read"] = "order_facts.read"
    turn: TurnId
    facts: tuple[OrderFact, ...]


class ProductFactsRead(Body):
    """What the shop's product data said to a question: attributes as listed, price and stock as now."""

    type: Literal["product_facts.read"] = "product_facts.read"
    turn: TurnId
    facts: tuple[ProductFact, ...]


class AnswerSent(Body):
    """The assistant's settled answer. Streamed deltas before it are provisional."""

    audience = "shopper"
    type: Literal["answer.sent"] = "answer.sent"
    turn: TurnId
    text: str
    language: Language
    how: Literal["generated", "quoted", "composed"]
    """``generated`` by the model and checked; ``quoted`` from sources without it;
    ``composed`` from order facts, product facts and fixed sentences."""
    citations: tuple[Citation, ...] = ()
    withdrawn: tuple[str, ...] = ()
    """Why sentences that had been streamed were taken back: codes, never their text."""
    quick_replies: tuple[str, ...] = ()
    supported: bool = True
    """False when nothing was found to stand on, and the shopper was told so."""
    asks: ProposedAction | None = None
    """The change whose missing details were asked for, with what is known of it."""
    degraded: bool = False
    """True when the model was slow or down and the shopper was told so."""
    model: str = ""
    adapter: str = ""
    prompt: str = ""
    """Version of the prompt."""


class ActionProposed(Body):
    """The write gate issued a one-time confirmation for one exact change."""

    audience = "shopper"
    type: Literal["action.proposed"] = "action.proposed"
    proposal: ProposalId
    turn: TurnId
    action: ProposedAction
    arguments_hash: str
    policy_version: str
    customer: CustomerId | None
    """Whom it is bound to (``None``: to the proven order)."""
    summary: str
    """What will happen, in the shopper's language, money included."""
    expires_at: datetime


class ActionConfirmed(Body):
    """The shopper said yes to a proposal, by the button or the exact word."""

    audience = "shopper"
    type: Literal["action.confirmed"] = "action.confirmed"
    proposal: ProposalId
    how: Literal["button", "word"]


class ActionDeclined(Body):
    """The shopper said no (by button or word), or something else came first; it is void."""

    audience = "shopper"
    type: Literal["action.declined"] = "action.declined"
    proposal: ProposalId
    why: Literal["shopper", "word", "superseded", "expired", "handed_over"]


class ActionDone(Body):
    """The shop did it, once."""

    audience = "shopper"
    type: Literal["action.done"] = "action.done"
    proposal: ProposalId
    turn: TurnId
    order: OrderId
    kind: ActionKind
    reference: str
    text: str
    refund: str | None = None
    """Decimal amount in the order's currency."""


class ActionFailed(Body):
    """The shop refused or did not answer; nothing was changed unless ``unknown``."""

    audience = "shopper"
    type: Literal["action.failed"] = "action.failed"
    proposal: ProposalId
    turn: TurnId
    code: str
    """The error's stable code."""
    unknown: bool = False
    """True when the shop may have done it before it stopped answering."""


class CodeSent(Body):
    """A one-time code went to an order's e-mail address."""

    audience = "staff"
    type: Literal["code.sent"] = "code.sent"
    order: OrderId
    code_hash: str
    """Keyed hash; the code itself is only in the mail."""
    expires_at: datetime


class CodeChecked(Body):
    """A shopper tried a code, or tried to have one sent."""

    audience = "staff"
    type: Literal["code.checked"] = "code.checked"
    order: OrderId
    accepted: bool


class PromiseMade(Body):
    """Something the shopper was told would happen."""

    type: Literal["promise.made"] = "promise.made"
    by: Literal["assistant", "staff"]
    text: str
    due: date | None = None
    order: OrderId | None = None
    source: int
    """``seq`` of the event that holds the words."""


class SignalRaised(Body):
    """Evidence that the shopper is being failed."""

    type: Literal["signal.raised"] = "signal.raised"
    kind: SignalKind
    strength: float
    """0 (faint) to 1 (certain and grave)."""
    evidence: tuple[int, ...]
    """``seq`` of the events that show it."""


class HandoffRequested(Body):
    """The conversation needs a person; it waits in the desk's queue from here."""

    audience = "shopper"
    type: Literal["handoff.requested"] = "handoff.requested"
    turn: TurnId | None = None
    reasons: tuple[HandoffReason, ...]
    packet: HandoffPacket
    """Staff only: stripped from what the shopper's connection receives."""


class HandoffAccepted(Body):
    """A person took the conversation; the assistant is silent from here."""

    audience = "shopper"
    type: Literal["handoff.accepted"] = "handoff.accepted"
    staff: StaffId
    name: str


class HandoffReturned(Body):
    """The person gave it back. What led to the hand-over counts as dealt with."""

    audience = "shopper"
    type: Literal["handoff.returned"] = "handoff.returned"
    staff: StaffId
    note: str = ""


class ReplySent(Body):
    """A person wrote to the shopper."""

    audience = "shopper"
    type: Literal["reply.sent"] = "reply.sent"
    message: str
    """The desk's id for it: the same id twice is the same reply."""
    staff: StaffId
    name: str
    text: str


class NoteAdded(Body):
    """A person wrote for colleagues only."""

    type: Literal["note.added"] = "note.added"
    staff: StaffId
    text: str


class ConversationClosed(Body):
    """The conversation ended; a new message from the shopper opens it again."""

    audience = "shopper"
    type: Literal["conversation.closed"] = "conversation.closed"
    by: Literal["shopper", "staff", "idle"]


class ConversationRated(Body):
    """The shopper rated the conversation."""

    audience = "shopper"
    type: Literal["conversation.rated"] = "conversation.rated"
    score: Annotated[int, Field(ge=1, le=5)]
    comment: str = ""


class ChurnScored(Body):
    """The customer's churn score after a conversation closed."""

    type: Literal["churn.scored"] = "churn.scored"
    customer: CustomerId
    before: float | None
    probability: float
    reasons: tuple[ChurnReason, ...]
    scorer: str


class OfferMade(Body):
    """An offer to stay. Who gets one is decided by a rule, never by the model."""

    audience = "shopper"
    type: Literal["offer.made"] = "offer.made"
    offer: OfferId
    customer: CustomerId
    kind: str
    value: str
    """Decimal cost to the shop, in its currency."""
    text: str
    expires_at: datetime
    policy: str
    """Name and version of the offer policy that chose it."""
    propensity: float
    """Probability with which that policy chose this action."""


class OfferWithheld(Body):
    """An offer was considered and not made (budget, cap, hold-out, score)."""

    type: Literal["offer.withheld"] = "offer.withheld"
    customer: CustomerId
    reason: str
    policy: str
    propensity: float


class OfferAnswered(Body):
    """The shopper took or declined an offer."""

    audience = "shopper"
    type: Literal["offer.answered"] = "offer.answered"
    offer: OfferId
    taken: bool


EventBody = Annotated[
    ConversationStarted
    | ConversationIdentified
    | MessageReceived
    | TurnStarted
    | TurnInterrupted
    | TurnCompleted
    | TurnMeasured
    | MessageUnderstood
    | MoodScored
    | PassagesFound
    | OrderFactsRead
    | ProductFactsRead
    | AnswerSent
    | ActionProposed
    | ActionConfirmed
    | ActionDeclined
    | ActionDone
    | ActionFailed
    | CodeSent
    | CodeChecked
    | PromiseMade
    | SignalRaised
    | HandoffRequested
    | HandoffAccepted
    | HandoffReturned
    | ReplySent
    | NoteAdded
    | ConversationClosed
    | ConversationRated
    | ChurnScored
    | OfferMade
    | OfferWithheld
    | OfferAnswered,
    Field(discriminator="type"),
]
"""Any event body."""

BODY: TypeAdapter[EventBody] = TypeAdapter(EventBody)
"""Parses a body from JSON or a dictionary by its ``type``."""


class Event(BaseModel):
    """A stored event: a body with its place and time in one conversation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    conversation: ConversationId
    seq: int
    """1, 2, 3 … without gaps inside the conversation."""
    at: datetime
    """When it was appended, UTC."""
    body: EventBody


def for_shopper(event: Event) -> dict[str, Any] | None:
    """Return the event as the shopper's connection receives it, or ``None`` if it may not.

    The result is ``{"seq", "at", **body}`` with staff-only parts taken out.
    """
    if event.body.audience != "shopper":
        return None
    wire = event.body.model_dump(mode="json")
    if isinstance(event.body, HandoffRequested):
        wire.pop("packet")
    if isinstance(event.body, HandoffReturned):
        wire.pop("note")
    if isinstance(event.body, OfferMade):
        for private in ("propensity", "policy", "value", "customer"):
            wire.pop(private)
    return {"seq": event.seq, "at": event.at.isoformat(), **wire}
