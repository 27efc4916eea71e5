"""ECom-Bench's Chinese shop behind the product's ports.

How its world is told in ours:

- ``待付款`` is ``placed``; ``已付款`` and ``处理中`` (both may still be cancelled) are ``paid``;
  ``已发货`` and ``运输中`` are ``shipped``; ``已送达`` and ``已签收`` are ``delivered``, so is
  ``退货中`` with a return; ``已退货`` is ``returned``.
- Times are Beijing's. An order is as old as its first scan; orders without one are a day old.
- ``cancel`` is ``manage_order`` 取消 and ``return`` is ``manage_return``; where the order was paid
  with a 京东E卡, its total goes back to the card by ``manage_ecard``, as the rules demand. A return
  is of the whole order, since that is all ``manage_return`` can say.
- ``exchange`` is ``manage_exchange`` 换货 of one line for a product of its list that is on sale;
  here that is possible until the order is sent, and not after delivery.
- ``change_address`` is ``manage_order`` 修改; the data has no postal codes, so the one given is
  not kept.

What the product's four actions cannot say: placing an order, paying with a card, a price
difference paid back, urgency, booking a service, invoices, cashback, another phone number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

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
    Return,
    Shipment,
    ShipmentState,
    TrackingEvent,
)
from evals.benchmarks.report import DataInvalid
from evals.shops.ecom_tools import (
    ECARD,
    RETURNING,
    Db,
    Values,
    manage_ecard,
    manage_exchange,
    manage_order,
    manage_return,
)
from evals.shops.memory import MemoryShop, both
from evals.world import Snapshot
from retrieval.passages import Document, Kind, Section

NAME: Final = "ecom"
POLICY: Final = "ecom-zh"
NOW: Final = datetime(2025, 6, 16, 4, tzinfo=UTC)
"""When conversations take place: the day after the last scan of the data."""
BEIJING: Final = ZoneInfo("Asia/Shanghai")
ON_SALE: Final = "已上架"
CHANGEABLE: Final = frozenset({"待付款", "已付款", "处理中"})
"""Orders that may be cancelled, changed and exchanged, by the rules."""
RETURNABLE: Final = frozenset({"已签收"})

_STATES: Final[Mapping[str, OrderState]] = {
    "待付款": "placed",
    "已付款": "paid",
    "处理中": "paid",
    "已发货": "shipped",
    "运输中": "shipped",
    "已送达": "delivered",
    "已签收": "delivered",
    RETURNING: "delivered",
    "已退货": "returned",
    "已取消": "cancelled",
}
_SCANS: Final[Mapping[str, ShipmentState]] = {
    "已签收": "delivered",
    "已送达": "delivered",
    "派送中": "out_for_delivery",
    "已揽收": "in_transit",
    "已出库": "in_transit",
    "运输中": "in_transit",
    "已到达": "in_transit",
}
_METHODS: Final = {"微信": "wechat_pay", "支付宝": "alipay", "银行卡": "card"}
_SO: Final[Mapping[ActionKind, tuple[str, str]]] = {
    "cancel": ("so it can't be cancelled.", "不能取消。"),
    "return": ("so it can't be returned.", "不能申请退货。"),
    "exchange": ("so nothing can be exchanged.", "不能换货。"),
    "change_address": ("so its address can't be changed.", "不能修改地址。"),
}
_MAY: Final[Mapping[ActionKind, dict[Language, str]]] = {
    "cancel": both(
        "The order has not been sent, so it can be cancelled; what was paid goes back.",
        "订单尚未发货，可以取消，款项原路退回。",
    ),
    "return": both(
        "The order has been received, so the whole of it can be returned.", "订单已签收，可以申请整单退货。"
    ),
    "exchange": both(
        "The order has not been sent, so a product can be exchanged for another of its list.",
        "订单尚未发货，可以换成可换货列表中的商品。",
    ),
    "change_address": both(
        "The address can be changed until the order is sent.", "订单发货前可以修改收货地址。"
    ),
}

TOPICS: Final[Mapping[str, str]] = {
    "info": "商品信息",
    "gift": "赠品信息",
    "materials": "辅材材料",
    "installation": "安装说明",
    "repair": "维修说明",
    "faults": "常见故障",
}
"""Documents of a product: short name and heading."""


class EcomShop(MemoryShop):
    """The shop over data of its own.

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
        """The data as it is now."""
        return self._db

    def snapshot(self) -> Snapshot:
        """Orders by number; users, invoices, services and cashback under ``user/`` and so on."""
        return self._db.snapshot()

    def _people(self) -> Iterator[Customer]:
        for name, user in self._db.users.items():
            yield Customer(
                id=CustomerId(name),
                email="",
                name=user["用户姓名"],
                language="zh",
                joined=date(NOW.year - 1, 1, 1),
                country="CN",
            )

    def _numbers(self, customer: CustomerId) -> list[OrderId]:
        return [OrderId(number) for number, raw in self._db.orders.items() if raw["用户ID"] == customer]

    def _order(self, order: OrderId) -> Order | None:
        raw = self._db.orders.get(order)
        return None if raw is None else _told(raw, self._db)

    def _ruling(self, order: Order, action: ActionKind) -> Eligibility:
        status = self._db.orders[order.id]["订单状态"]
        if status not in (RETURNABLE if action == "return" else CHANGEABLE):
            so_en, so_zh = _SO[action]
            why = both(f"The order's state is {status}, {so_en}", f"订单状态为“{status}”，{so_zh}")
            return Eligibility(action, False, _rule(action, order.state), why, POLICY)
        if action != "exchange":
            lines = tuple(line.line for line in order.lines) if action == "return" else ()
            return Eligibility(action, True, "state_allows", _MAY[action], POLICY, lines)
        choices = tuple(choice for line in order.lines for choice in self._choices(line))
        if not choices:
            why = both("Nothing of its list can be had at the moment.", "可换货列表中的商品目前都不可换。")
            return Eligibility(action, False, "no_variant_in_stock", why, POLICY)
        lines = tuple(dict.fromkeys(choice.line for choice in choices))
        return Eligibility(action, True, "state_allows", _MAY[action], POLICY, lines, None, choices)

    def _choices(self, line: OrderLine) -> Iterator[ExchangeChoice]:
        for other in self._db.products.get(line.product, {}).get("可换货商品", ()):
            if other["商品状态"] == ON_SALE:
                name = f"{other['商品描述']}（{other['商品ID']}）"
                yield ExchangeChoice(line.line, other["商品ID"], both(name, name))

    def _change(self, order: Order, arguments: Arguments) -> ActionResult:
        match arguments:
            case CancelArguments():
                paid = order.state != "placed"
                db = manage_order(self._db, action="取消", order_id=order.id)
                self._db = self._paid_back(db, order) if paid else db
                return _result("CA", order, "取消", refund=order.total if paid else None)
            case ExchangeArguments():
                return self._exchange(order, arguments)
            case ReturnArguments():
                if set(arguments.lines) != {line.line for line in order.lines}:
                    raise ActionNotAllowed("whole_order_only")
                self._db = self._paid_back(manage_return(self._db, order_id=order.id), order)
                return _result("RT", order, "退货")
            case AddressArguments():
                self._readdress(order, arguments)
                return _result("AC", order, "修改地址")
            case _:
                raise ActionNotAllowed("unknown_action")

    def _paid_back(self, db: Db, order: Order) -> Db:
        if order.payment_method != ECARD:
            return db
        total = self._db.orders[order.id]["订单总金额"]
        return manage_ecard(db, action="退款", user_id=order.customer, amount=total)

    def _exchange(self, order: Order, arguments: ExchangeArguments) -> ActionResult:
        if len(arguments.lines) != 1:
            raise ActionNotAllowed("one_line_at_a_time")
        line = next((line for line in order.lines if line.line == arguments.lines[0]), None)
        if line is None:
            raise ActionNotAllowed("no_such_line")
        if arguments.sku not in {choice.sku for choice in self._choices(line)}:
            raise ActionNotAllowed("not_another_variant")
        self._db = manage_exchange(
            self._db,
            action="换货",
            order_id=order.id,
            original_product_id=line.product,
            exchange_product_id=arguments.sku,
        )
        return _result("EX", order, "换货")

    def _readdress(self, order: Order, arguments: AddressArguments) -> None:
        if country_code(arguments.country) != "CN":
            raise ActionNotAllowed("country_not_served")
        raw = self._db.orders[order.id]
        place = {
            **raw["收货地址"],
            "收件人姓名": arguments.recipient,
            "城市": arguments.city,
            "省份": arguments.region or raw["收货地址"]["省份"],
            "区县": arguments.line2 or raw["收货地址"]["区县"],
            "详细地址": arguments.line1,
        }
        self._db = _with_place(self._db, order.id, place)


