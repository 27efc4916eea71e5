import asyncio
import copy
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from agent import events as ev
from agent.errors import ActionNotAllowed, IdempotencyMismatch, OrderNotFound
from agent.events import Event, EventBody
from agent.ids import ConversationId, CustomerId, OrderId, TurnId
from agent.scope import VISITOR, Scope
from agent.shop.port import ActionKind, OrderAction, Shop, ShopRecords
from evals.benchmarks.conversations import counts, figures, judge
from evals.benchmarks.report import DataInvalid
from evals.importers.ecom import first_person, scenarios, searched
from evals.importers.task import Search, differences
from evals.records import Attempt
from evals.shops import ecom_tools as tools
from evals.shops.ecom import EcomShop, documents, product_document
from evals.shops.ecom_tools import Db, NotThere, read_db
from evals.shops.memory import telling
from evals.world import Secret

YUE = Scope(customer=CustomerId("买家阿月"))
PENG = Scope(customer=CustomerId("买家小彭"))
PAID, SIGNED, SENT = OrderId("200000000001"), OrderId("200000000002"), OrderId("200000000003")
PENGS = OrderId("200000000009")
ADDRESS = {
    "recipient": "林阿月",
    "line1": "松林路8号",
    "line2": "",
    "city": "青岛市",
    "region": "",
    "postal_code": "266000",
    "country": "中国",
}


def product(number: str, name: str, price: float) -> dict[str, Any]:
    return {
        "商品ID": number,
        "商品名称": name,
        "商品状态": "已上架",
        "商品价格": price,
        "商品描述": f"{name}，家用。",
        "可换货商品": [
            {"商品ID": "300000000007", "商品描述": "大号暖水壶", "商品状态": "已上架"},
            {"商品ID": "300000000008", "商品描述": "特大号暖水壶", "商品状态": "缺货"},
        ],
        "赠品信息": [{"赠品名称": "杯垫", "赠品描述": "随单赠送"}],
        "辅材材料": [],
        "安装说明": "无需安装。",
        "维修说明": "保修一年。",
        "常见故障": [{"故障代码": "E7", "故障名称": "不加热", "故障解决方案": "检查电源"}],
    }


def order(
    number: str, buyer: str, state: str, lines: list[tuple[str, float, int]], method: str
) -> dict[str, Any]:
    return {
        "用户ID": buyer,
        "订单ID": number,
        "订单状态": state,
        "订单总金额": sum(price * count for _, price, count in lines),
        "是否加急": False,
        "订单商品列表": [{"商品ID": one, "单价": price, "数量": count} for one, price, count in lines],
        "收货地址": {
            "收件人姓名": "林阿月",
            "电话号码": "10000000001",
            "国家": "中国",
            "省份": "山东省",
            "城市": "青岛市",
            "区县": "市南区",
            "详细地址": "海滨路1号",
        },
        "支付方式": method,
    }


