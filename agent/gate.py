"""The write gate: nothing changes an order except through here.

A change is first proposed: the gate issues a one-time confirmation bound to the customer
(or the proven order), the order, the action, its exact arguments and the policy version.
Only the shopper's own click, or a whole message that is exactly a word of consent, answers
it. The shop then does it once: the proposal's id is the idempotency key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta

from agent import events as ev
from agent.conversation import Conversation
from agent.errors import ActionNotAllowed, ConfirmationRefused, OrderNotFound, ShopError, ShopUnavailable
from agent.ids import Language, ProposalId, TurnId, new_id
from agent.shop.port import Eligibility, OrderAction, Shop

LIFETIME = timedelta(minutes=15)
"""How long a shopper may think; long enough to find glasses, short enough that the order
has not moved on."""


def arguments_hash(action: ev.ProposedAction) -> str:
    """SHA-256 of the action's canonical JSON: what was shown is what is done."""
    canonical = json.dumps(
        action.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


class WriteGate:
    """Issues confirmations, checks answers, and lets a confirmed change through once."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def propose(
        self,
        conversation: Conversation,
        *,
        turn: TurnId,
        action: OrderAction,
        eligibility: Eligibility,
        summary: str,
    ) -> ev.ActionProposed:
        """Issue a one-time confirmation for ``action``.

        Raises:
            OrderNotFound: The shopper has proven neither to be the customer nor the order.
            ActionNotAllowed: ``eligibility`` says no.
        """
        scope = conversation.scope
        if scope.customer is None and action.order not in scope.orders:
            raise OrderNotFound(action.order)
        if not eligibility.allowed:
            raise ActionNotAllowed(eligibility.rule)
        proposed = ev.ProposedAction(kind=action.kind, order=action.order, arguments=dict(action.arguments))
        return ev.ActionProposed(
            proposal=ProposalId(new_id("prop")),
            turn=turn,
            action=proposed,
            arguments_hash=arguments_hash(proposed),
            policy_version=eligibility.policy_version,
            customer=scope.customer,
            summary=summary,
            expires_at=self._clock() + LIFETIME,
        )

    def check(
        self, conversation: Conversation, proposal: ProposalId, *, arguments_hash: str
    ) -> ev.ActionProposed:
        """Return the proposal if this shopper may answer it now.

        Raises:
            ConfirmationRefused: Unknown here, answered before, expired, for other
                arguments, or bound to somebody else.
        """
        known = conversation.proposals.get(proposal)
        if known is None or known.state != "open":
            raise ConfirmationRefused("unknown or answered before")
        body = known.body
        if body.arguments_hash != arguments_hash:
            raise ConfirmationRefused("other arguments")
        if body.expires_at <= self._clock():
            raise ConfirmationRefused("expired")
        if not self._still_bound(conversation, body):
            raise ConfirmationRefused("bound to somebody else")
        return body

    async def perform(
        self, conversation: Conversation, proposal: ev.ActionProposed, shop: Shop, *, turn: TurnId
    ) -> ev.ActionDone | ev.ActionFailed:
        """Carry out a confirmed proposal; running it again changes nothing more."""
        known = conversation.proposals.get(proposal.proposal)
        stored = known.body if known else None
        if (
            known is None
            or stored is None
            or known.state != "confirmed"
            or arguments_hash(stored.action) != stored.arguments_hash
            or not self._still_bound(conversation, stored)
        ):
            return ev.ActionFailed(proposal=proposal.proposal, turn=turn, code=ConfirmationRefused.code)
        action = OrderAction(
            kind=stored.action.kind, order=stored.action.order, arguments=stored.action.arguments
        )
        try:
            eligibility = await shop.eligibility(conversation.scope, action.order, action.kind)
            if eligibility is not None and eligibility.policy_version != stored.policy_version:
                return ev.ActionFailed(proposal=stored.proposal, turn=turn, code="gate.policy_changed")
            result = await shop.perform(
                conversation.scope, action, idempotency_key=f"{conversation.id}:{stored.proposal}"
            )
        except ShopUnavailable as error:
            # It may have happened before the shop fell silent. The key makes asking again safe.
            return ev.ActionFailed(proposal=stored.proposal, turn=turn, code=error.code, unknown=True)
        except ShopError as error:
            return ev.ActionFailed(proposal=stored.proposal, turn=turn, code=error.code)
        language: Language = conversation.language
        return ev.ActionDone(
            proposal=stored.proposal,
            turn=turn,
            order=action.order,
            kind=action.kind,
            reference=result.reference,
            text=result.explanation[language],
            refund=None if result.refund is None else str(result.refund),
        )

    @staticmethod
    def _still_bound(conversation: Conversation, proposal: ev.ActionProposed) -> bool:
        if proposal.customer is not None:
            return conversation.scope.customer == proposal.customer
        return proposal.action.order in conversation.scope.orders
