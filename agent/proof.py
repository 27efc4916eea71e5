"""A visitor proves that an order is theirs: its number, its e-mail, and a one-time code.

The code goes to the order's own address. Whether number and e-mail fit is never told: both
outcomes are answered alike, and attempts are limited per conversation and per order.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import defaultdict, deque
from collections.abc import Callable
from datetime import datetime, timedelta

from agent import events as ev
from agent.conversation import Conversation
from agent.ids import Language, OrderId
from agent.mail import Mail, Mailer
from agent.shop.port import Shop
from agent.texts import text

LIFETIME = timedelta(minutes=10)
TRIES = 5
"""Wrong codes in a conversation before a person must help; a guess hits with 1 in 200,000."""
SENDS_PER_HOUR = 3
"""Codes per order and hour, so that nobody's mailbox can be flooded."""


class TooManyTries(Exception):
    """No more codes or guesses; a person must help."""


class OrderProof:
    """Sends and checks one-time codes."""

    def __init__(self, shop: Shop, mailer: Mailer, *, secret: str, clock: Callable[[], datetime]) -> None:
        self._shop = shop
        self._mailer = mailer
        self._secret = secret.encode()
        self._clock = clock
        self._sent: defaultdict[OrderId, deque[datetime]] = defaultdict(deque)

    async def send(
        self, state: Conversation, *, order: OrderId, email: str, language: Language
    ) -> ev.CodeSent:
        """Mail a code if ``email`` is the order's. The event is the same either way.

        Raises:
            TooManyTries: The limit of this conversation or this order is reached.
            ShopUnavailable, MailError: Nothing was sent; the shopper may ask again.
        """
        now = self._clock()
        recent = self._sent[order]
        while recent and recent[0] <= now - timedelta(hours=1):
            recent.popleft()
        if state.code_failures >= TRIES or len(recent) >= SENDS_PER_HOUR:
            raise TooManyTries
        code = f"{secrets.randbelow(1_000_000):06d}"
        if await self._shop.owner_for_proof(order, email) is not None:
            await self._mailer.send(
                Mail(
                    to=email,
                    subject=text("mail.code.subject", language, order=order),
                    text=text("mail.code.text", language, order=order, code=code, minutes=10),
                )
            )
        recent.append(now)
        # Without a match the code reaches nobody, so the stored hash opens nothing.
        return ev.CodeSent(order=order, code_hash=self._hash(state, order, code), expires_at=now + LIFETIME)

    def check(self, state: Conversation, code: str) -> OrderId | None:
        """Return the order that ``code`` proves, or ``None``.

        Raises:
            TooManyTries: Too many wrong codes in this conversation.
        """
        if state.code_failures >= TRIES:
            raise TooManyTries
        for order, expected, expires_at in reversed(state.codes):
            if expires_at > self._clock() and hmac.compare_digest(expected, self._hash(state, order, code)):
                return order
        return None

    def _hash(self, state: Conversation, order: OrderId, code: str) -> str:
        message = f"{state.id}\n{order}\n{code}".encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()
