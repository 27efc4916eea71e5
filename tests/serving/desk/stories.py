"""A server with the desk on it, and conversations told event by event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.async_api import Browser, Locator, Page, expect

from agent import events as ev
from agent.conversation import Conversation, fold
from agent.conversations import Conversations
from agent.errors import SeqConflict
from agent.events import Event, EventBody
from agent.gate import WriteGate
from agent.handoff import packet
from agent.ids import ConversationId, CustomerId, Language, OfferId, OrderId, ProposalId, TurnId, new_id
from agent.live import LocalBus
from agent.log_live import LiveLog
from agent.log_sql import SqlLog
from agent.migrations import migrate
from serving.app import create_app
from serving.desk import mount_desk
from serving.http import HttpServer, serve
from serving.services import Services
from tests.serving.parts import ADA, LIN, SECRET, make_services

START = datetime(2026, 6, 15, 9, tzinfo=UTC)


class Hands:
    """A clock that tests set; it stands still between."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class DeskServer:
    """A running server, its log, and ways to make things happen in it."""

    server: HttpServer
    services: Services
    bus: LocalBus
    clock: Hands

    @property
    def url(self) -> str:
        return self.server.url

    async def tell(self, conversation: ConversationId, *bodies: EventBody) -> list[Event]:
        """Append to a conversation."""
        log = self.services.log
        while True:
            try:
                return await log.append(conversation, bodies, expected=await log.head(conversation))
            except SeqConflict:
                continue

    async def events(self, conversation: ConversationId) -> list[Event]:
        return await self.services.log.read(conversation)

    async def state(self, conversation: ConversationId) -> Conversation:
        return fold(conversation, await self.events(conversation))

    async def start(
        self, *, customer: CustomerId | None = None, language: Language = "en", id: str = ""
    ) -> ConversationId:
        conversation = ConversationId(id or new_id("conv"))
        bodies: list[EventBody] = [ev.ConversationStarted(shop="Fernway", language=language)]
        if customer:
            bodies.append(ev.ConversationIdentified(level="customer", method="token", customer=customer))
        await self.tell(conversation, *bodies)
        return conversation

    async def asks(
        self,
        conversation: ConversationId,
        text: str,
        answer: str = "",
        *,
        negative: float = 0.1,
        positive: float = 0.1,
        reasons: tuple[str, ...] = (),
        citations: tuple[ev.Citation, ...] = (),
        facts: tuple[ev.OrderFact, ...] = (),
        language: Language = "en",
    ) -> int:
        """A whole turn: the message, its mood, what was read, and the answer. Returns its seq."""
        turn = TurnId(new_id("turn"))
        [message] = await self.tell(conversation, ev.MessageReceived(message=new_id("msg"), text=text))
        bodies: list[EventBody] = [
            ev.TurnStarted(turn=turn, upto=message.seq),
            ev.MessageUnderstood(turn=turn, intents=("complaint",), confidence=0.9, language=language),
            ev.MoodScored(
                turn=turn,
                seq=message.seq,
                scores=ev.MoodScores(
                    negative=negative, neutral=round(1 - negative - positive, 4), positive=positive
                ),
                reasons=reasons,
                scorer="test",
            ),
        ]
        if facts:
            bodies.append(ev.OrderFactsRead(turn=turn, facts=facts))
        if answer:
            bodies.append(
                ev.AnswerSent(turn=turn, text=answer, language=language, how="composed", citations=citations)
            )
        bodies.append(ev.TurnCompleted(turn=turn, outcome="answered" if answer else "failed"))
        await self.tell(conversation, *bodies)
        return message.seq

    async def needs_person(
        self, conversation: ConversationId, *reasons: ev.HandoffReason
    ) -> ev.HandoffPacket:
        events = await self.events(conversation)
        folded = packet(fold(conversation, events), events, reasons)
        await self.tell(conversation, ev.HandoffRequested(reasons=reasons, packet=folded))
        return folded

    async def torn_tent(self) -> ConversationId:
        """A customer who has been let down, and waits."""
        order = OrderId("FW-104233")
        conversation = await self.start(customer=ADA.id)
        await self.asks(
            conversation,
            "Hi, my tent arrived torn. Order FW-104233.",
            "I'm sorry to hear that. You can return it within 30 days [1]. It was delivered on 9 June [2].",
            negative=0.35,
            facts=(
                ev.OrderFact(
                    id=f"{order}#state", order=order, name="state", text="FW-104233 was delivered on 9 June."
                ),
                ev.OrderFact(
                    id=f"{order}#items",
                    order=order,
                    name="items",
                    text="It holds 1 × Fernway Trail 2 tent, €249.00.",
                ),
            ),
            citations=(
                ev.Citation(
                    ref="1",
                    kind="passage",
                    id="p1",
                    title="Returns",
                    heading="Within 30 days",
                    quote="You can return anything unused within 30 days of delivery.",
                    version="2026-01-01",
                ),
                ev.Citation(
                    ref="2",
                    kind="order_fact",
                    id=f"{order}#state",
                    title="Order FW-104233",
                    quote="FW-104233 was delivered on 9 June.",
                ),
            ),
        )
        self.clock.advance(minutes=2)
        await self.asks(
            conversation,
            "I know the rules. I asked what YOU will do about it.",
            "You can return anything unused within 30 days of delivery [1].",
            negative=0.62,
            reasons=("pressing tone", "asked again"),
        )
        self.clock.advance(minutes=1)
        seq = await self.asks(
            conversation,
            "This is the third time I ask. My tent arrived torn and nobody cares!!",
            negative=0.9,
            reasons=("“nobody cares”", "third time", "!!"),
        )
        await self.tell(
            conversation,
            ev.SignalRaised(kind="negative_mood", strength=0.9, evidence=(seq,)),
            ev.PromiseMade(by="assistant", text="A person will look at this today.", source=seq),
        )
        await self.needs_person(conversation, "mood", "repeated_failure")
        return conversation

    async def scored(
        self,
        customer: CustomerId,
        probability: float,
        *,
        before: float | None = None,
        reasons: Sequence[ev.ChurnReason] = (),
    ) -> ConversationId:
        conversation = await self.start(customer=customer)
        await self.tell(
            conversation,
            ev.ConversationClosed(by="shopper"),
            ev.ChurnScored(
                customer=customer, before=before, probability=probability, reasons=tuple(reasons), scorer="t"
            ),
        )
        return conversation

    def offer(self, customer: CustomerId, value: Decimal = Decimal("10.00")) -> ev.OfferMade:
        return ev.OfferMade(
            offer=OfferId(new_id("offer")),
            customer=customer,
            kind="goodwill_credit",
            value=str(value),
            text="Here is a credit of 10.00 EUR for your next order.",
            expires_at=self.clock() + timedelta(days=30),
            policy="threshold/1",
            propensity=0.9,
        )

    def proposal(self) -> ev.ActionProposed:
        return ev.ActionProposed(
            proposal=ProposalId(new_id("prop")),
            turn=TurnId(new_id("turn")),
            action=ev.ProposedAction(kind="return", order=OrderId("FW-104233"), arguments={"lines": [1]}),
            arguments_hash="0" * 64,
            policy_version="2026-01-01",
            customer=ADA.id,
            summary="Return 1 × Fernway Trail 2 tent; €249.00 goes back to the card ending 4242.",
            expires_at=self.clock() + timedelta(minutes=15),
        )


