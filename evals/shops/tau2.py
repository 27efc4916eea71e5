"""tau2-bench's retail shop behind the product's ports.

How its world is told in ours:

- ``pending`` is ``paid``, also after its items were modified, ``processed`` is ``packed`` with a
  parcel label, ``delivered`` and ``cancelled`` are themselves; ``return requested`` and
  ``exchange requested`` are ``delivered`` with a return or an exchange.
- Every item is an order line of its own, ``sku`` is the item id, ``variant`` its options.
- The database holds no dates. A user's orders are listed oldest first; they are given dates a
  week apart up to ``NOW``, so that "my last order" means what it means there.
- ``cancel`` needs one of the two reasons of the policy; reasons that the product's reader knows by
  code, or words that contain them, are told in those.
- ``exchange`` is an exchange of a delivered order and, since the policy allows it there too, a
  change of items of a pending one. Either is possible once.
- Money always moves by the order's original payment method.

What the product's four actions cannot say: a refund or a price difference by another payment
method, several items for different variants in one exchange, another payment of an order, the
default address of a user.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

from agent.errors import ActionNotAllowed
from agent.ids import CustomerId, Language, OrderId
from agent.shop.arguments import (
    AddressArguments,
    Arguments,
    CancelArguments,
    ExchangeArguments,
    ReturnArguments,
)
from agent.shop.countries import country_code
from agent.shop.port import (
    ActionKind,
    ActionResult,
    Address,
    Customer,
    Eligibility,
    ExchangeChoice,
    Order,
    OrderLine,
    OrderState,
    Refund,
    Return,
    Shipment,
)
from evals.benchmarks.report import DataInvalid
from evals.shops.memory import MemoryShop, both
from evals.shops.tau2_tools import (
    MODIFIED,
    Db,
    ToolRefused,
    Values,
    cancel_pending_order,
    exchange_delivered_order_items,
    modify_pending_order_address,
    modify_pending_order_items,
    original_payment,
    return_delivered_order_items,
)
from evals.world import Snapshot
from retrieval.passages import Document, Section

NAME: Final = "tau2"
POLICY: Final = "tau2-retail"
NOW: Final = datetime(2024, 5, 15, 17, tzinfo=UTC)
"""When conversations take place; the set itself names no day."""
APART: Final = timedelta(days=7)
"""Between two orders of a user."""
UNDERWAY: Final = timedelta(days=4)
"""From an order to its delivery, or to its cancellation."""

_STATES: Final[Mapping[str, OrderState]] = {
    "pending": "paid",
    MODIFIED: "paid",
    "processed": "packed",
    "delivered": "delivered",
    "return requested": "delivered",
    "exchange requested": "delivered",
    "cancelled": "cancelled",
}
_METHODS: Final = {"credit_card": "card", "paypal": "paypal", "gift_card": "gift card"}
_CODES: Final = {"not_needed": "no longer needed", "by_mistake": "ordered by mistake"}
_WORDS: Final = (
    ("ordered by mistake", re.compile(r"mistake|accident|下错|拍错|买错", re.IGNORECASE)),
    (
        "no longer need",
        re.compile(r"no longer|(?:don'?t|do not) need|changed? my mind|不需要|不想要", re.IGNORECASE),
    ),
)

_WHY_NOT: Final[Mapping[str, tuple[str, str, str]]] = {
    "pending": ("not_delivered_yet", "This order has not been delivered yet", "该订单尚未送达"),
    MODIFIED: ("items_modified", "The items of this order were already changed", "该订单的商品已修改过"),
    "processed": ("already_processed", "This order is already being processed", "该订单已在处理中"),
    "delivered": ("already_delivered", "This order has already been delivered", "该订单已送达"),
    "cancelled": ("already_cancelled", "This order has already been cancelled", "该订单已取消"),
    "return requested": (
        "already_returned",
        "A return of this order is already requested",
        "该订单已申请退货",
    ),
    "exchange requested": (
        "already_exchanged",
        "An exchange of this order is already requested",
        "该订单已申请换货",
    ),
}
_SO: Final[Mapping[ActionKind, tuple[str, str]]] = {
    "cancel": ("so it can't be cancelled.", "无法取消。"),
    "return": ("so nothing can be returned.", "无法退货。"),
    "exchange": ("so nothing can be exchanged.", "无法换货。"),
    "change_address": ("so its address can't be changed.", "无法修改地址。"),
}
_MAY: Final[Mapping[ActionKind, dict[Language, str]]] = {
    "cancel": both(
        "The order is pending, so it can be cancelled. The total goes back to the original payment method, "
        "at once for a gift card, otherwise in 5 to 7 business days.",
        "订单待处理，可以取消。款项原路退回：礼品卡立即到账，其他方式 5 至 7 个工作日。",
    ),
    "return": both(
        "These items can be returned. The refund goes to the original payment method.",
        "这些商品可以退货，退款原路退回。",
    ),
    "exchange": both(
        "Each item can be exchanged once for another available variant of the same product. The price "
        "difference is settled by the original payment method.",
        "每件商品可换一次同款的其他有货规格，差价按原支付方式结算。",
    ),
    "change_address": both(
        "The address can be changed while the order is pending.", "订单待处理时可以修改地址。"
    ),
}


class Tau2Shop(MemoryShop):
    """The shop over a database of its own.

    Args:
        db: Where it begins; never changed.
        clock: Now, UTC.
    """

    def __init__(self, db: Db, *, clock: Callable[[], datetime] = lambda: NOW) -> None:
        super().__init__()
        self._db = db
        self._clock = clock

    @property
    def db(self) -> Db:
        """The database as it is now."""
        return self._db

    def snapshot(self) -> Snapshot:
        """Every order by its number, every user by ``user/`` and the id, as the set has them."""
        return self._db.snapshot()

    def _people(self) -> Iterator[Customer]:
        for user in self._db.users.values():
            yield Customer(
                id=CustomerId(user["user_id"]),
                email=user["email"],
                name=_name(user),
                language="en",
                joined=date(NOW.year - 1, 1, 1),
                country=country_code(user["address"]["country"]) or user["address"]["country"],
            )

    def _numbers(self, customer: CustomerId) -> list[OrderId]:
        return [OrderId(number) for number in self._db.users.get(customer, {}).get("orders", ())]

    def _order(self, order: OrderId) -> Order | None:
        raw = self._db.orders.get(order)
        return None if raw is None else _told(raw, self._db)

    def _ruling(self, order: Order, action: ActionKind) -> Eligibility:
        raw = self._db.orders[order.id]
        status = raw["status"]
        possible = {"exchange": ("delivered", "pending"), "return": ("delivered",)}.get(action, ("pending",))
        if status not in possible:
            rule, en, zh = _WHY_NOT[status]
            so_en, so_zh = _SO[action]
            return Eligibility(action, False, rule, both(f"{en}, {so_en}", f"{zh}，{so_zh}"), POLICY)
        lines = tuple(line.line for line in order.lines) if action in ("return", "exchange") else ()
        choices: tuple[ExchangeChoice, ...] = ()
        if action == "exchange":
            choices = tuple(choice for line in order.lines for choice in self._choices(line))
            lines = tuple(line for line in lines if any(choice.line == line for choice in choices))
            if not lines:
                why = both("No other variant of these items is available.", "这些商品没有其他有货规格。")
                return Eligibility(action, False, "no_variant_in_stock", why, POLICY)
        return Eligibility(action, True, f"status_{status}", _MAY[action], POLICY, lines, None, choices)

    def _choices(self, line: OrderLine) -> Iterator[ExchangeChoice]:
        for item, variant in self._db.products[line.product]["variants"].items():
            if item != line.sku and variant["available"]:
                name = f"{_options(variant)}, ${variant['price']:.2f} ({item})"
                yield ExchangeChoice(line.line, item, both(name, name))

    def _change(self, order: Order, arguments: Arguments) -> ActionResult:
        raw = self._db.orders[order.id]
        try:
            match arguments:
                case CancelArguments():
                    return self._cancel(order, arguments)
                case ExchangeArguments():
                    return self._exchange(order, raw, arguments)
                case ReturnArguments():
                    self._db = return_delivered_order_items(
                        self._db,
                        order_id=order.id,
                        item_ids=[line.sku for line in _lines(order, arguments)],
                        payment_method_id=original_payment(raw),
                    )
                    return _result("RT", order, "Return", "is registered; you will get an e-mail about it.")
                case AddressArguments():
                    self._db = modify_pending_order_address(
                        self._db, order_id=order.id, **_written(arguments)
                    )
                    return _result("AC", order, "Address change", "is done.")
                case _:
                    raise ActionNotAllowed("unknown_action")
        except ToolRefused as refused:
            raise ActionNotAllowed(refused.rule) from refused

    def _cancel(self, order: Order, arguments: CancelArguments) -> ActionResult:
        if not arguments.reason:
            raise ActionNotAllowed("reason_needed")
        self._db = cancel_pending_order(self._db, order_id=order.id, reason=policy_reason(arguments.reason))
        return _result("CA", order, "Cancellation", "is done.", refund=order.total)

    def _exchange(self, order: Order, raw: Values, arguments: ExchangeArguments) -> ActionResult:
        lines = _lines(order, arguments)
        if any(line.sku == arguments.sku for line in lines):
            raise ActionNotAllowed("not_another_variant")
        tool = exchange_delivered_order_items if raw["status"] == "delivered" else modify_pending_order_items
        self._db = tool(
            self._db,
            order_id=order.id,
            item_ids=[line.sku for line in lines],
            new_item_ids=[arguments.sku for _ in lines],
            payment_method_id=original_payment(raw),
        )
        return _result("EX", order, "Exchange", "is registered.")


def policy_reason(reason: str) -> str:
    """A reason to cancel as the policy words it; what it does not know stays as it was said."""
    if reason in _CODES:
        return _CODES[reason]
    for wording, pattern in _WORDS:
        if pattern.search(reason):
            return "no longer needed" if wording == "no longer need" else wording
    return reason


def documents(folder: Path, db: Db) -> list[Document]:
    """The policy, and every product with its variants.

    Raises:
        DataInvalid: There is no readable ``policy.md`` in ``folder``.
    """
    file = folder / "policy.md"
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataInvalid(f"{file}: {error}") from error
    policy = Document(
        id="tau2/policy.en",
        source="policy.md",
        title="Shop policy",
        kind="policy",
        language="en",
        sections=_sections(text),
    )
    return [policy, *(_product(product) for product in db.products.values())]


def _product(product: Values) -> Document:
    variants = product["variants"].values()
    free = sum(variant["available"] for variant in variants)
    lines = [
        f"- {_options(variant)}: ${variant['price']:.2f}, "
        f"{'available' if variant['available'] else 'not available'} (item {variant['item_id']})"
        for variant in sorted(variants, key=lambda variant: variant["price"])
    ]
    lead = f"{product['name']}: {len(lines)} variants, {free} of them available. By price:"
    return Document(
        id=f"tau2/product/{product['product_id']}.en",
        source="db.json",
        title=product["name"],
        kind="product",
        language="en",
        sections=(Section(product["name"], "\n".join([lead, *lines])),),
        product=product["product_id"],
    )


def _sections(markdown: str) -> tuple[Section, ...]:
    parts = re.split(r"^#+\s*(.+)$", markdown, flags=re.MULTILINE)
    pairs = zip(["", *parts[1::2]], parts[0::2], strict=True)
    return tuple(Section(heading.strip(), text.strip()) for heading, text in pairs if text.strip())


def _name(user: Values) -> str:
    return f"{user['name']['first_name']} {user['name']['last_name']}"


def _options(values: Values) -> str:
    return ", ".join(values["options"].values())


def _told(raw: Values, db: Db) -> Order:
    """An order of the set as the product knows orders."""
    user = db.users[raw["user_id"]]
    placed = NOW - APART * (len(user["orders"]) - user["orders"].index(raw["order_id"]))
    paid = db.payment(raw["user_id"], original_payment(raw))
    gone = list(raw.get("return_items", ())) + list(raw.get("exchange_items", ()))
    lines = []
    for number, item in enumerate(raw["items"], 1):
        if back := item["item_id"] in gone:
            gone.remove(item["item_id"])
        lines.append(
            OrderLine(
                line=number,
                product=item["product_id"],
                sku=item["item_id"],
                title=both(item["name"], item["name"]),
                variant=_options(item),
                quantity=1,
                unit_price=_money(item["price"]),
                returned=int(back),
            )
        )
    return Order(
        id=OrderId(raw["order_id"]),
        customer=CustomerId(raw["user_id"]),
        state=_STATES[raw["status"]],
        placed_at=placed,
        currency="USD",
        total=sum((line.unit_price for line in lines), Decimal("0.00")),
        shipping=Decimal("0.00"),
        address=_place(raw, user),
        payment_method=_METHODS[paid["source"]],
        lines=tuple(lines),
        shipments=tuple(_shipments(raw, placed)),
        refunds=tuple(_refunds(raw, db, placed)),
        returns=tuple(_returns(raw, tuple(line.line for line in lines if line.returned))),
        cancelled_at=placed + UNDERWAY if raw["status"] == "cancelled" else None,
    )


def _place(raw: Values, user: Values) -> Address:
    address = raw["address"]
    return Address(
        recipient=_name(user),
        line1=address["address1"],
        line2=address["address2"],
        city=address["city"],
        region=address["state"],
        postal_code=address["zip"],
        country=country_code(address["country"]) or address["country"],
    )


def _shipments(raw: Values, placed: datetime) -> Iterator[Shipment]:
    arrived = _STATES[raw["status"]] == "delivered"
    for parcel in raw["fulfillments"]:
        for tracking in parcel["tracking_id"]:
            yield Shipment(
                carrier="the carrier",
                tracking_number=tracking,
                state="delivered" if arrived else "label_created",
                shipped_at=placed + timedelta(days=1) if arrived else None,
                expected=None,
                delivered_at=placed + UNDERWAY if arrived else None,
            )


def _refunds(raw: Values, db: Db, placed: datetime) -> Iterator[Refund]:
    for entry in raw["payment_history"]:
        if entry["transaction_type"] == "refund" and entry["amount"]:
            source = db.payment(raw["user_id"], entry["payment_method_id"])["source"]
            issued = placed + UNDERWAY
            yield Refund(
                amount=_money(entry["amount"]),
                method=_METHODS[source],
                issued_at=issued,
                settled_at=issued if source == "gift_card" else None,
                reason=raw.get("cancel_reason", ""),
            )


def _returns(raw: Values, lines: tuple[int, ...]) -> Iterator[Return]:
    number = raw["order_id"].lstrip("#")
    if raw["status"] == "return requested":
        yield Return(f"RT-{number}", "return", lines, "requested", "", NOW)
    elif raw["status"] == "exchange requested":
        wanted = "+".join(raw["exchange_new_items"])
        yield Return(f"EX-{number}", "exchange", lines, "requested", "", NOW, exchange_for=wanted)


def _lines(order: Order, arguments: ReturnArguments) -> list[OrderLine]:
    by_number = {line.line: line for line in order.lines}
    if any(number not in by_number for number in arguments.lines):
        raise ActionNotAllowed("no_such_line")
    return [by_number[number] for number in arguments.lines]


def _written(arguments: AddressArguments) -> dict[str, str]:
    """An address as the tools take it; the set has no recipients."""
    return {
        "address1": arguments.line1,
        "address2": arguments.line2,
        "city": arguments.city,
        "state": arguments.region,
        "country": "USA" if country_code(arguments.country) == "US" else arguments.country,
        "zip": arguments.postal_code,
    }


def _result(paper: str, order: Order, what: str, done: str, *, refund: Decimal | None = None) -> ActionResult:
    reference = f"{paper}-{order.id.lstrip('#')}"
    said = both(f"{what} {reference} {done}", f"{order.id}：{reference} 已完成登记。")
    return ActionResult(reference, said, refund)


def _money(amount: float) -> Decimal:
    return Decimal(str(amount)).quantize(Decimal("0.01"))
