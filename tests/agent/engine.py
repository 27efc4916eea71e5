"""The turn engine over real parts, for tests: log, shop, index, reader, mood; a model by choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from agent import events as ev
from agent.conversation import Conversation
from agent.conversations import Conversations
from agent.events import Event
from agent.gate import WriteGate
from agent.ids import ConversationId, CustomerId, Language
from agent.live import LocalBus
from agent.log import ConversationLog
from agent.mail import Mail
from agent.model import LanguageModel
from agent.mood import MoodScorer
from agent.proof import OrderProof
from agent.shop.port import Shop
from agent.turn_run import Ports
from agent.turns import Turns
from agent.understanding import Reader
from retrieval.passages import Retriever
from tests.conftest import Clock


@dataclass
class Outbox:
    """A mail system outside of ours."""

    sent: list[Mail] = field(default_factory=list)

    async def send(self, mail: Mail) -> None:
        self.sent.append(mail)


@dataclass
class Engine:
    """One server's worth of turns, and a shopper's words to put in."""

    log: ConversationLog
    bus: LocalBus
    shop: Shop
    reader: Reader
    mood: MoodScorer
    retriever: Retriever
    model: LanguageModel
    clock: Clock
    outbox: Outbox = field(default_factory=Outbox)
    count: int = 0

    def __post_init__(self) -> None:
        self.gate = WriteGate(self.clock)
        self.conversations = Conversations(self.log, self.gate, self.clock)
        self.turns = Turns(self.log, self.bus, self.ports())

    def ports(self) -> Ports:
        return Ports(
            reader=self.reader,
            mood=self.mood,
            retriever=self.retriever,
            shop=self.shop,
            model=self.model,
            gate=self.gate,
            proof=OrderProof(self.shop, self.outbox, secret="s" * 32, clock=self.clock),
            clock=self.clock,
        )

    async def open(self, customer: CustomerId | None = None, language: Language = "en") -> ConversationId:
        return await self.conversations.start(
            shop="fernway", language=language, channel="api", customer=customer
        )

    async def say(self, conversation: ConversationId, *texts: str) -> list[Event]:
        """Say something, wait until all is answered, and return what that appended."""
        before = await self.log.head(conversation)
        for text in texts:
            self.count += 1
            await self.conversations.receive(conversation, message=f"m{self.count}", text=text)
        await self.turns.settled()
        return await self.log.read(conversation, after=before)

    async def confirm(self, conversation: ConversationId, *, yes: bool = True) -> list[Event]:
        """Press the button of the open proposal, wait, and return what that appended."""
        state = await self.state(conversation)
        proposal = state.open_proposal(self.clock())
        assert proposal is not None, "no proposal is open"
        before = state.head
        await self.conversations.confirm(
            conversation, proposal.proposal, arguments_hash=proposal.arguments_hash, yes=yes
        )
        await self.turns.settled()
        return await self.log.read(conversation, after=before)

    async def state(self, conversation: ConversationId) -> Conversation:
        return await self.conversations.state(conversation)


def answers(events: Sequence[Event]) -> list[ev.AnswerSent]:
    return [event.body for event in events if isinstance(event.body, ev.AnswerSent)]


def types(events: Sequence[Event]) -> list[str]:
    return [event.body.type for event in events]
