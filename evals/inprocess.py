"""The system under test, in this process: the real turn engine over one world's ports."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from agent.conversations import Conversations
from agent.events import for_shopper
from agent.gate import WriteGate
from agent.ids import ConversationId, CustomerId, OrderId, ProposalId, StaffId
from agent.live import LocalBus
from agent.log import ConversationLog
from agent.log_live import LiveLog
from agent.model import LanguageModel
from agent.mood import MoodScorer
from agent.proof import OrderProof
from agent.turn_run import Ports
from agent.turns import Turns
from agent.understand_model import ModelReader
from evals.faults import FaultyModel
from evals.scenario import Press, Say, Scenario, Staff, Step, TypeCode, Wait
from evals.shoppers.port import Wire
from evals.world import World

STEP_SECONDS = 180.0
"""Until everything must have settled after one step; a turn's own limits are shorter."""
BURST_SECONDS = 0.05
"""Between the messages of a burst: quicker than any answer."""
STAFF = StaffId("qa")
NO_MAIL = {"en": "I haven't got any code", "zh": "我没收到验证码"}

_CODE = re.compile(r"(?<![\d-])\d{6}(?!\d)")
"""Not the digits of an order number."""


@dataclass(frozen=True)
class Version:
    """A version of the system: what may differ between two that are compared.

    Attributes:
        answerable, passages, max_tokens: As in ``agent.turn_run.Ports``.
        understands: Whether the model reads messages, too.
    """

    model: LanguageModel
    mood: MoodScorer
    answerable: float = 0.5
    passages: int = 4
    max_tokens: int = 160
    understands: bool = False


class InProcessChannel:
    """One conversation with the engine. Close it when done."""

    def __init__(self, scenario: Scenario, world: World, version: Version, store: ConversationLog) -> None:
        self._scenario = scenario
        self._world = world
        bus = LocalBus()
        self._log = LiveLog(store, bus)
        gate = WriteGate(world.clock)
        self._conversations = Conversations(self._log, gate, world.clock)
        self._turns = Turns(
            self._log,
            bus,
            Ports(
                reader=ModelReader(version.model, world.reader) if version.understands else world.reader,
                mood=version.mood,
                retriever=world.retriever,
                shop=world.shop,
                model=FaultyModel(version.model, scenario.faults) if scenario.faults.model else version.model,
                gate=gate,
                proof=OrderProof(world.shop, world.outbox, secret="evaluation" * 4, clock=world.clock),
                clock=world.clock,
                answerable=version.answerable,
                products=world.products,
                vectors=world.vectors,
                passages=version.passages,
                max_tokens=version.max_tokens,
            ),
        )
        self._messages = 0
        self.pressed: list[ProposalId] = []
        """Proposals whose button the shopper pressed, by the shopper's own account."""
        self.proofs: list[tuple[int, OrderId]] = []
        """Orders proven by a code that came by mail, each with the ``seq`` from which it counts."""
        self.conversation = ConversationId("")

    async def open(self) -> None:
        """Open the conversation; a signed-in customer comes with a verified token."""
        customer = self._scenario.shopper.customer
        self.conversation = await self._conversations.start(
            shop=self._scenario.shop,
            language=self._scenario.language,
            channel="eval",
            customer=None if customer == "visitor" else CustomerId(customer),
        )

    def go_on(self, conversation: ConversationId, *, after: int) -> None:
        """Go on with a conversation that is in the log up to ``seq`` ``after``."""
        self.conversation = conversation
        self._messages = after  # its ids are never used again

    async def close(self) -> None:
        """End the conversation and stop its turns."""
        if self.conversation:
            await self._conversations.close(self.conversation, by="shopper")
        await self._turns.stop()

    async def do(self, step: Step) -> None:
        """See the port."""
        async with asyncio.timeout(STEP_SECONDS):
            match step:
                case Say():
                    await self._say(*step.texts)
                case TypeCode():
                    await self._type_code(right=step.code == "right")
                case Press():
                    await self._press(step.press)
                case Wait():
                    self._world.clock.advance(step.wait_minutes)
                case Staff():
                    await self._staff(step)
            await self._turns.settled()

    async def heard(self, after: int) -> list[Wire]:
        """See the port."""
        events = await self._log.read(self.conversation, after=after)
        return [wire for event in events if (wire := for_shopper(event)) is not None]

    async def _say(self, *texts: str) -> None:
        self._world.turn += 1
        for number, text in enumerate(texts):
            if number:
                await asyncio.sleep(BURST_SECONDS)
            self._messages += 1
            await self._conversations.receive(self.conversation, message=f"m{self._messages}", text=text)

    async def _type_code(self, *, right: bool) -> None:
        code = self._code(right=right)
        if right and self._world.mailed:
            self._world.granted.add(self._world.mailed[-1])
            self.proofs.append((await self._log.head(self.conversation), self._world.mailed[-1]))
        await self._say(code)

    def _code(self, *, right: bool) -> str:
        codes = [found[0] for mail in self._world.outbox.sent if (found := _CODE.search(mail.text))]
        if not right:
            return f"{(int(codes[-1]) + 1) % 1_000_000:06d}" if codes else "000000"
        return codes[-1] if codes else NO_MAIL[self._scenario.language]

    async def _press(self, button: str) -> None:
        if button == "person":
            await self._conversations.request_person(self.conversation)
            return
        state = await self._conversations.state(self.conversation)
        proposal = state.open_proposal(self._world.clock())
        if proposal is not None:
            if button == "confirm":
                self.pressed.append(proposal.proposal)
            await self._conversations.confirm(
                self.conversation,
                proposal.proposal,
                arguments_hash=proposal.arguments_hash,
                yes=button == "confirm",
            )

    async def _staff(self, step: Staff) -> None:
        if step.staff == "take_over":
            await self._conversations.take_over(self.conversation, staff=STAFF, name="Quinn")
        if step.reply:
            self._messages += 1
            await self._conversations.reply(
                self.conversation,
                staff=STAFF,
                name="Quinn",
                message=f"r{self._messages}",
                text=step.reply,
            )
        if step.staff == "hand_back":
            await self._conversations.hand_back(self.conversation, staff=STAFF)