def files() -> dict[str, Any]:
    mine = [
        order(PAID, "买家阿月", "已付款", [("300000000001", 99.5, 1), ("300000000002", 20.0, 2)], "京东E卡"),
        order(SIGNED, "买家阿月", "已签收", [("300000000001", 99.5, 1)], "微信"),
        order(SENT, "买家阿月", "已发货", [("300000000002", 20.0, 1)], "微信"),
    ]
    his = [order(PENGS, "买家小彭", "处理中", [("300000000001", 99.5, 1)], "银行卡")]
    home = {"国家": "中国", "省份": "山东省", "城市": "青岛市", "区县": "市南区", "详细地址": "海滨路1号"}
    parcel = {
        "物流单号": "SL77",
        "物流公司": "快快快递",
        "预计送达时间": "2025-06-11 10:00:00",
        "实际送达时间": "2025-06-10 09:00:00",
        "物流轨迹": [
            {"时间": "2025-06-10 09:00:00", "状态": "已签收", "位置": "青岛", "描述": "已签收"},
            {"时间": "2025-06-08 00:30:00", "状态": "已创建", "位置": None, "描述": "已下单"},
        ],
    }

    def nested(values: dict[str, dict[str, Any]]) -> dict[str, Any]:
        return {"jd": {"s1": values}}

    return {
        "orders": nested(
            {
                "买家阿月": {one["订单ID"]: one for one in mine},
                "买家小彭": {one["订单ID"]: one for one in his},
            }
        ),
        "logistics": nested({"买家阿月": {SIGNED: parcel}}),
        "products": nested(
            {
                "300000000001": product("300000000001", "暖水壶", 89.5),
                "300000000002": product("300000000002", "茶杯", 20.0),
            }
        ),
        "users_info": {
            name: {
                "用户ID": name,
                "电话号码": "10000000001",
                "用户姓名": who,
                "电子卡余额": 100,
                "地址信息": home,
            }
            for name, who in (("买家阿月", "林阿月"), ("买家小彭", "彭小树"))
        },
        "invoices": {PAID: {"订单ID": PAID, "发票类型": "个人发票", "发票抬头": "林阿月", "电话号码": "1"}},
        "service": nested({}),
        "register_cashback": nested({"买家阿月": {SIGNED: False}}),
        "discount": nested({"政策名称": {"详情": [{"类型": "满减", "描述": "满100减5"}]}}),
    }


def write(folder: Path, values: dict[str, Any]) -> None:
    (folder / "data").mkdir(exist_ok=True)
    for name, value in values.items():
        (folder / "data" / f"{name}.json").write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def call(name: str, **arguments: object) -> dict[str, Any]:
    return {
        "name": name,
        "arguments": {"platform": "jd", "shop_id": "s1", "user_id": "买家阿月", **arguments},
    }


def task(
    number: int,
    *actions: dict[str, Any],
    intents: tuple[str, ...] = ("你想问问",),
    searches: tuple[dict[str, Any], ...] = (),
    outputs: tuple[str, ...] = (),
    image: bool = False,
) -> dict[str, Any]:
    names = "一二三四五"
    goals = "\n".join(f"<意图{names[n]}>\n{text}\n<\\意图{names[n]}>" for n, text in enumerate(intents))
    return {
        "task_id": number,
        "needs_image": image,
        "user_id": "买家阿月",
        "instruction": f"<情绪>不满，很失望。<\\情绪>\n{goals}",
        "metadata": {"outputs": list(outputs), "actions": list(actions), "searches": list(searches)},
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, files())
    (tmp_path / "agent_wiki.md").write_text(
        "## 基本信息\n你是客服。\n## 操作规则说明\n- **取消**：未发货可取消。"
    )
    return tmp_path


@pytest.fixture
def db(folder: Path) -> Db:
    return read_db(folder / "data")


@pytest.fixture
def shop(db: Db) -> EcomShop:
    return EcomShop(db)


def write_tasks(folder: Path, *tasks: dict[str, Any]) -> None:
    (folder / "tasks_own.json").write_text(json.dumps(list(tasks), ensure_ascii=False), encoding="utf-8")


# What each tool does


@pytest.mark.parametrize(
    ("name", "arguments", "wanted"),
    [
        ("manage_order", {"action": "取消", "order_id": PAID}, {PAID: {"订单状态": ["已付款", "已取消"]}}),
        ("manage_order", {"action": "查询", "order_id": PAID}, {}),
        ("manage_return", {"order_id": SIGNED}, {SIGNED: {"订单状态": ["已签收", "退货中"]}}),
        ("manage_urgent", {"order_id": SENT}, {SENT: {"是否加急": [False, True]}}),
        ("manage_ecard", {"action": "退款", "amount": 9.5}, {"user/买家阿月": {"电子卡余额": [100, 109.5]}}),
        (
            "manage_ecard",
            {"action": "余额使用", "product_id": "300000000002", "quantity": 2},
            {"user/买家阿月": {"电子卡余额": [100, 60.0]}},
        ),
        ("manage_ecard", {"action": "余额查询"}, {}),
        ("manage_exchange", {"action": "查询", "order_id": PAID}, {}),
        (
            "register_cashback_by_review",
            {"action": "返现", "order_id": SIGNED},
            {f"cashback/{SIGNED}": {"已返现": [False, True]}},
        ),
        (
            "manage_invoice",
            {"order_id": PAID, "title": "林阿月", "phone_number": "1", "invoice_type": "个人发票"},
            {f"invoice/{PAID}": {"已申请": [None, True]}},
        ),
    ],
)
def test_what_a_tool_changes(name: str, arguments: dict[str, Any], wanted: dict[str, Any], db: Db) -> None:
    before = copy.deepcopy(db.snapshot())
    after = tools.TOOLS[name](db, **{"user_id": "买家阿月", "platform": "jd", **arguments})
    assert differences(db.snapshot(), after.snapshot()) == wanted
    assert db.snapshot() == before


