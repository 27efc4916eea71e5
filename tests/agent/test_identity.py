"""Tokens: only what the shop signed, for us, and not expired."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import jwt
import pytest

from agent.errors import TokenRejected
from agent.identity import ConversationKeys, CustomerTokens
from agent.ids import ConversationId, CustomerId

SECRET = "a-secret-of-the-shop-that-is-long-enough"
NOW = datetime.now(UTC)


def test_a_token_the_shop_signed_names_its_customer() -> None:
    tokens = CustomerTokens(SECRET)
    assert tokens.verify(tokens.sign(CustomerId("C7"), now=NOW)) == "C7"


@pytest.mark.parametrize(
    ("claims", "key", "algorithm"),
    [
        ({"sub": "C7", "aud": "amends", "exp": NOW + timedelta(hours=1)}, "another-secret" * 3, "HS256"),
        ({"sub": "C7", "aud": "amends", "exp": NOW - timedelta(hours=1)}, SECRET, "HS256"),
        ({"sub": "C7", "aud": "somebody", "exp": NOW + timedelta(hours=1)}, SECRET, "HS256"),
        ({"sub": "C7", "aud": "amends"}, SECRET, "HS256"),
        ({"aud": "amends", "exp": NOW + timedelta(hours=1)}, SECRET, "HS256"),
        ({"sub": "C7", "aud": "amends", "exp": NOW + timedelta(hours=1)}, SECRET * 2, "HS512"),
        ({"sub": "C7", "aud": "amends", "exp": NOW + timedelta(hours=1)}, "", "none"),
    ],
    ids=[
        "other secret",
        "expired",
        "other audience",
        "no expiry",
        "no subject",
        "other algorithm",
        "unsigned",
    ],
)
def test_any_other_token_is_rejected(claims: dict[str, object], key: str, algorithm: str) -> None:
    token = jwt.encode(claims, key, algorithm=algorithm)
    with pytest.raises(TokenRejected):
        CustomerTokens(SECRET).verify(token)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "中文", "." * 5000])
def test_rubbish_is_rejected_and_not_repeated_in_the_message(token: str) -> None:
    with pytest.raises(TokenRejected) as caught:
        CustomerTokens(SECRET).verify(token)
    assert len(token) < 2 or token not in str(caught.value)


def test_a_conversation_key_is_no_customer_token_and_the_other_way_round() -> None:
    tokens, keys = CustomerTokens(SECRET), ConversationKeys(SECRET)
    with pytest.raises(TokenRejected):
        tokens.verify(keys.sign(ConversationId("conv_1")))
    with pytest.raises(TokenRejected):
        keys.verify(tokens.sign(CustomerId("C7"), now=NOW))
