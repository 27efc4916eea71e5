"""The arguments of each change to an order, checked before anything is read or written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, ValidationError

from agent.errors import ActionNotAllowed
from agent.shop.port import ActionKind, OrderAction

Reason = Annotated[str, Field(max_length=500)]
Short = Annotated[str, Field(max_length=120)]
Needed = Annotated[str, Field(min_length=1, max_length=120)]


def _once_each(lines: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(lines)) != len(lines):
        raise ValueError("a line occurs twice")
    return lines


class Arguments(BaseModel):
    """Base: frozen, spaces around texts dropped, unknown arguments refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True
    )


class CancelArguments(Arguments):
    """Of ``cancel``."""

    reason: Reason = ""


class ReturnArguments(Arguments):
    """Of ``return``: all that is still open of each line goes back."""

    lines: Annotated[tuple[StrictInt, ...], Field(min_length=1), AfterValidator(_once_each)]
    reason: Reason = ""
    """A code of ``ShopRules.return_free_reasons``, or the shopper's words."""


class ExchangeArguments(ReturnArguments):
    """Of ``exchange``: all that is still open of each line, for ``sku``."""

    sku: Needed


class AddressArguments(Arguments):
    """Of ``change_address``: the whole new address."""

    recipient: Needed
    line1: Needed
    line2: Short = ""
    city: Needed
    region: Short = ""
    postal_code: Needed
    country: Needed
    """ISO code, or the country's name in English or Chinese."""


_KINDS: Final[Mapping[ActionKind, type[Arguments]]] = {
    "cancel": CancelArguments,
    "return": ReturnArguments,
    "exchange": ExchangeArguments,
    "change_address": AddressArguments,
}


def parse(action: OrderAction) -> Arguments:
    """The typed arguments of ``action``.

    Raises:
        ActionNotAllowed: ``unknown_action``, ``unknown_argument``, ``address_incomplete``, or
            ``arguments_invalid`` for everything else that is wrong.
    """
    kind = _KINDS.get(action.kind)
    if kind is None:
        raise ActionNotAllowed("unknown_action")
    try:
        return kind.model_validate(dict(action.arguments))
    except ValidationError as error:
        problems = error.errors()
    types = {problem["type"] for problem in problems}
    if "extra_forbidden" in types:
        raise ActionNotAllowed("unknown_argument")
    if kind is AddressArguments and any(
        problem["type"] in ("missing", "string_too_short") or problem.get("input") is None
        for problem in problems
    ):
        raise ActionNotAllowed("address_incomplete")
    raise ActionNotAllowed("arguments_invalid")


def fingerprint(action: OrderAction) -> str:
    """SHA-256 of the action's canonical JSON: sorted keys, no spaces, UTF-8.

    Taken over what was asked for, before defaults are filled in.
    """
    canonical = json.dumps(
        {"arguments": dict(action.arguments), "kind": action.kind, "order": action.order},
        sort_keys=True,
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return hashlib.sha256(canonical.encode()).hexdigest()