@cache
def _empty_log() -> bytes:
    """A log's database with its tables: making them takes longer than most tests."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log.db"
        migrate(f"sqlite:///{path}")
        return path.read_bytes()


@asynccontextmanager
async def desk_server(folder: Path, **changes: Any) -> AsyncIterator[DeskServer]:
    """A server with the desk over a new log in ``folder``."""
    (folder / "log.db").write_bytes(await asyncio.to_thread(_empty_log))
    clock = Hands()
    stored = SqlLog(f"sqlite:///{folder / 'log.db'}", clock=clock)
    bus = LocalBus()
    log = LiveLog(stored, bus)
    services = make_services(folder, log, bus, clock=clock, **changes)
    services = replace(services, conversations=Conversations(log, WriteGate(clock), clock))
    app = create_app(services)
    mount_desk(app, services, secret=SECRET)
    server = await serve(app, "127.0.0.1", 0)
    try:
        yield DeskServer(server, services, bus, clock)
    finally:
        await server.stop()
        await stored.close()


@asynccontextmanager
async def page_of(
    browser: Browser, *, locale: str = "en-GB", scheme: Any = "light", size: tuple[int, int] = (1280, 800)
) -> AsyncIterator[Page]:
    """A page of a browser of its own: nobody is signed in there."""
    context = await browser.new_context(
        locale=locale, color_scheme=scheme, viewport={"width": size[0], "height": size[1]}, timezone_id="UTC"
    )
    page = await context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    try:
        yield page
    finally:
        await context.close()
    assert problems == []


async def sign_in(page: Page, desk: DeskServer, name: str = "dana", *, path: str = "/desk") -> None:
    await page.goto(f"{desk.url}{path}")
    await page.get_by_test_id("login-name").fill(name)
    await page.get_by_test_id("login-password").fill("demo")
    await page.get_by_test_id("login-submit").click()
    await page.wait_for_url(f"{desk.url}{path}")


def row(page: Page, conversation: ConversationId) -> Locator:
    return page.locator(f'[data-testid=queue-item][data-conversation="{conversation}"]')


async def open_conversation(page: Page, conversation: ConversationId) -> None:
    await row(page, conversation).click()
    await expect(page.get_by_test_id("transcript")).to_be_visible()


__all__ = [
    "ADA",
    "LIN",
    "DeskServer",
    "desk_server",
    "open_conversation",
    "page_of",
    "row",
    "sign_in",
]
