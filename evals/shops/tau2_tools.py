"""What tau2-bench's retail tools do to its database, as functions from one database to the next.

Written from the set's policy and the shape of its data (Barres et al. 2025, tau2-bench, arXiv
2506.07982). A database is never changed in place: a tool returns a new one that shares all it
left alone, so that a copy costs nothing and "unchanged" is "the same object".

Some refusals are left to the policy, as in the set itself: its tools change the address of a
pending order also after its items were modified, and exchange an item for the same one. The
shop (``evals.shops.tau2``) holds to the policy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evals.benchmarks.report import DataInvalid
from evals.importers.task import invalid, read_json
from evals.world import Snapshot

Values = Mapping[str, Any]

REASONS: Final = ("no longer needed", "ordered by mistake")
"""The only reasons to cancel."""
MODIFIED: Final = "pending (item modified)"
USER: Final = "user/"
"""Prefix of a user's key in a snapshot."""


class ToolRefused(Exception):
    """A tool does not do this; ``rule`` is a stable code."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


@dataclass(frozen=True)
class Db:
    """The whole database; what its mappings hold is never changed in place."""

    products: Mapping[str, Values]
    users: Mapping[str, Values]
    orders: Mapping[str, Values]

    def order(self, order_id: str) -> Values:
        """An order; raises ``ToolRefused``."""
        return _found(self.orders, order_id, "no_such_order")

    def user(self, user_id: str) -> Values:
        """A user; raises ``ToolRefused``."""
        return _found(self.users, user_id, "no_such_user")

    def payment(self, user_id: str, payment_method_id: str) -> Values:
        """A user's payment method; raises ``ToolRefused``."""
        return _found(self.user(user_id)["payment_methods"], payment_method_id, "no_such_payment_method")

    def snapshot(self) -> Snapshot:
        """What a task can change: orders, and users with their addresses and gift cards."""
        return {**self.orders, **{f"{USER}{name}": user for name, user in self.users.items()}}


def _found(values: Mapping[str, Any], key: str, rule: str) -> Values:
    if key not in values:
        raise ToolRefused(rule)
    found: Values = values[key]
    return found


def _with_order(db: Db, order: Values, **fields: object) -> Db:
    return replace(db, orders={**db.orders, order["order_id"]: {**order, **fields}})


def _with_user(db: Db, user: Values, **fields: object) -> Db:
    return replace(db, users={**db.users, user["user_id"]: {**user, **fields}})


def _credit(db: Db, user_id: str, payment_method_id: str, amount: float) -> Db:
    """Add ``amount`` US dollars to a gift card; other methods keep no balance."""
    method = db.payment(user_id, payment_method_id)
    if method["source"] != "gift_card":
        return db
    user = db.user(user_id)
    card = {**method, "balance": round(method["balance"] + amount, 2)}
    return _with_user(db, user, payment_methods={**user["payment_methods"], payment_method_id: card})


def _affordable(db: Db, user_id: str, payment_method_id: str, amount: float) -> None:
    method = db.payment(user_id, payment_method_id)
    if method["source"] == "gift_card" and method["balance"] < amount:
        raise ToolRefused("gift_card_balance")


def _entry(kind: Literal["payment", "refund"], amount: float, payment_method_id: str) -> dict[str, object]:
    return {"transaction_type": kind, "amount": amount, "payment_method_id": payment_method_id}


def _contains(order: Values, item_ids: Sequence[str]) -> None:
    if Counter(item_ids) - Counter(item["item_id"] for item in order["items"]):
        raise ToolRefused("no_such_item")


def _needs(order: Values, status: str) -> None:
    if order["status"] != status:
        raise ToolRefused(f"not_{status}")


def _swaps(db: Db, order: Values, item_ids: Sequence[str], new_item_ids: Sequence[str]) -> list[Values]:
    """The wanted variants, one for each item."""
    _contains(order, item_ids)
    if len(item_ids) != len(new_item_ids) or not item_ids:
        raise ToolRefused("items_do_not_pair")
    product = {item["item_id"]: item["product_id"] for item in order["items"]}
    wanted = []
    for old, new in zip(item_ids, new_item_ids, strict=True):
        variants = db.products[product[old]]["variants"]
        if new not in variants:
            raise ToolRefused("not_another_variant")
        if not variants[new]["available"]:
            raise ToolRefused("out_of_stock")
        wanted.append(variants[new])
    return wanted


