"""What a shop's own site does after its own sign-in: sign who the customer is.

    AMENDS_SHOP__TOKEN_SECRET=... python examples/sign_token.py C-10001

The secret is the one the server has in ``shop.token_secret``: at least 32 bytes, never in a page.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta

import jwt


def customer_token(customer: str, secret: str, *, valid: timedelta = timedelta(hours=1)) -> str:
    """Return what goes into the widget's ``data-token`` for this customer."""
    now = datetime.now(UTC)
    claims = {"sub": customer, "aud": "amends", "iat": now, "exp": now + valid}
    return jwt.encode(claims, secret, algorithm="HS256")


if __name__ == "__main__":
    if len(sys.argv) != 2 or not os.environ.get("AMENDS_SHOP__TOKEN_SECRET"):
        sys.exit("usage: AMENDS_SHOP__TOKEN_SECRET=... python examples/sign_token.py CUSTOMER")
    print(customer_token(sys.argv[1], os.environ["AMENDS_SHOP__TOKEN_SECRET"]))
