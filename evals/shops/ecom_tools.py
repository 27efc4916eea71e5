"""What ECom-Bench's writing tools do to its data, as functions from one state to the next.

Written from the set's ``agent_wiki.md`` and the shape of its data (arXiv 2507.05639). As with the
set's own tools, what an action may be done to is left to the rules, which the shop
(``evals.shops.ecom``) holds to; a tool only refuses what it can't find.

Amounts are yuan. State words that the data does not show (``已取消``, ``退货中``) are ours; both
sides of a comparison use them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from evals.benchmarks.report import DataInvalid
from evals.importers.task import invalid, read_json
from evals.world import Snapshot

Values = Mapping[str, Any]

CANCELLED: Final = "已取消"
RETURNING: Final = "退货中"
ECARD: Final = "京东E卡"
NEW_ORDER: Final = "1234567890"
"""The number that the set gives every order made in a conversation."""


class NotThere(Exception):
    """A tool is called for an order, a user or a product that does not exist."""


@dataclass(frozen=True)
class Db:
    """All data of one shop; what its mappings hold is never changed in place."""

    orders: Mapping[str, Values]
    logistics: Mapping[str, Values]
    products: Mapping[str, Values]
    users: Mapping[str, Values]
    invoices: Mapping[str, Values]
    services: Mapping[str, Values]
    cashback: Mapping[str, bool]
    discount: Any

    def order(self, order_id: str) -> Values:
        """An order; raises ``NotThere``."""
        if order_id not in self.orders:
            raise NotThere(f"order {order_id}")
        return self.orders[order_id]

    def snapshot(self) -> Snapshot:
        """What a task can change, each under a key of its own."""
        return {
            **self.orders,
            **{f"user/{key}": value for key, value in self.users.items()},
            **{f"invoice/{key}": value for key, value in self.invoices.items()},
            **{f"service/{key}": value for key, value in self.services.items()},
            **{f"cashback/{key}": {"已返现": value} for key, value in self.cashback.items()},
        }


def _with_order(db: Db, order: Values, **fields: object) -> Db:
    return replace(db, orders={**db.orders, order["订单ID"]: {**order, **fields}})


def manage_order(
    db: Db,
    *,
    action: str,
    user_id: str = "",
    order_id: str = "",
    address: str = "",
    phone_number: str = "",
    payment: str = "",
    product_info_list: Sequence[Values] = (),
    **_: object,
) -> Db:
    """Cancel an order, change its address or phone number, or place one. Looking changes nothing."""
    if action == "取消":
        return _with_order(db, db.order(order_id), 订单状态=CANCELLED)
    if action == "修改":
        order = db.order(order_id)
        place = dict(order["收货地址"])
        place |= {"详细地址": address} if address else {}
        place |= {"电话号码": phone_number} if phone_number else {}
        return _with_order(db, order, 收货地址=place)
    if action == "增加":
        return _place(db, user_id, payment, product_info_list)
    return db


def _place(db: Db, user_id: str, payment: str, wanted: Sequence[Values]) -> Db:
    if user_id not in db.users:
        raise NotThere(f"user {user_id}")
    lines, total = [], 0.0
    for item in wanted:
        product = db.products.get(item["product_id"])
        if product is None:
            raise NotThere(f"product {item['product_id']}")
        price = product["商品价格"]
        lines.append({"商品ID": item["product_id"], "单价": price, "数量": item["quantity"]})
        total += price * item["quantity"]
    user = db.users[user_id]
    order = {
        "用户ID": user_id,
        "订单ID": NEW_ORDER,
        "订单状态": "已付款",
        "订单总金额": round(total, 2),
        "是否加急": False,
        "订单商品列表": lines,
        "收货地址": {"收件人姓名": user["用户姓名"], "电话号码": user["电话号码"], **user["地址信息"]},
        "支付方式": payment,
    }
    return replace(db, orders={**db.orders, NEW_ORDER: order})


def manage_return(db: Db, *, order_id: str, **_: object) -> Db:
    """Register the return of an order."""
    return _with_order(db, db.order(order_id), 订单状态=RETURNING)


def manage_exchange(
    db: Db,
    *,
    action: str,
    order_id: str,
    original_product_id: str = "",
    exchange_product_id: str = "",
    **_: object,
) -> Db:
    """Put another product in the place of one; its price stays. Looking changes nothing."""
    if action != "换货":
        return db
    order = db.order(order_id)
    if all(item["商品ID"] != original_product_id for item in order["订单商品列表"]):
        raise NotThere(f"product {original_product_id} in order {order_id}")
    items = [
        {**item, "商品ID": exchange_product_id} if item["商品ID"] == original_product_id else item
        for item in order["订单商品列表"]
    ]
    return _with_order(db, order, 订单商品列表=items)


def manage_ecard(
    db: Db,
    *,
    action: str,
    user_id: str,
    amount: float = 0.0,
    product_id: str = "",
    quantity: int = 1,
    **_: object,
) -> Db:
    """Pay back to, or pay with, the balance of a user's gift card. Looking changes nothing."""
    if user_id not in db.users:
        raise NotThere(f"user {user_id}")
    if action == "退款":
        change = amount
    elif action == "余额使用":
        if product_id not in db.products:
            raise NotThere(f"product {product_id}")
        change = -db.products[product_id]["商品价格"] * quantity
    else:
        return db
    user = db.users[user_id]
    balance = round(user["电子卡余额"] + change, 2)
    return replace(db, users={**db.users, user_id: {**user, "电子卡余额": balance}})