def _with_place(db: Db, order_id: str, place: Values) -> Db:
    changed = manage_order(db, action="修改", order_id=order_id, address=place["详细地址"])
    orders = {**changed.orders, order_id: {**changed.orders[order_id], "收货地址": dict(place)}}
    return Db(**{**vars(changed), "orders": orders})


def documents(folder: Path, db: Db) -> list[Document]:
    """The rules, the offers, and what there is to know about every product.

    Raises:
        DataInvalid: There is no readable ``agent_wiki.md`` in ``folder``.
    """
    file = folder / "agent_wiki.md"
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataInvalid(f"{file}: {error}") from error
    found = [
        _document("ecom/rules.zh", "操作规则", _rules(text), kind="policy"),
        _document("ecom/discount.zh", "优惠活动", _lines(db.discount), kind="policy"),
    ]
    for name, product in db.products.items():
        for topic, heading in TOPICS.items():
            body = _about(product) if topic == "info" else _lines(product[heading])
            if body:
                title = f"{product['商品名称']} {heading}"
                found.append(_document(product_document(name, topic), title, body, product=name))
    return found


def product_document(product: str, topic: str) -> str:
    """The id of a document about a product; ``topic`` is one of ``TOPICS``."""
    return f"ecom/product/{product}/{topic}.zh"