def _difference(order: Values, item_ids: Sequence[str], wanted: Sequence[Values]) -> float:
    """What the wanted variants cost more, in US dollars to the cent."""
    price = {item["item_id"]: item["price"] for item in order["items"]}
    pairs = zip(item_ids, wanted, strict=True)
    return round(sum(float(variant["price"]) - float(price[old]) for old, variant in pairs), 2)


def cancel_pending_order(db: Db, *, order_id: str, reason: str) -> Db:
    """Cancel, and refund every payment to where it came from; a gift card has it at once."""
    order = db.order(order_id)
    _needs(order, "pending")
    if reason not in REASONS:
        raise ToolRefused("reason_not_acceptable")
    history = list(order["payment_history"])
    refunds = [_entry("refund", paid["amount"], paid["payment_method_id"]) for paid in history]
    for paid in history:
        db = _credit(db, order["user_id"], paid["payment_method_id"], paid["amount"])
    return _with_order(
        db, order, status="cancelled", cancel_reason=reason, payment_history=[*history, *refunds]
    )


def modify_pending_order_items(
    db: Db, *, order_id: str, item_ids: Sequence[str], new_item_ids: Sequence[str], payment_method_id: str
) -> Db:
    """Change items to other variants of the same products, once; the difference is paid at once."""
    order = db.order(order_id)
    _needs(order, "pending")
    wanted = _swaps(db, order, item_ids, new_item_ids)
    if any(old == new for old, new in zip(item_ids, new_item_ids, strict=True)):
        raise ToolRefused("not_another_variant")
    difference = _difference(order, item_ids, wanted)
    _affordable(db, order["user_id"], payment_method_id, difference)
    db = _credit(db, order["user_id"], payment_method_id, -difference)
    items = [dict(item) for item in order["items"]]
    for old, variant in zip(item_ids, wanted, strict=True):
        item = next(item for item in items if item["item_id"] == old)
        item |= {"item_id": variant["item_id"], "price": variant["price"], "options": variant["options"]}
    entry = _entry("payment" if difference > 0 else "refund", abs(difference), payment_method_id)
    return _with_order(
        db, order, status=MODIFIED, items=items, payment_history=[*order["payment_history"], entry]
    )


def modify_pending_order_address(
    db: Db, *, order_id: str, address1: str, address2: str, city: str, state: str, country: str, zip: str
) -> Db:
    """Send a pending order somewhere else."""
    order = db.order(order_id)
    if not order["status"].startswith("pending"):
        raise ToolRefused("not_pending")
    return _with_order(db, order, address=_address(address1, address2, city, state, country, zip))


def modify_pending_order_payment(db: Db, *, order_id: str, payment_method_id: str) -> Db:
    """Pay a pending order in another way; what was paid goes back to where it came from."""
    order = db.order(order_id)
    if not order["status"].startswith("pending"):
        raise ToolRefused("not_pending")
    history = list(order["payment_history"])
    if len(history) != 1 or history[0]["transaction_type"] != "payment":
        raise ToolRefused("not_one_payment")
    amount, old = history[0]["amount"], history[0]["payment_method_id"]
    if old == payment_method_id:
        raise ToolRefused("same_payment_method")
    _affordable(db, order["user_id"], payment_method_id, amount)
    db = _credit(db, order["user_id"], payment_method_id, -amount)
    db = _credit(db, order["user_id"], old, amount)
    entries = [_entry("payment", amount, payment_method_id), _entry("refund", amount, old)]
    return _with_order(db, order, payment_history=[*history, *entries])


def modify_user_address(
    db: Db, *, user_id: str, address1: str, address2: str, city: str, state: str, country: str, zip: str
) -> Db:
    """Change a user's default address; orders keep theirs."""
    return _with_user(db, db.user(user_id), address=_address(address1, address2, city, state, country, zip))


def return_delivered_order_items(
    db: Db, *, order_id: str, item_ids: Sequence[str], payment_method_id: str
) -> Db:
    """Ask for a return; the refund goes to the original payment method or to a gift card."""
    order = db.order(order_id)
    _needs(order, "delivered")
    method = db.payment(order["user_id"], payment_method_id)
    if method["source"] != "gift_card" and payment_method_id != original_payment(order):
        raise ToolRefused("not_the_original_payment_method")
    _contains(order, item_ids)
    return _with_order(
        db,
        order,
        status="return requested",
        return_items=sorted(item_ids),
        return_payment_method_id=payment_method_id,
    )