def manage_urgent(db: Db, *, order_id: str, **_: object) -> Db:
    """Mark an order as urgent."""
    return _with_order(db, db.order(order_id), 是否加急=True)


def schedule_service(
    db: Db,
    *,
    order_id: str,
    user_name: str,
    phone_number: str,
    service_type: str,
    service_time: str,
    **_: object,
) -> Db:
    """Book an installation or a repair."""
    booked = {
        "服务类型": service_type,
        "订单ID": order_id,
        "电话号码": phone_number,
        "用户姓名": user_name,
        "预约日期": service_time,
    }
    return replace(db, services={**db.services, order_id: booked})


def manage_invoice(
    db: Db, *, order_id: str, title: str, phone_number: str, invoice_type: str, **_: object
) -> Db:
    """Make out an invoice. That it was asked for is kept too: the data holds equal ones already."""
    invoice = {
        "订单ID": order_id,
        "发票类型": invoice_type,
        "发票抬头": title,
        "电话号码": phone_number,
        "已申请": True,
    }
    return replace(db, invoices={**db.invoices, order_id: invoice})


def register_cashback_by_review(db: Db, *, action: str, order_id: str, **_: object) -> Db:
    """Register a review's cashback. Looking changes nothing."""
    return replace(db, cashback={**db.cashback, order_id: True}) if action == "返现" else db


TOOLS: Final[Mapping[str, Callable[..., Db]]] = {
    tool.__name__: tool
    for tool in (
        manage_order,
        manage_return,
        manage_exchange,
        manage_ecard,
        manage_urgent,
        schedule_service,
        manage_invoice,
        register_cashback_by_review,
    )
}


# ---- reading ---------------------------------------------------------------------------------