def _document(id: str, title: str, text: str, *, kind: Kind = "product", product: str = "") -> Document:
    return Document(
        id=id,
        source=id,
        title=title,
        kind=kind,
        language="zh",
        sections=(Section(title, text),),
        product=product,
    )


def _rules(wiki: str) -> str:
    """The rules of the operations; what tells an assistant who it is stays out."""
    _, mark, rest = wiki.partition("## 操作规则说明")
    return re.sub(r"[*`#]+", "", rest if mark else wiki).strip()


def _about(product: Values) -> str:
    others = "；".join(
        f"{other['商品描述']}（商品ID {other['商品ID']}，{other['商品状态']}）"
        for other in product["可换货商品"]
    )
    lines = [
        f"商品ID：{product['商品ID']}",
        f"商品名称：{product['商品名称']}",
        f"商品状态：{product['商品状态']}",
        f"商品价格：{product['商品价格']} 元",
        product["商品描述"],
        f"可换货商品：{others}" if others else "",
    ]
    return "\n".join(filter(None, lines))


def _lines(value: object) -> str:
    """Nested values as plain lines."""
    if isinstance(value, Mapping):
        leaves = [f"{key}：{item}" for key, item in value.items() if isinstance(item, str | int | float)]
        nested = [_lines(item) for item in value.values() if isinstance(item, Mapping | list)]
        return "\n".join(filter(None, ["；".join(leaves), *nested]))
    if isinstance(value, list):
        return "\n".join(_lines(item) for item in value)
    return str(value)