def exchange_delivered_order_items(
    db: Db, *, order_id: str, item_ids: Sequence[str], new_item_ids: Sequence[str], payment_method_id: str
) -> Db:
    """Ask for an exchange; the price difference is noted and settled when the items come back."""
    order = db.order(order_id)
    _needs(order, "delivered")
    wanted = _swaps(db, order, item_ids, new_item_ids)
    difference = _difference(order, item_ids, wanted)
    _affordable(db, order["user_id"], payment_method_id, difference)
    return _with_order(
        db,
        order,
        status="exchange requested",
        exchange_items=sorted(item_ids),
        exchange_new_items=sorted(new_item_ids),
        exchange_payment_method_id=payment_method_id,
        exchange_price_difference=difference,
    )


def original_payment(order: Values) -> str:
    """The id of the payment method that an order was paid with."""
    first: str = order["payment_history"][0]["payment_method_id"]
    return first


def _address(
    address1: str, address2: str, city: str, state: str, country: str, zip_code: str
) -> dict[str, str]:
    return {
        "address1": address1,
        "address2": address2,
        "city": city,
        "country": country,
        "state": state,
        "zip": zip_code,
    }


TOOLS: Final[Mapping[str, Callable[..., Db]]] = {
    tool.__name__: tool
    for tool in (
        cancel_pending_order,
        modify_pending_order_items,
        modify_pending_order_address,
        modify_pending_order_payment,
        modify_user_address,
        return_delivered_order_items,
        exchange_delivered_order_items,
    )
}
"""The tools that write. Every other tool of the set leaves the database as it is."""


# ---- reading ---------------------------------------------------------------------------------


class _Shape(BaseModel):
    """What is looked at is checked; what else is there stays as it is."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Variant(_Shape):
    item_id: str
    options: dict[str, str]
    available: bool
    price: float


class _Product(_Shape):
    name: str
    product_id: str
    variants: dict[str, _Variant]


class _Place(_Shape):
    address1: str
    address2: str
    city: str
    country: str
    state: str
    zip: str


class _Name(_Shape):
    first_name: str
    last_name: str


class _Method(_Shape):
    source: Literal["gift_card", "paypal", "credit_card"]
    id: str
    balance: float = 0.0


class _User(_Shape):
    user_id: str
    name: _Name
    address: _Place
    email: str
    payment_methods: dict[str, _Method]
    orders: list[str]


class _Item(_Shape):
    name: str
    product_id: str
    item_id: str
    price: float
    options: dict[str, str]


class _Parcel(_Shape):
    tracking_id: list[str]
    item_ids: list[str]


class _Entry(_Shape):
    transaction_type: Literal["payment", "refund"]
    amount: float
    payment_method_id: str


class _Order(_Shape):
    order_id: str
    user_id: str
    address: _Place
    items: list[_Item] = Field(min_length=1)
    status: Literal["pending", "processed", "delivered", "cancelled"]
    fulfillments: list[_Parcel]
    payment_history: list[_Entry] = Field(min_length=1)


class _File(_Shape):
    products: dict[str, _Product]
    users: dict[str, _User]
    orders: dict[str, _Order]


def read_db(file: Path) -> Db:
    """Read a ``db.json``.

    Raises:
        DataInvalid: It is not that; the message names the field.
    """
    values = read_json(file)
    try:
        checked = _File.model_validate(values)
    except ValidationError as error:
        raise invalid(file, error) from error
    for name, order in checked.orders.items():
        if order.order_id != name or name not in getattr(checked.users.get(order.user_id), "orders", ()):
            raise DataInvalid(f"{file}, field orders.{name}: it is not among the orders of its user")
        for place, item in enumerate(order.items):
            if item.product_id not in checked.products:
                raise DataInvalid(f"{file}, field orders.{name}.items.{place}.product_id: no such product")
        for place, entry in enumerate(order.payment_history):
            if entry.payment_method_id not in checked.users[order.user_id].payment_methods:
                raise DataInvalid(
                    f"{file}, field orders.{name}.payment_history.{place}.payment_method_id: not the user's"
                )
    return Db(values["products"], values["users"], values["orders"])