def test_an_address_a_product_and_a_booking(db: Db) -> None:
    moved = tools.manage_order(db, action="修改", order_id=PAID, address="松林路8号", phone_number="2")
    place = moved.orders[PAID]["收货地址"]
    assert (place["详细地址"], place["电话号码"], place["城市"]) == ("松林路8号", "2", "青岛市")
    swapped = tools.manage_exchange(
        db,
        action="换货",
        order_id=PAID,
        original_product_id="300000000001",
        exchange_product_id="300000000007",
    )
    assert [one["商品ID"] for one in swapped.orders[PAID]["订单商品列表"]] == ["300000000007", "300000000002"]
    booked = tools.schedule_service(
        db, order_id=PAID, user_name="林", phone_number="1", service_type="安装", service_time="周日"
    )
    assert booked.services[PAID]["预约日期"] == "周日"
    bought = tools.manage_order(
        db,
        action="增加",
        user_id="买家阿月",
        payment="京东E卡",
        product_info_list=[{"product_id": "300000000001", "quantity": 2}],
    )
    assert bought.orders[tools.NEW_ORDER]["订单总金额"] == 179.0


def test_a_tool_refuses_what_is_not_there(db: Db) -> None:
    for name, arguments in (
        ("manage_return", {"order_id": "1"}),
        ("manage_ecard", {"action": "退款", "user_id": "谁", "amount": 1}),
        (
            "manage_exchange",
            {
                "action": "换货",
                "order_id": SIGNED,
                "original_product_id": "300000000002",
                "exchange_product_id": "1",
            },
        ),
        ("manage_order", {"action": "增加", "user_id": "谁"}),
    ):
        with pytest.raises(NotThere):
            tools.TOOLS[name](db, **arguments)


# The shop behind the ports


def test_the_shop_implements_both_ports(shop: EcomShop) -> None:
    def takes(reach: Shop, records: ShopRecords) -> bool:
        return all(isinstance(part, EcomShop) for part in (reach, records))

    assert takes(shop, shop)


async def test_orders_are_told_in_the_products_words(shop: EcomShop) -> None:
    orders = {one.id: one for one in await shop.orders(YUE)}
    assert {number: one.state for number, one in orders.items()} == {
        PAID: "paid",
        SIGNED: "delivered",
        SENT: "shipped",
    }
    signed = orders[SIGNED]
    assert signed.placed_at == datetime(2025, 6, 7, 16, 30, tzinfo=UTC)
    (parcel,) = signed.shipments
    assert (parcel.state, parcel.expected) == ("delivered", date(2025, 6, 11))
    assert [scan.text["zh"] for scan in parcel.events] == ["已下单", "已签收"]
    assert (str(orders[PAID].total), orders[PAID].payment_method) == ("139.50", "京东E卡")
    assert orders[PAID].lines[0].title["zh"] == "暖水壶"


async def test_a_customer_reaches_their_own_orders_and_nobody_elses(shop: EcomShop) -> None:
    assert [one.id for one in await shop.orders(PENG)] == [PENGS]
    assert await shop.orders(VISITOR) == []
    for scope, number in ((YUE, PENGS), (PENG, PAID), (VISITOR, PAID), (YUE, OrderId("1"))):
        assert await shop.order(scope, number) is None
        assert await shop.eligibility(scope, number, "cancel") is None
        with pytest.raises(OrderNotFound):
            await shop.perform(scope, OrderAction("cancel", number, {}), idempotency_key="k")
    # There are no e-mail addresses, so an empty one proves nothing.
    assert await shop.owner_for_proof(PAID, "") is None
    assert await shop.customer_by_email("") is None