def _told(raw: Values, db: Db) -> Order:
    """An order of the set as the product knows orders."""
    parcel = db.logistics.get(raw["订单ID"])
    scans = sorted(_events(parcel), key=lambda event: event.at) if parcel else []
    placed = scans[0].at if scans else NOW - timedelta(days=1)
    lines = tuple(
        OrderLine(
            line=number,
            product=item["商品ID"],
            sku=item["商品ID"],
            title=both(_title(db, item["商品ID"]), _title(db, item["商品ID"])),
            variant=item["商品ID"],
            quantity=item["数量"],
            unit_price=_money(item["单价"]),
            returned=item["数量"] if raw["订单状态"] == RETURNING else 0,
        )
        for number, item in enumerate(raw["订单商品列表"], 1)
    )
    returns: tuple[Return, ...] = ()
    if raw["订单状态"] == RETURNING:
        whole = tuple(line.line for line in lines)
        returns = (Return(f"RT-{raw['订单ID']}", "return", whole, "requested", "", NOW),)
    place = raw["收货地址"]
    return Order(
        id=OrderId(raw["订单ID"]),
        customer=CustomerId(raw["用户ID"]),
        state=_STATES[raw["订单状态"]],
        placed_at=placed,
        currency="CNY",
        total=_money(raw["订单总金额"]),
        shipping=Decimal("0.00"),
        address=Address(
            recipient=place["收件人姓名"],
            line1=place["详细地址"],
            line2=place["区县"],
            city=place["城市"],
            region=place["省份"],
            postal_code="",
            country="CN",
        ),
        payment_method=str(_METHODS.get(raw["支付方式"], raw["支付方式"])),
        lines=lines,
        shipments=(_shipment(parcel, scans, raw),) if parcel else (),
        returns=returns,
    )


def _title(db: Db, product: str) -> str:
    """A product's name; of one that is only in another's list, its words there."""
    if product in db.products:
        return str(db.products[product]["商品名称"])
    for known in db.products.values():
        for other in known["可换货商品"]:
            if other["商品ID"] == product:
                return str(other["商品描述"])
    return product


def _events(parcel: Values) -> Iterator[TrackingEvent]:
    for scan in parcel["物流轨迹"]:
        yield TrackingEvent(
            at=_time(scan["时间"]), place=scan.get("位置") or "", text=both(scan["描述"], scan["描述"])
        )


def _shipment(parcel: Values, scans: list[TrackingEvent], raw: Values) -> Shipment:
    last: Values = max(parcel["物流轨迹"], key=lambda scan: _time(scan["时间"]), default={})
    state = _SCANS.get(last.get("状态") or last.get("status") or "", "label_created")
    arrived = parcel["实际送达时间"] if _STATES[raw["订单状态"]] == "delivered" else None
    expected = parcel["预计送达时间"]
    return Shipment(
        carrier=parcel["物流公司"],
        tracking_number=parcel["物流单号"],
        state="delivered" if arrived else state if state != "delivered" else "out_for_delivery",
        shipped_at=scans[0].at if scans and state != "label_created" else None,
        expected=_time(expected).astimezone(BEIJING).date() if expected else None,
        delivered_at=_time(arrived) if arrived else None,
        events=tuple(scans),
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BEIJING).astimezone(UTC)


def _rule(action: ActionKind, state: OrderState) -> str:
    if state in ("cancelled", "returned"):
        return f"already_{state}"
    if action == "return":
        return "not_received_yet" if state != "delivered" else "not_signed_for"
    return f"already_{state}"


def _result(paper: str, order: Order, what: str, *, refund: Decimal | None = None) -> ActionResult:
    reference = f"{paper}-{order.id}"
    said = both(f"{reference} is done.", f"订单 {order.id} 的{what}已登记，编号 {reference}。")
    return ActionResult(reference, said, refund)


def _money(amount: float) -> Decimal:
    return Decimal(str(amount)).quantize(Decimal("0.01"))
