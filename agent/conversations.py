"""What people do to a conversation: every event that does not come from a turn.

Each method reads the conversation, decides on the folded state, and appends with the
``seq`` it saw; when somebody else was first, it reads and decides again. So a button
pressed twice, or by two people, takes effect once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

from agent import events as ev
from agent.conversation import Conversation, fold
from agent.errors import ConfirmationRefused, ConversationNotFound, SeqConflict
from agent.events import Event, EventBody
from agent.gate import WriteGate
from agent.handoff import packet
from agent.ids import ConversationId, CustomerId, Language, OfferId, ProposalId, StaffId, new_id
from agent.log import ConversationLog

ATTEMPTS = 20
"""Conflicts in a row before giving up; each one means somebody else made progress."""

Decision = Callable[[Conversation, list[Event]], Sequence[EventBody]]


class AlreadyTaken(ConversationNotFound):
    """Another member of staff has the conversation."""

    code = "desk.already_taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} has this conversation")
        self.name = name


class Conversations:
    """Commands on conversations, for the shopper's side and for the desk."""

    def __init__(self, log: ConversationLog, gate: WriteGate, clock: Callable[[], datetime]) -> None:
        self._log = log
        self._gate = gate
        self._clock = clock

    async def state(self, conversation: ConversationId) -> Conversation:
        """The folded state.

        Raises:
            ConversationNotFound: There is no such conversation.
        """
        events = await self._log.read(conversation)
        if not events:
            raise ConversationNotFound(conversation)
        return fold(conversation, events)

    async def start(
        self,
        *,
        shop: str,
        language: Language,
        channel: Literal["widget", "terminal", "api", "eval"],
        customer: CustomerId | None,
    ) -> ConversationId:
        """Open a conversation; ``customer`` comes from a verified token."""
        conversation = ConversationId(new_id("conv"))
        bodies: list[EventBody] = [ev.ConversationStarted(shop=shop, language=language, channel=channel)]
        if customer is not None:
            bodies.append(ev.ConversationIdentified(level="customer", method="token", customer=customer))
        await self._log.append(conversation, bodies, expected=0)
        return conversation

    async def identify(self, conversation: ConversationId, customer: CustomerId) -> list[Event]:
        """Note that the shopper signed in meanwhile. Nothing when that is known already.

        Raises:
            ConversationNotFound: It belongs to another customer.
        """

        def decide(state: Conversation, _: list[Event]) -> Sequence[EventBody]:
            if state.customer == customer:
                return ()
            if state.customer is not None:
                raise ConversationNotFound(conversation)
            return (ev.ConversationIdentified(level="customer", method="token", customer=customer),)

        return await self._decide(conversation, decide)

    async def receive(self, conversation: ConversationId, *, message: str, text: str) -> int:
        """Store a shopper's message once and return its ``seq``, also when it came before."""

        def decide(state: Conversation, _: list[Event]) -> Sequence[EventBody]:
            if message in state.messages:
                return ()
            bodies: list[EventBody] = [ev.MessageReceived(message=message, text=text)]
            return bodies

        if appended := await self._decide(conversation, decide):
            return appended[0].seq
        events = await self._log.read(conversation)
        return next(
            event.seq
            for event in events
            if isinstance(event.body, ev.MessageReceived) and event.body.message == message
        )

    async def confirm(
        self, conversation: ConversationId, proposal: ProposalId, *, arguments_hash: str, yes: bool
    ) -> list[Event]:
        """Answer a proposal by the shopper's own click.

        Raises:
            ConfirmationRefused: Unknown, expired, answered before, for other arguments, or
                not this shopper's.
        """

        def decide(state: Conversation, _: list[Event]) -> Sequence[EventBody]:
            known = state.proposals.get(proposal)
            wanted = "confirmed" if yes else "declined"
            if known and known.body.arguments_hash == arguments_hash:
                repeat = {"confirmed": {"confirmed", "done", "failed"}, "declined": {"declined"}}[wanted]
                if known.state in repeat:
                    return ()
            self._gate.check(state, proposal, arguments_hash=arguments_hash)
            if yes:
                return (ev.ActionConfirmed(proposal=proposal, how="button"),)
            return (ev.ActionDeclined(proposal=proposal, why="shopper"),)

        return await self._decide(conversation, decide)

    async def request_person(self, conversation: ConversationId) -> list[Event]:
        """The shopper pressed "talk to a person". Always granted, once."""

        def decide(state: Conversation, events: list[Event]) -> Sequence[EventBody]:
            if state.mode in {"waiting", "staff"}:
                return ()
            bodies: list[EventBody] = [
                ev.HandoffRequested(reasons=("requested",), packet=packet(state, events, ("requested",)))
            ]
            return bodies

        return await self._decide(conversation, decide)

    async def rate(self, conversation: ConversationId, *, score: int, comment: str = "") -> list[Event]:
        """Store the shopper's rating (1 to 5), once per closing."""

        def decide(state: Conversation, _: list[Event]) -> Sequence[EventBody]:
            return () if state.rated else (ev.ConversationRated(score=score, comment=comment),)

        return await self._decide(conversation, decide)

    async def answer_offer(self, conversation: ConversationId, offer: OfferId, *, taken: bool) -> list[Event]:
        """Take or decline an offer that was made in this conversation, once.

        Raises:
            ConfirmationRefused: No such offer here, or it has expired.
        """

        def decide(state: Conversation, events: list[Event]) -> Sequence[EventBody]:
            if offer not in state.offers:
                raise ConfirmationRefused("no such offer")
            if state.offers[offer] is not None:
                return ()
            made = next(e.body for e in events if isinstance(e.body, ev.OfferMade) and e.body.offer == offer)
            if made.expires_at <= self._clock():
                raise ConfirmationRefused("the offer has expired")
            return (ev.OfferAnswered(offer=offer, taken=taken),)

        return await self._decide(conversation, decide)

    async def close(
        self, conversation: ConversationId, *, by: Literal["shopper", "staff", "idle"]
    ) -> list[Event]:
        """End the conversation. Nothing when it has ended already."""

        def decide(state: Conversation, _: list[Event]) -> Sequence[EventBody]:
            return () if state.mode == "closed" else (ev.ConversationClosed(by=by),)

        return await self._decide(conversation, decide)

    async def take_over(
        self, conversation: ConversationId, *, staff: StaffId, name: str, from_colleague: bool = False
    ) -> list[Event]:
        """A person takes the conversation; a running turn stops, an open proposal is void.

        Raises:
            AlreadyTaken: A colleague has it and ``from_colleague`` was not said.
        """

        def decide(state: Conversation, _: list[Event]) -> Sequence[EventBody]:
            if state.mode == "staff":
                if state.staff == staff:
                    return ()
                if not from_colleague:
                    raise AlreadyTaken(state.staff_name)
            bodies: list[EventBody] = [ev.HandoffAccepted(staff=staff, name=name)]
            if (open_one := state.open_proposal(self._clock())) is not None:
                bodies.insert(0, ev.ActionDeclined(proposal=open_one.proposal, why="handed_over"))
            return bodies

        return await self._decide(conversation, decide)

    async def reply(
        self, conversation: ConversationId, *, staff: StaffId, name: str, message: str, text: str
    ) -> list[Event]:
        """Write to the shopper, as the person who has the conversation.

        Raises:
            AlreadyTaken: Somebody else has it: two people never answer unknowingly.
            ConversationNotFound: Nobody has taken it over yet.
        """

        def decide(state: Conversation, _: list[Event]) -> Sequence[EventBody]:
            self._must_hold(state, staff)
            if message in state.messages:
                return ()
            return (ev.ReplySent(message=message, staff=staff, name=name, text=text),)

        return await self._decide(conversation, decide)

    async def note(self, conversation: ConversationId, *, staff: StaffId, text: str) -> list[Event]:
        """Write for colleagues only."""
        return await self._decide(conversation, lambda _s, _e: (ev.NoteAdded(staff=staff, text=text),))

    async def hand_back(self, conversation: ConversationId, *, staff: StaffId, note: str = "") -> list[Event]:
        """Give the conversation back to the assistant.

        Raises:
            AlreadyTaken, ConversationNotFound: As in :meth:`reply`.
        """

        def decide(state: Conversation, _: list[Event]) -> Sequence[EventBody]:
            self._must_hold(state, staff)
            return (ev.HandoffReturned(staff=staff, note=note),)

        return await self._decide(conversation, decide)

    @staticmethod
    def _must_hold(state: Conversation, staff: StaffId) -> None:
        if state.mode != "staff":
            raise ConversationNotFound("take it over first")
        if state.staff != staff:
            raise AlreadyTaken(state.staff_name)

    async def _decide(self, conversation: ConversationId, decide: Decision) -> list[Event]:
        for _ in range(ATTEMPTS):
            events = await self._log.read(conversation)
            if not events:
                raise ConversationNotFound(conversation)
            state = fold(conversation, events)
            bodies = decide(state, events)
            if not bodies:
                return []
            try:
                return await self._log.append(conversation, bodies, expected=state.head)
            except SeqConflict as conflict:
                last = conflict
        raise last