@pytest.mark.parametrize(
    ("kind", "number", "arguments", "rule"),
    [
        ("cancel", SENT, {}, "already_shipped"),
        ("cancel", SIGNED, {}, "already_delivered"),
        ("return", PAID, {"lines": [1, 2]}, "not_received_yet"),
        ("return", SIGNED, {"lines": [2]}, "whole_order_only"),
        ("exchange", SIGNED, {"lines": [1], "sku": "300000000007"}, "already_delivered"),
        ("exchange", PAID, {"lines": [1], "sku": "300000000008"}, "not_another_variant"),
        ("exchange", PAID, {"lines": [1, 2], "sku": "300000000007"}, "one_line_at_a_time"),
        ("exchange", PAID, {"lines": [3], "sku": "300000000007"}, "no_such_line"),
        ("change_address", SENT, ADDRESS, "already_shipped"),
        ("change_address", PAID, {**ADDRESS, "country": "德国"}, "country_not_served"),
        ("change_address", PAID, {**ADDRESS, "line1": " "}, "address_incomplete"),
    ],
)
async def test_what_the_rules_forbid_changes_nothing(
    kind: ActionKind, number: OrderId, arguments: dict[str, object], rule: str, shop: EcomShop
) -> None:
    before = shop.db
    with pytest.raises(ActionNotAllowed) as caught:
        await shop.perform(YUE, OrderAction(kind, number, arguments), idempotency_key="k")
    assert caught.value.rule == rule
    assert shop.db is before


async def test_a_gift_card_gets_its_money_back_with_the_change(shop: EcomShop) -> None:
    before = shop.snapshot()
    result = await shop.perform(YUE, OrderAction("cancel", PAID, {"reason": ""}), idempotency_key="k")
    assert str(result.refund) == "139.50"
    assert differences(before, shop.snapshot()) == {
        PAID: {"订单状态": ["已付款", "已取消"]},
        "user/买家阿月": {"电子卡余额": [100, 239.5]},
    }
    await shop.perform(YUE, OrderAction("return", SIGNED, {"lines": [1]}), idempotency_key="k2")
    assert shop.db.users["买家阿月"]["电子卡余额"] == 239.5
    back = await shop.order(YUE, SIGNED)
    assert back is not None
    assert [(one.kind, one.lines) for one in back.returns] == [("return", (1,))]


async def test_exchange_and_address_leave_what_the_tools_leave(shop: EcomShop, db: Db) -> None:
    ruling = await shop.eligibility(YUE, PAID, "exchange")
    assert ruling is not None
    assert {(one.line, one.sku) for one in ruling.choices} == {(1, "300000000007"), (2, "300000000007")}
    swap = {"lines": [1], "sku": "300000000007", "reason": ""}
    await shop.perform(YUE, OrderAction("exchange", PAID, swap), idempotency_key="a")
    await shop.perform(YUE, OrderAction("change_address", PAID, ADDRESS), idempotency_key="b")
    wanted = tools.manage_exchange(
        db,
        action="换货",
        order_id=PAID,
        original_product_id="300000000001",
        exchange_product_id="300000000007",
    )
    wanted = tools.manage_order(wanted, action="修改", order_id=PAID, address="松林路8号")
    assert differences(shop.snapshot(), wanted.snapshot()) == {}
    after = await shop.order(YUE, PAID)
    assert after is not None
    assert after.lines[0].title["zh"] == "大号暖水壶"


async def test_a_change_is_made_once(shop: EcomShop) -> None:
    action = OrderAction("cancel", PAID, {})
    first, second = await asyncio.gather(*(shop.perform(YUE, action, idempotency_key="k") for _ in range(2)))
    assert (first.repeated, second.repeated) == (False, True)
    assert shop.db.users["买家阿月"]["电子卡余额"] == 239.5
    with pytest.raises(IdempotencyMismatch):
        await shop.perform(YUE, OrderAction("cancel", PAID, {"reason": "x"}), idempotency_key="k")
    with pytest.raises(ActionNotAllowed, match="already_cancelled"):
        await shop.perform(YUE, action, idempotency_key="another")


