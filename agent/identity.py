"""Who the shopper is: from a token the shop's own site signed, and from nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta

import jwt

from agent.errors import TokenRejected
from agent.ids import ConversationId, CustomerId

CUSTOMER_AUDIENCE = "amends"
KEY_AUDIENCE = "amends-conversation"


class CustomerTokens:
    """HS256 tokens by which the shop's page says which customer is signed in.

    Claims: ``sub`` the customer's id, ``aud`` ``amends``, ``exp``.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def sign(self, customer: CustomerId, *, now: datetime, valid: timedelta = timedelta(hours=12)) -> str:
        """What the shop's site does after its own sign-in; the demo shop page uses it."""
        claims = {"sub": customer, "aud": CUSTOMER_AUDIENCE, "iat": now, "exp": now + valid}
        return jwt.encode(claims, self._secret, algorithm="HS256")

    def verify(self, token: str) -> CustomerId:
        """Return the customer.

        Raises:
            TokenRejected: Bad signature, other algorithm or audience, expired, no subject.
        """
        return CustomerId(_subject(token, self._secret, CUSTOMER_AUDIENCE, require=["sub", "exp"]))


class ConversationKeys:
    """Keys by which a browser that reconnects shows that a conversation is its own."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def sign(self, conversation: ConversationId) -> str:
        """Return the key for a conversation; it does not expire by itself."""
        return jwt.encode({"sub": conversation, "aud": KEY_AUDIENCE}, self._secret, algorithm="HS256")

    def verify(self, key: str) -> ConversationId:
        """Return the conversation the key is for.

        Raises:
            TokenRejected: It is not a key of ours.
        """
        return ConversationId(_subject(key, self._secret, KEY_AUDIENCE, require=["sub"]))


def _subject(token: str, secret: str, audience: str, *, require: list[str]) -> str:
    try:
        claims = jwt.decode(
            token, secret, algorithms=["HS256"], audience=audience, options={"require": require}
        )
    except jwt.PyJWTError as error:
        raise TokenRejected(type(error).__name__) from None
    return str(claims["sub"])