class _Shape(BaseModel):
    """What is looked at is checked; what else is there stays as it is."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Line(_Shape):
    商品ID: str
    单价: float
    数量: int = Field(ge=1)


class _Place(_Shape):
    收件人姓名: str
    电话号码: str
    国家: str
    省份: str
    城市: str
    区县: str
    详细地址: str


State = Literal[
    "待付款", "已付款", "处理中", "已发货", "运输中", "已送达", "已签收", "已退货", "退货中", "已取消"
]


class _Order(_Shape):
    用户ID: str
    订单ID: str
    订单状态: State
    订单总金额: float
    订单商品列表: list[_Line] = Field(min_length=1)
    收货地址: _Place
    支付方式: str


class _Home(_Shape):
    国家: str
    省份: str
    城市: str
    区县: str
    详细地址: str


class _User(_Shape):
    用户ID: str
    电话号码: str
    用户姓名: str
    电子卡余额: float
    地址信息: _Home


class _Scan(_Shape):
    时间: datetime = Field(strict=False)
    位置: str | None = None
    描述: str


class _Parcel(_Shape):
    物流单号: str
    物流公司: str
    预计送达时间: datetime | None = Field(strict=False)
    实际送达时间: datetime | None = Field(strict=False)
    物流轨迹: list[_Scan]


class _Other(_Shape):
    商品ID: str
    商品描述: str
    商品状态: str


class _Product(_Shape):
    商品ID: str
    商品名称: str
    商品状态: str
    商品价格: float
    商品描述: str
    可换货商品: list[_Other]
    赠品信息: list[dict[str, Any]]
    辅材材料: list[dict[str, Any]]
    安装说明: str
    维修说明: str
    常见故障: list[dict[str, Any]]


_NESTED: Final[TypeAdapter[dict[str, dict[str, dict[str, dict[str, Any]]]]]] = TypeAdapter(
    dict[str, dict[str, dict[str, dict[str, Any]]]]
)


def read_db(folder: Path) -> Db:
    """Read a ``data`` folder: orders, logistics, products, users and what may be missing.

    Raises:
        DataInvalid: A file is missing or of another shape; the message names file and field.
    """
    orders = dict(_by_order(folder / "orders.json", _Order))
    products: dict[str, Values] = {}
    file = folder / "products.json"
    for platform, shops in _objects(file).items():
        for shop, shelf in _mapping(file, platform, shops).items():
            place = f"{platform}.{shop}"
            for name, product in _mapping(file, place, shelf).items():
                _check(file, f"{place}.{name}", product, _Product)
                products[name] = product
    users = _objects(folder / "users_info.json")
    for name, user in users.items():
        _check(folder / "users_info.json", name, user, _User)
    for name, order in orders.items():
        if order["订单ID"] != name:
            raise DataInvalid(f"{folder / 'orders.json'}, order {name}: its 订单ID is {order['订单ID']}")
        if order["用户ID"] not in users:
            raise DataInvalid(f"{folder / 'orders.json'}, order {name}: its user is not in users_info.json")
    return Db(
        orders=orders,
        logistics=dict(_by_order(folder / "logistics.json", _Parcel)),
        products=products,
        users=users,
        invoices=_objects(folder / "invoices.json"),
        services=dict(_by_order(folder / "service.json", _Shape)),
        cashback=dict(_by_order(folder / "register_cashback.json", None)),
        discount=_objects(folder / "discount.json"),
    )


def _objects(file: Path) -> dict[str, Any]:
    values = read_json(file)
    if not isinstance(values, dict):
        raise DataInvalid(f"{file}: an object is needed")
    return values


def _mapping(file: Path, place: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataInvalid(f"{file}, field {place}: an object is needed")
    return value


def _check(file: Path, place: str, value: object, shape: type[BaseModel]) -> None:
    try:
        shape.model_validate(value)
    except ValidationError as error:
        raise invalid(file, error, place) from error


def _by_order(file: Path, shape: type[BaseModel] | None) -> Iterator[tuple[str, Any]]:
    """The values of a file that is nested by platform, shop, user and order."""
    values = _objects(file)
    try:
        nested = _NESTED.validate_python(values)
    except ValidationError as error:
        raise invalid(file, error) from error
    seen: set[str] = set()
    for platform, shops in nested.items():
        for shop, users in shops.items():
            for user, orders in users.items():
                for number, value in orders.items():
                    place = f"{platform}.{shop}.{user}.{number}"
                    if number in seen:
                        raise DataInvalid(f"{file}, field {place}: this order number is there twice")
                    seen.add(number)
                    if shape is not None:
                        _check(file, place, value, shape)
                    yield number, value