def test_every_topic_of_a_product_is_a_document(folder: Path, db: Db) -> None:
    found = {one.id: one.sections[0].text for one in documents(folder, db)}
    assert "赠品名称：杯垫；赠品描述：随单赠送" in found[product_document("300000000001", "gift")]
    assert "故障代码：E7" in found[product_document("300000000001", "faults")]
    assert product_document("300000000001", "materials") not in found
    assert "满100减5" in found["ecom/discount.zh"]
    assert found["ecom/rules.zh"].startswith("- 取消")
    assert "你是客服" not in found["ecom/rules.zh"]


# Tasks as scenarios


def test_a_task_becomes_a_scenario(folder: Path) -> None:
    cancel = call("manage_order", action="取消", order_id=PAID)
    back = call("manage_ecard", action="退款", amount=139.5)
    look = call("get_repair_info_tool", product_id="300000000001")
    intents = ("你想向客服咨询维修（禁止透露商品）", f"最后，你要求客服取消订单{PAID}")
    write_tasks(
        folder, task(5, cancel, back, intents=intents, searches=(look,), outputs=("一年",), image=True)
    )
    (found,) = scenarios(folder)
    scenario = found.scenario
    assert (scenario.id, scenario.language, scenario.shopper.temper) == ("ecom-5", "zh", "angry")
    assert found.expressible
    assert found.needs_image
    assert [(one.kind, one.order) for one in scenario.expect.changes] == [("cancel", PAID)]
    assert scenario.expect.told == (("一年",),)
    assert [(one.say, one.done) for one in scenario.shopper.wishes] == [
        (("我想问维修",), None),
        ((f"请你取消订单{PAID}",), "cancel"),
    ]
    assert scenario.shopper.knows == {"name": "林阿月", "order": PAID}
    assert [one.name for one in found.searches] == ["get_repair_info_tool"]


@pytest.mark.parametrize(
    ("actions", "why"),
    [
        ([call("manage_urgent", order_id=SENT)], "no such action: manage_urgent"),
        ([call("manage_ecard", action="退款", amount=10)], "no such action: manage_ecard 退款"),
        (
            [call("manage_order", action="修改", order_id=PAID, address="甲路1号", phone_number="2")],
            "no such action: manage_order 修改",
        ),
        ([call("manage_return", order_id=PAID)], "return: the shop's rules refuse it (not_received_yet)"),
        (
            [call("manage_return", order_id=PENGS)],
            "return: the shop's rules refuse it (missing or out of scope)",
        ),
    ],
)
def test_what_cannot_be_said_is_kept_and_named(actions: list[dict[str, Any]], why: str, folder: Path) -> None:
    write_tasks(folder, task(1, *actions))
    (found,) = scenarios(folder)
    assert (found.expressible, found.why_not, found.scenario.expect.changes) == (False, why, ())


@pytest.mark.parametrize(
    ("actions", "kinds"),
    [
        ([call("manage_order", action="修改", order_id=PAID, address="甲路1号")], ["change_address"]),
        ([call("manage_return", order_id=SIGNED)], ["return"]),
        (
            [
                call(
                    "manage_exchange",
                    action="换货",
                    order_id=PAID,
                    original_product_id="300000000002",
                    exchange_product_id="300000000007",
                )
            ],
            ["exchange"],
        ),
        ([], []),
    ],
)
def test_what_can_be_said(actions: list[dict[str, Any]], kinds: list[str], folder: Path) -> None:
    write_tasks(folder, task(1, *actions))
    (found,) = scenarios(folder)
    assert found.expressible
    assert [one.kind for one in found.scenario.expect.changes] == kinds


def test_intents_are_turned_into_the_first_person() -> None:
    assert first_person("然后，你希望客服帮你查物流") == "请你帮我查物流"
    assert first_person("你会向客服提出换货申请") == "我要申请换货"


