"""What can go wrong in a turn, as one small tree.

AmendsError
├── LogError
│   ├── SeqConflict            somebody else appended first; read again and decide
│   ├── ConversationNotFound   missing, or not yours: the two look alike
│   └── LogUnavailable         the database does not answer, or the disk is full
├── ShopError
│   ├── ShopUnavailable        the shop's platform does not answer
│   ├── OrderNotFound          missing, or out of scope: the two look alike
│   ├── ActionNotAllowed       the shop's rules say no (any more)
│   └── IdempotencyMismatch    a key came back with other arguments
├── GateError
│   └── ConfirmationRefused    unknown, expired, already answered, or not this shopper's
├── ModelError
│   ├── ModelUnavailable       not reachable, or it broke off
│   ├── ModelTimeout           no first token, or no end, in time
│   └── ModelRejected          the request itself is wrong (too long, unknown model)
├── IdentityError
│   └── TokenRejected          a signed token that does not verify
└── MailError                  the message could not be handed over

Every error has a stable ``code``, says whether the same call may be ``retryable``, and
carries a ``safe`` sentence that may be shown to a shopper. Messages never contain tokens,
headers, or what a shopper wrote.
"""

from __future__ import annotations

from typing import ClassVar


class AmendsError(Exception):
    """Base of every error this project raises on purpose."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False
    safe: ClassVar[str] = "Something went wrong on our side. A person can help you."


class LogError(AmendsError):
    """The conversation log refused or failed."""

    code = "log"


class SeqConflict(LogError):
    """An append named a ``seq`` that is no longer the head."""

    code = "log.seq_conflict"
    retryable = True

    def __init__(self, conversation: str, expected: int, head: int) -> None:
        super().__init__(f"{conversation}: expected head {expected}, found {head}")
        self.expected = expected
        self.head = head


class ConversationNotFound(LogError):
    """No such conversation, or it belongs to somebody else."""

    code = "log.not_found"
    safe = "This conversation was not found."


class LogUnavailable(LogError):
    """The database behind the log does not answer or cannot write."""

    code = "log.unavailable"
    retryable = True


class ShopError(AmendsError):
    """The shop refused or failed."""

    code = "shop"


class ShopUnavailable(ShopError):
    """The shop's platform does not answer."""

    code = "shop.unavailable"
    retryable = True
    safe = "The order system does not answer at the moment."


class OrderNotFound(ShopError):
    """No such order, or it is not this shopper's."""

    code = "shop.order_not_found"
    safe = "I can't find that order among yours."


class ActionNotAllowed(ShopError):
    """The shop's rules do not allow the change (any more)."""

    code = "shop.not_allowed"
    safe = "The shop's rules don't allow this change."

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


class IdempotencyMismatch(ShopError):
    """An idempotency key was used again with other arguments."""

    code = "shop.idempotency_mismatch"


class GateError(AmendsError):
    """The write gate refused."""

    code = "gate"


class ConfirmationRefused(GateError):
    """The confirmation is unknown, expired, already answered, or somebody else's."""

    code = "gate.confirmation_refused"
    safe = "This confirmation is no longer valid. Please ask again."


class ModelError(AmendsError):
    """The language model failed."""

    code = "model"


class ModelUnavailable(ModelError):
    """The model's server cannot be reached or broke off."""

    code = "model.unavailable"
    retryable = True


class ModelTimeout(ModelError):
    """The model did not begin, or did not finish, in time."""

    code = "model.timeout"
    retryable = True


class ModelRejected(ModelError):
    """The model's server says the request is wrong."""

    code = "model.rejected"


class IdentityError(AmendsError):
    """Who is asking could not be established."""

    code = "identity"


class TokenRejected(IdentityError):
    """A signed token does not verify, or has expired."""

    code = "identity.token_rejected"
    safe = "Your sign-in has expired. Please reload the page."


class MailError(AmendsError):
    """A message could not be handed to the mail system."""

    code = "mail"
    retryable = True