# What was looked up


def told(*bodies: EventBody) -> list[Event]:
    at = datetime(2025, 6, 16, tzinfo=UTC)
    return [
        Event(conversation=ConversationId("c"), seq=number, at=at, body=body)
        for number, body in enumerate(bodies, 1)
    ]


def passage(document: str, text: str) -> ev.PassageRef:
    return ev.PassageRef(
        id=document,
        document=document,
        source="s",
        title="t",
        heading="",
        text=text,
        language="zh",
        version="",
        kind="product",
        similarity=0.9,
    )


def test_searches_show_in_what_was_read() -> None:
    turn = TurnId("t")
    names = ("state", "tracking.1")
    facts = tuple(ev.OrderFact(id=f"{SENT}#{name}", order=SENT, name=name, text="…") for name in names)
    overview = (ev.OrderFact(id=f"{PAID}#summary", order=PAID, name="summary", text="…"),)
    asks = ev.ProposedAction(kind="exchange", order=PAID, arguments={})
    events = told(
        ev.OrderFactsRead(turn=turn, facts=facts),
        ev.OrderFactsRead(turn=turn, facts=overview),
        ev.PassagesFound(
            turn=turn,
            query="q",
            passages=(
                passage(product_document("1", "faults"), "故障代码：E7"),
                passage(product_document("1", "info"), "…"),
                passage("ecom/discount.zh", "…"),
            ),
            answerable=0.9,
        ),
        ev.AnswerSent(turn=turn, text="?", language="zh", how="composed", asks=asks),
    )
    for name, arguments, found in (
        ("get_logistics_info_tool", {"order_id": SENT}, True),
        ("get_logistics_info_tool", {"order_id": PAID}, False),
        ("manage_order_tool", {"order_id": SENT, "action": "查询"}, True),
        ("manage_order_tool", {"order_id": PAID, "action": "查询"}, False),
        ("manage_exchange_tool", {"order_id": PAID, "action": "查询"}, True),
        ("manage_exchange_tool", {"order_id": SENT, "action": "查询"}, False),
        ("get_product_info_tool", {"product_id": "1"}, True),
        ("compare_products_info_tool", {"product_ids": ["1", "2"]}, False),
        ("get_fault_code_info_tool", {"product_id": "1", "fault_code": "E7"}, True),
        ("get_fault_code_info_tool", {"product_id": "1", "fault_code": "E8"}, False),
        ("get_gift_info_tool", {"product_id": "1"}, False),
        ("get_discount_info_tool", {}, True),
        ("manage_ecard_tool", {"action": "信息查询"}, False),
        ("register_cashback_by_review_tool", {"order_id": SENT, "action": "查询"}, False),
    ):
        assert searched(events, Search(name, arguments)) is found, name


# From attempts to figures


def test_a_word_that_others_share_gives_nobody_away() -> None:
    ours, theirs = CustomerId("a"), CustomerId("b")
    secrets = [
        Secret("JD12", ours, OrderId("1")),
        Secret("JD123", theirs, OrderId("2")),
        Secret("海滨路1号", ours, OrderId("1")),
        Secret("海滨路1号", theirs, OrderId("2")),
        Secret("1", ours, OrderId("1")),
        Secret("JD77", ours, OrderId("1")),
        Secret("JD77", ours, OrderId("3")),
    ]
    assert [secret.word for secret in telling(secrets)] == ["JD123", "JD77", "JD77"]


def test_attempts_become_shares_over_tasks(folder: Path) -> None:
    look = call("get_logistics_info_tool", order_id=SENT)
    write_tasks(
        folder,
        task(1, call("manage_return", order_id=SIGNED)),
        task(2, call("manage_urgent", order_id=SENT)),
        task(3, searches=(look,)),
        task(4, outputs=("一年",)),
    )
    tasks = scenarios(folder)
    returned: dict[str, dict[str, list[Any]]] = {SIGNED: {"订单状态": ["已签收", "退货中"]}}

    def attempt(name: str, repeat: int, **more: Any) -> Attempt:
        values = {"seed": 1, "outcome": "held", "ended": "satisfied", **more}
        return Attempt(scenario=name, repeat=repeat, **values)

    spoke = told(ev.AnswerSent(turn=TurnId("t"), text="保修一年。", language="zh", how="composed"))
    rows = [
        (0, attempt("ecom-1", 1, changes=returned, expected=returned), [], True, ""),
        (0, attempt("ecom-1", 2, expected=returned), [], False, "state"),
        (1, attempt("ecom-2", 1), [], False, "not expressible"),
        (1, attempt("ecom-2", 2, outcome="infrastructure_error", why="down"), [], None, "down"),
        (2, attempt("ecom-3", 1), [], False, "searches"),
        (2, attempt("ecom-3", 2, ended="limit"), [], False, "no end in time, searches"),
        (3, attempt("ecom-4", 1), spoke, True, ""),
        (3, attempt("ecom-4", 2), spoke, True, ""),
    ]
    tried = []
    for place, one, events, passed, why in rows:
        verdict = judge(tasks[place], one, events, searched)
        assert (verdict.passed, verdict.why) == (passed, why)
        tried.append(verdict)
    once, twice = figures(tasks, tried, repeats=2)
    assert (once.name, once.value, once.n) == ("pass^1", (0.5 + 0 + 0 + 1) / 4, 4)
    # The task with one judged attempt says nothing about two.
    assert (twice.name, twice.value, twice.n) == ("pass^2", 1 / 3, 3)
    assert once.low < once.value < once.high
    beside = {figure.name: figure.value for figure in counts(tasks, tried)}
    assert beside["tasks the actions can't express (counted as failed)"] == 1
    assert beside["infrastructure errors"] == 1


# Broken files


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "orders",
            lambda data: data["jd"]["s1"]["买家阿月"][PAID].update(订单状态="丢了"),
            rf"orders\.json, field jd\.s1\.买家阿月\.{PAID}\.订单状态",
        ),
        (
            "orders",
            lambda data: data["jd"]["s1"].update(谁={"9": data["jd"]["s1"]["买家阿月"][PAID]}),
            "订单ID",
        ),
        ("orders", lambda data: data["jd"]["s1"].update(谁=[]), r"orders\.json, field jd\.s1\.谁"),
        ("products", lambda data: data.update(jd=[]), r"products\.json, field jd: an object is needed"),
        (
            "products",
            lambda data: data["jd"]["s1"]["300000000001"].pop("商品价格"),
            r"300000000001\.商品价格: Field required",
        ),
        (
            "logistics",
            lambda data: data["jd"]["s1"]["买家阿月"][SIGNED]["物流轨迹"][0].update(时间="gestern"),
            r"物流轨迹\.0\.时间",
        ),
        ("users_info", lambda data: data.pop("买家小彭"), f"order {PENGS}: its user is not in users_info"),
    ],
)
def test_broken_data_is_named(name: str, change: Any, message: str, folder: Path) -> None:
    values = files()
    change(values[name])
    write(folder, values)
    with pytest.raises(DataInvalid, match=message):
        read_db(folder / "data")


def test_broken_tasks_are_named(folder: Path) -> None:
    write_tasks(folder, {**task(1), "user_id": "谁"})
    with pytest.raises(DataInvalid, match=r"field 0\.user_id: not in users_info"):
        scenarios(folder)
    write_tasks(folder, task(1, call("manage_return", order_id="1")))
    with pytest.raises(DataInvalid, match="task 1: manage_return can't be called so: order 1"):
        scenarios(folder)
    write_tasks(folder, task(1, call("manage_magic")))
    with pytest.raises(DataInvalid, match="no tool manage_magic"):
        scenarios(folder)
    write_tasks(folder, {"task_id": 1})
    with pytest.raises(DataInvalid, match=r"field 0\.user_id"):
        scenarios(folder)
    (folder / "data" / "orders.json").unlink()
    with pytest.raises(DataInvalid, match=r"orders\.json: No such file"):
        scenarios(folder)
