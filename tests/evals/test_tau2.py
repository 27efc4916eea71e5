import asyncio
import copy
import json
from pathlib import Path
from typing import Any

import pytest

from agent.errors import ActionNotAllowed, IdempotencyMismatch, OrderNotFound
from agent.ids import CustomerId, OrderId
from agent.scope import VISITOR, Scope
from agent.shop.port import ActionKind, OrderAction, Shop, ShopRecords
from evals.benchmarks.report import DataInvalid
from evals.importers.task import differences
from evals.importers.tau2 import first_person, read_tasks, scenarios, wordings
from evals.shops import tau2_tools as tools
from evals.shops.memory import MemoryStage
from evals.shops.tau2 import NOW, Tau2Shop, documents, policy_reason
from evals.shops.tau2_tools import Db, ToolRefused, read_db
from evals.world import ReferenceInvalid, changes

ADA = Scope(customer=CustomerId("ada_quill_11"))
BO = Scope(customer=CustomerId("bo_reed_22"))
PENDING, DELIVERED, GIFTED = OrderId("#W1000001"), OrderId("#W1000002"), OrderId("#W1000003")
PROCESSED, OTHERS = OrderId("#W1000004"), OrderId("#W2000001")
ADDRESS = {
    "recipient": "Ada Quill",
    "line1": "7 Mill Row",
    "line2": "Unit 3",
    "city": "Dover",
    "region": "DE",
    "postal_code": "19901",
    "country": "United States",
}
PLACE = {"address1": "7 Mill Row", "address2": "Unit 3", "city": "Dover", "state": "DE", "country": "USA"} | {
    "zip": "19901"
}


def variant(item: str, price: float, *, available: bool = True, **options: str) -> dict[str, Any]:
    return {"item_id": item, "options": options, "available": available, "price": price}


LAMP = {
    "501": variant("501", 40.0, color="red", light="dim"),
    "502": variant("502", 55.5, color="blue", light="dim"),
    "503": variant("503", 30.0, color="blue", light="bright"),
    "504": variant("504", 35.0, available=False, color="green", light="dim"),
}
MUG = {"601": variant("601", 10.0, size="small"), "602": variant("602", 12.25, size="large")}


def item(name: str, product: str, chosen: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "product_id": product,
        "item_id": chosen["item_id"],
        "price": chosen["price"],
        "options": chosen["options"],
    }


def order(number: str, user: str, status: str, items: list[dict[str, Any]], method: str) -> dict[str, Any]:
    total = round(sum(one["price"] for one in items), 2)
    sent = [{"tracking_id": [f"99{number[-4:]}"], "item_ids": [one["item_id"] for one in items]}]
    return {
        "order_id": number,
        "user_id": user,
        "address": {**PLACE, "address1": "1 Old Lane"},
        "items": items,
        "status": status,
        "fulfillments": [] if status == "pending" else sent,
        "payment_history": [{"transaction_type": "payment", "amount": total, "payment_method_id": method}],
    }


def user(name: str, first: str, last: str, orders: list[str], methods: dict[str, Any]) -> dict[str, Any]:
    return {
        "user_id": name,
        "name": {"first_name": first, "last_name": last},
        "address": {**PLACE, "address1": "1 Old Lane"},
        "email": f"{first.lower()}@example.com",
        "payment_methods": methods,
        "orders": orders,
    }


def values() -> dict[str, Any]:
    red, blue, mug = (
        item("Lamp", "50", LAMP["501"]),
        item("Lamp", "50", LAMP["502"]),
        item("Mug", "60", MUG["601"]),
    )
    ada = [PENDING, DELIVERED, GIFTED, PROCESSED]
    methods = {
        "credit_card_1": {"source": "credit_card", "id": "credit_card_1", "brand": "visa"},
        "gift_card_1": {"source": "gift_card", "id": "gift_card_1", "balance": 5.0},
    }
    mine = {"paypal_9": {"source": "paypal", "id": "paypal_9"}}
    orders = [
        order(PENDING, "ada_quill_11", "pending", [red, mug], "credit_card_1"),
        order(DELIVERED, "ada_quill_11", "delivered", [red, mug, red], "credit_card_1"),
        order(GIFTED, "ada_quill_11", "pending", [mug], "gift_card_1"),
        order(PROCESSED, "ada_quill_11", "processed", [blue], "credit_card_1"),
        order(OTHERS, "bo_reed_22", "delivered", [blue], "paypal_9"),
    ]
    return {
        "products": {
            "50": {"name": "Lamp", "product_id": "50", "variants": LAMP},
            "60": {"name": "Mug", "product_id": "60", "variants": MUG},
        },
        "users": {
            "ada_quill_11": user("ada_quill_11", "Ada", "Quill", [str(one) for one in ada], methods),
            "bo_reed_22": user("bo_reed_22", "Bo", "Reed", [OTHERS], mine),
        },
        "orders": {one["order_id"]: one for one in orders},
    }


def call(name: str, **arguments: object) -> dict[str, Any]:
    return {"action_id": name, "name": name, "arguments": arguments, "info": None}


def task(id: str, *actions: dict[str, Any], told: list[str] | None = None, why: str = "") -> dict[str, Any]:
    return {
        "id": id,
        "user_scenario": {
            "instructions": {
                "task_instructions": "You are in a rush.",
                "domain": "retail",
                "reason_for_call": why or "You want to change your order.",
                "known_info": "You are Ada Quill in zip code 19901.",
                "unknown_info": None,
            }
        },
        "evaluation_criteria": {"actions": list(actions), "communicate_info": told or []},
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "db.json").write_text(json.dumps(values()), encoding="utf-8")
    (tmp_path / "policy.md").write_text("# Policy\n\nBe kind.\n\n## Returns\n\nDelivered orders only.\n")
    return tmp_path


@pytest.fixture
def db(folder: Path) -> Db:
    return read_db(folder / "db.json")


@pytest.fixture
def shop(db: Db) -> Tau2Shop:
    return Tau2Shop(db)


def write_tasks(folder: Path, *tasks: dict[str, Any]) -> None:
    (folder / "tasks_small.json").write_text(json.dumps(list(tasks)), encoding="utf-8")


# What each tool does


def test_a_cancellation_refunds_where_the_money_came_from(db: Db) -> None:
    after = tools.cancel_pending_order(db, order_id=GIFTED, reason="ordered by mistake")
    gone = after.orders[GIFTED]
    assert (gone["status"], gone["cancel_reason"]) == ("cancelled", "ordered by mistake")
    assert gone["payment_history"][1] == {
        "transaction_type": "refund",
        "amount": 10.0,
        "payment_method_id": "gift_card_1",
    }
    assert after.users["ada_quill_11"]["payment_methods"]["gift_card_1"]["balance"] == 15.0
    by_card = tools.cancel_pending_order(db, order_id=PENDING, reason="no longer needed")
    assert by_card.users is db.users


def test_items_of_a_pending_order_change_once(db: Db) -> None:
    change = {"order_id": PENDING, "payment_method_id": "credit_card_1"}
    after = tools.modify_pending_order_items(
        db, item_ids=["501", "601"], new_item_ids=["502", "602"], **change
    )
    raw = after.orders[PENDING]
    assert raw["status"] == tools.MODIFIED
    assert [(one["item_id"], one["price"]) for one in raw["items"]] == [("502", 55.5), ("602", 12.25)]
    assert raw["items"][0]["options"] == {"color": "blue", "light": "dim"}
    assert raw["payment_history"][-1] == {
        "transaction_type": "payment",
        "amount": 17.75,
        "payment_method_id": "credit_card_1",
    }
    with pytest.raises(ToolRefused, match="not_pending"):
        tools.modify_pending_order_items(after, item_ids=["502"], new_item_ids=["501"], **change)
    cheaper = tools.modify_pending_order_items(db, item_ids=["501"], new_item_ids=["503"], **change)
    assert cheaper.orders[PENDING]["payment_history"][-1]["transaction_type"] == "refund"


def test_a_gift_card_pays_no_more_than_it_holds(db: Db) -> None:
    with pytest.raises(ToolRefused, match="gift_card_balance"):
        tools.modify_pending_order_items(
            db, order_id=PENDING, item_ids=["501"], new_item_ids=["502"], payment_method_id="gift_card_1"
        )
    after = tools.modify_pending_order_items(
        db, order_id=GIFTED, item_ids=["601"], new_item_ids=["602"], payment_method_id="gift_card_1"
    )
    assert after.users["ada_quill_11"]["payment_methods"]["gift_card_1"]["balance"] == 2.75


def test_another_payment_gives_the_old_one_back(db: Db) -> None:
    after = tools.modify_pending_order_payment(db, order_id=GIFTED, payment_method_id="credit_card_1")
    entries = after.orders[GIFTED]["payment_history"]
    assert [(one["transaction_type"], one["payment_method_id"]) for one in entries[1:]] == [
        ("payment", "credit_card_1"),
        ("refund", "gift_card_1"),
    ]
    assert after.users["ada_quill_11"]["payment_methods"]["gift_card_1"]["balance"] == 15.0
    for order_id, method, rule in (
        (PENDING, "gift_card_1", "gift_card_balance"),
        (PENDING, "credit_card_1", "same_payment_method"),
        (PENDING, "paypal_9", "no_such_payment_method"),
        (DELIVERED, "gift_card_1", "not_pending"),
    ):
        with pytest.raises(ToolRefused, match=rule):
            tools.modify_pending_order_payment(db, order_id=order_id, payment_method_id=method)


def test_addresses_of_an_order_and_of_a_user_are_two_things(db: Db) -> None:
    moved = tools.modify_pending_order_address(db, order_id=PENDING, **PLACE)
    assert moved.orders[PENDING]["address"] == PLACE
    assert moved.users is db.users
    settled = tools.modify_user_address(db, user_id="ada_quill_11", **PLACE)
    assert settled.users["ada_quill_11"]["address"] == PLACE
    assert settled.orders is db.orders
    with pytest.raises(ToolRefused, match="not_pending"):
        tools.modify_pending_order_address(db, order_id=DELIVERED, **PLACE)


def test_a_return_goes_back_to_the_original_payment_or_a_gift_card(db: Db) -> None:
    back: dict[str, Any] = {"order_id": DELIVERED, "item_ids": ["601", "501"]}
    after = tools.return_delivered_order_items(db, payment_method_id="gift_card_1", **back)
    raw = after.orders[DELIVERED]
    assert (raw["status"], raw["return_items"]) == ("return requested", ["501", "601"])
    assert raw["return_payment_method_id"] == "gift_card_1"
    paid = copy.deepcopy(values())
    paid["users"]["ada_quill_11"]["payment_methods"]["paypal_2"] = {"source": "paypal", "id": "paypal_2"}
    other = Db(paid["products"], paid["users"], paid["orders"])
    with pytest.raises(ToolRefused, match="not_the_original_payment_method"):
        tools.return_delivered_order_items(other, payment_method_id="paypal_2", **back)
    with pytest.raises(ToolRefused, match="no_such_item"):
        tools.return_delivered_order_items(
            db, order_id=DELIVERED, item_ids=["601", "601"], payment_method_id="credit_card_1"
        )


def test_an_exchange_notes_the_difference_and_settles_nothing_yet(db: Db) -> None:
    swap = {"order_id": DELIVERED, "payment_method_id": "credit_card_1"}
    after = tools.exchange_delivered_order_items(
        db, item_ids=["501", "601"], new_item_ids=["503", "602"], **swap
    )
    raw = after.orders[DELIVERED]
    assert raw["status"] == "exchange requested"
    assert (raw["exchange_new_items"], raw["exchange_price_difference"]) == (["503", "602"], -7.75)
    assert raw["payment_history"] == db.orders[DELIVERED]["payment_history"]
    for old, new, rule in (("501", "504", "out_of_stock"), ("501", "602", "not_another_variant")):
        with pytest.raises(ToolRefused, match=rule):
            tools.exchange_delivered_order_items(db, item_ids=[old], new_item_ids=[new], **swap)


def test_no_tool_changes_the_database_it_is_given(db: Db) -> None:
    before = copy.deepcopy(db.snapshot())
    tools.cancel_pending_order(db, order_id=GIFTED, reason="no longer needed")
    tools.modify_pending_order_items(
        db, order_id=PENDING, item_ids=["501"], new_item_ids=["502"], payment_method_id="credit_card_1"
    )
    tools.modify_user_address(db, user_id="ada_quill_11", **PLACE)
    assert db.snapshot() == before


# The shop behind the ports


def test_the_shop_implements_both_ports(shop: Tau2Shop) -> None:
    def takes(reach: Shop, records: ShopRecords) -> bool:
        return all(isinstance(part, Tau2Shop) for part in (reach, records))

    assert takes(shop, shop)


async def test_orders_are_told_in_the_products_words(shop: Tau2Shop) -> None:
    orders = {one.id: one for one in await shop.orders(ADA)}
    assert {number: one.state for number, one in orders.items()} == {
        PENDING: "paid",
        DELIVERED: "delivered",
        GIFTED: "paid",
        PROCESSED: "packed",
    }
    assert [one.id for one in await shop.orders(ADA)] == [PROCESSED, GIFTED, DELIVERED, PENDING]
    delivered = orders[DELIVERED]
    assert [(line.line, line.sku, line.variant) for line in delivered.lines] == [
        (1, "501", "red, dim"),
        (2, "601", "small"),
        (3, "501", "red, dim"),
    ]
    assert (str(delivered.total), delivered.payment_method) == ("90.00", "card")
    assert [(one.state, one.tracking_number) for one in delivered.shipments] == [("delivered", "990002")]
    assert orders[PENDING].shipments == ()


async def test_a_customer_reaches_their_own_orders_and_nobody_elses(shop: Tau2Shop) -> None:
    assert [one.id for one in await shop.orders(BO)] == [OTHERS]
    assert await shop.orders(VISITOR) == []
    assert await shop.orders(ADA, limit=-1) == []
    for scope, number in ((ADA, OTHERS), (BO, DELIVERED), (VISITOR, OTHERS), (ADA, OrderId("#W9999999"))):
        assert await shop.order(scope, number) is None
        assert await shop.eligibility(scope, number, "return") is None
        with pytest.raises(OrderNotFound) as caught:
            await shop.perform(scope, OrderAction("return", number, {"lines": [1]}), idempotency_key="k")
        assert str(caught.value) == "missing or out of scope"
    proven = Scope(orders=frozenset({OTHERS}))
    assert [one.id for one in await shop.orders(proven)] == [OTHERS]
    assert await shop.customer(proven) is None


async def test_proof_and_records(shop: Tau2Shop) -> None:
    assert await shop.owner_for_proof(OTHERS, " BO@example.com") == BO.customer
    assert await shop.owner_for_proof(OTHERS, "ada@example.com") is None
    assert await shop.owner_for_proof(OrderId("#W9"), "bo@example.com") is None
    assert [one.id for one in await shop.customers()] == [ADA.customer, BO.customer]
    assert [one.customer async for one in shop.all_orders()] == [ADA.customer] * 4 + [BO.customer]


@pytest.mark.parametrize(
    ("kind", "number", "arguments", "rule"),
    [
        ("cancel", DELIVERED, {"reason": "not_needed"}, "already_delivered"),
        ("cancel", PROCESSED, {"reason": "not_needed"}, "already_processed"),
        ("cancel", PENDING, {"reason": ""}, "reason_needed"),
        ("cancel", PENDING, {"reason": "cheaper"}, "reason_not_acceptable"),
        ("return", PENDING, {"lines": [1]}, "not_delivered_yet"),
        ("return", DELIVERED, {"lines": [9]}, "no_such_line"),
        ("return", DELIVERED, {"lines": [1], "method": "gift_card_1"}, "unknown_argument"),
        ("exchange", DELIVERED, {"lines": [1], "sku": "504"}, "out_of_stock"),
        ("exchange", DELIVERED, {"lines": [1], "sku": "501"}, "not_another_variant"),
        ("exchange", DELIVERED, {"lines": [1, 2], "sku": "502"}, "not_another_variant"),
        ("exchange", PROCESSED, {"lines": [1], "sku": "501"}, "already_processed"),
        ("exchange", GIFTED, {"lines": [2], "sku": "602"}, "no_such_line"),
        ("change_address", PROCESSED, ADDRESS, "already_processed"),
        ("change_address", PENDING, {**ADDRESS, "city": ""}, "address_incomplete"),
    ],
)
async def test_what_the_policy_forbids_changes_nothing(
    kind: ActionKind, number: OrderId, arguments: dict[str, object], rule: str, shop: Tau2Shop
) -> None:
    before = shop.db
    with pytest.raises(ActionNotAllowed) as caught:
        await shop.perform(ADA, OrderAction(kind, number, arguments), idempotency_key="k")
    assert caught.value.rule == rule
    assert shop.db is before


async def test_actions_leave_what_the_tools_leave(shop: Tau2Shop, db: Db) -> None:
    for number, (kind, order_id, arguments) in enumerate(
        (
            ("cancel", GIFTED, {"reason": "by_mistake"}),
            ("exchange", DELIVERED, {"lines": [1, 3], "sku": "502", "reason": ""}),
            ("change_address", PENDING, ADDRESS),
            ("exchange", PENDING, {"lines": [2], "sku": "602"}),
        )
    ):
        await shop.perform(ADA, OrderAction(kind, order_id, arguments), idempotency_key=str(number))  # type: ignore[arg-type]
    card = {"payment_method_id": "credit_card_1"}
    db = tools.cancel_pending_order(db, order_id=GIFTED, reason="ordered by mistake")
    db = tools.exchange_delivered_order_items(
        db, order_id=DELIVERED, item_ids=["501", "501"], new_item_ids=["502", "502"], **card
    )
    db = tools.modify_pending_order_address(db, order_id=PENDING, **PLACE)
    db = tools.modify_pending_order_items(
        db, order_id=PENDING, item_ids=["601"], new_item_ids=["602"], **card
    )
    assert differences(shop.snapshot(), db.snapshot()) == {}
    swapped = await shop.order(ADA, DELIVERED)
    assert swapped is not None
    assert [(one.kind, one.lines, one.exchange_for) for one in swapped.returns] == [
        ("exchange", (1, 3), "502+502")
    ]
    after = await shop.eligibility(ADA, PENDING, "cancel")
    assert after is not None
    assert (after.allowed, after.rule) == (False, "items_modified")


async def test_an_exchange_is_offered_what_is_available(shop: Tau2Shop) -> None:
    ruling = await shop.eligibility(ADA, DELIVERED, "exchange")
    assert ruling is not None
    assert ruling.lines == (1, 2, 3)
    assert [(one.sku, one.name["en"]) for one in ruling.choices if one.line == 1] == [
        ("502", "blue, dim, $55.50 (502)"),
        ("503", "blue, bright, $30.00 (503)"),
    ]


async def test_a_change_is_made_once(shop: Tau2Shop) -> None:
    action = OrderAction("cancel", GIFTED, {"reason": "not_needed"})
    first, second = await asyncio.gather(*(shop.perform(ADA, action, idempotency_key="k") for _ in range(2)))
    assert (first.repeated, second.repeated) == (False, True)
    assert first.reference == second.reference
    assert len(shop.db.orders[GIFTED]["payment_history"]) == 2
    with pytest.raises(IdempotencyMismatch):
        await shop.perform(ADA, OrderAction("cancel", PENDING, {"reason": "not_needed"}), idempotency_key="k")
    with pytest.raises(ActionNotAllowed, match="already_cancelled"):
        await shop.perform(ADA, action, idempotency_key="another")
    with pytest.raises(OrderNotFound):
        await shop.perform(BO, action, idempotency_key="k")


async def test_two_shops_over_one_database_are_apart(db: Db) -> None:
    one, other = Tau2Shop(db), Tau2Shop(db)
    await one.perform(ADA, OrderAction("cancel", PENDING, {"reason": "not_needed"}), idempotency_key="k")
    assert other.db.orders[PENDING]["status"] == "pending"
    assert set(differences(other.snapshot(), one.snapshot())) == {PENDING}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("not_needed", "no longer needed"),
        ("by_mistake", "ordered by mistake"),
        ("I don't need it any more", "no longer needed"),
        ("ordered by mistake", "ordered by mistake"),
        ("found it cheaper", "found it cheaper"),
    ],
)
def test_reasons_are_told_in_the_policys_words(said: str, told: str) -> None:
    assert policy_reason(said) == told


def test_documents_are_the_policy_and_the_products(folder: Path, db: Db) -> None:
    found = {one.id: one for one in documents(folder, db)}
    assert [one.heading for one in found["tau2/policy.en"].sections] == ["Policy", "Returns"]
    lamp = found["tau2/product/50.en"].sections[0].text
    assert lamp.startswith("Lamp: 4 variants, 3 of them available.")
    assert "green, dim: $35.00, not available (item 504)" in lamp
    with pytest.raises(DataInvalid, match=r"policy\.md"):
        documents(folder / "nowhere", db)


# Tasks as scenarios

FIND = call("find_user_id_by_name_zip", first_name="Ada", last_name="Quill", zip="19901")


def test_a_task_becomes_a_scenario(folder: Path, db: Db) -> None:
    back = call(
        "return_delivered_order_items",
        order_id=DELIVERED,
        item_ids=["601"],
        payment_method_id="credit_card_1",
    )
    why = "You want to return your mug. You want to know how much you get back."
    write_tasks(folder, task("7", FIND, back, told=["1050.5"], why=why))
    (found,) = scenarios(folder)
    scenario = found.scenario
    assert (scenario.id, scenario.shop, scenario.shopper.customer) == ("tau2-7", "tau2", "ada_quill_11")
    assert (scenario.area, scenario.shopper.temper) == ("multi", "impatient")
    assert why in scenario.shopper.goal
    assert found.expressible
    assert [(one.kind, one.order, one.arguments) for one in scenario.expect.changes] == [
        ("return", DELIVERED, {"lines": [2], "reason": ""})
    ]
    assert scenario.expect.told == (("1050.5", "1,050.50", "1050.50"),)
    first, second = scenario.shopper.wishes
    assert (first.done, first.order) == ("return", DELIVERED)
    assert "return the Mug from order #W1000002" in first.say[0]
    assert (second.say[0], second.told) == (
        "I want to know how much I get back",
        ("1050.5", "1,050.50", "1050.50"),
    )
    assert scenario.shopper.knows["items"] == "Mug"
    assert set(differences(db.snapshot(), found.expected_state)) == {DELIVERED}


@pytest.mark.parametrize(
    ("actions", "why"),
    [
        (
            [call("modify_user_address", user_id="ada_quill_11", **PLACE)],
            "modify_user_address: no such action",
        ),
        (
            [call("modify_pending_order_payment", order_id=GIFTED, payment_method_id="credit_card_1")],
            "modify_pending_order_payment: no such action",
        ),
        (
            [
                call(
                    "return_delivered_order_items",
                    order_id=DELIVERED,
                    item_ids=["601"],
                    payment_method_id="gift_card_1",
                )
            ],
            "return_delivered_order_items: by another payment method than the order's",
        ),
        (
            [
                call(
                    "exchange_delivered_order_items",
                    order_id=DELIVERED,
                    item_ids=["501", "501"],
                    new_item_ids=["502", "503"],
                    payment_method_id="credit_card_1",
                )
            ],
            "exchange_delivered_order_items: different variants for several items at once",
        ),
    ],
)
def test_what_cannot_be_said_is_kept_and_named(actions: list[dict[str, Any]], why: str, folder: Path) -> None:
    write_tasks(folder, task("1", FIND, *actions))
    (found,) = scenarios(folder / "tasks_small.json")
    assert (found.expressible, found.why_not, found.scenario.expect.changes) == (False, why, ())
    _, (raw,) = read_tasks(folder)
    assert raw.writes
    assert differences(Tau2Shop(read_db(folder / "db.json")).snapshot(), found.expected_state)


def test_a_refused_reference_action_changes_nothing(folder: Path, db: Db) -> None:
    cancel = call("cancel_pending_order", order_id=PENDING, reason="no longer needed")
    write_tasks(folder, task("1", cancel, cancel))
    (found,) = scenarios(folder)
    assert found.expressible
    assert len(found.scenario.expect.changes) == 1
    assert found.expected_state[PENDING]["status"] == "cancelled"


def test_a_transfer_needs_a_person_and_nothing_else_is_wrong(folder: Path) -> None:
    write_tasks(folder, task("1", FIND, call("transfer_to_human_agents", summary="-")), task("2", FIND))
    person, nothing = scenarios(folder)
    assert (person.scenario.area, person.scenario.expect.handoff.needed) == ("person", "yes")
    assert (nothing.expressible, nothing.scenario.expect.changes) == (True, ())
    assert nothing.scenario.expect.handoff.needed == "allowed"


async def test_the_stage_gives_worlds_and_expected_ends(folder: Path, db: Db) -> None:
    write_tasks(
        folder, task("1", call("cancel_pending_order", order_id=PENDING, reason="ordered by mistake"))
    )
    tasks = {one.scenario.id: one for one in scenarios(folder)}
    unused: Any = None
    stage = MemoryStage(
        "tau2", tasks=tasks, open=lambda clock: Tau2Shop(db), retriever=unused, reader=unused, now=NOW
    )
    scenario = tasks["tau2-1"].scenario
    wanted = await stage.expected(scenario)
    assert wanted[PENDING]["status"] == ["pending", "cancelled"]
    for change in scenario.expect.changes:
        async with stage.world(scenario) as world:
            assert await changes(world) == {}
            action = OrderAction(change.kind, OrderId(change.order), change.arguments)
            await world.shop.perform(ADA, action, idempotency_key="k")
            assert await changes(world) == wanted
            words = {secret.word for secret in world.secrets if secret.customer == BO.customer}
            assert {OTHERS, "bo@example.com"} <= words
    stranger = scenario.model_copy(update={"id": "tau2-9"})
    with pytest.raises(ReferenceInvalid, match="tau2-9"):
        await stage.expected(stranger)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("You want to return your lamp.", "I want to return my lamp"),
        ("you'd like the agent to help you. you are sad", "I'd like you to help me. I am sad"),
    ],
)
def test_instructions_are_turned_into_the_first_person(text: str, said: str) -> None:
    assert first_person(text) == said


def test_numbers_may_be_worded_with_thousands_and_cents() -> None:
    assert wordings("8276.23") == ("8276.23", "8,276.23")
    assert wordings("180.1") == ("180.1", "180.10")
    assert wordings("10") == ("10",)
    assert wordings("20 hours") == ("20 hours",)
    assert wordings("840887978435") == ("840887978435",)


# Broken files


def spoil(folder: Path, *path: str, value: object) -> None:
    whole: Any = copy.deepcopy(values())
    place = whole
    for name in path[:-1]:
        place = place[int(name) if isinstance(place, list) else name]
    place[path[-1]] = value
    (folder / "db.json").write_text(json.dumps(whole), encoding="utf-8")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("orders", PENDING, "status"), "lost", rf"db\.json, field orders\.{PENDING}\.status"),
        (("orders", PENDING, "user_id"), "nobody", "not among the orders of its user"),
        (("orders", PENDING, "items", "0", "product_id"), "77", r"items\.0\.product_id: no such product"),
        (("products", "50", "variants", "501", "price"), "dear", r"variants\.501\.price"),
        (("users",), [], r"db\.json, field users"),
    ],
)
def test_a_broken_database_is_named(path: tuple[str, ...], value: object, message: str, folder: Path) -> None:
    spoil(folder, *path, value=value)
    with pytest.raises(DataInvalid, match=message):
        read_db(folder / "db.json")


def test_broken_tasks_are_named(folder: Path) -> None:
    with pytest.raises(DataInvalid, match=r"no tasks\*\.json"):
        scenarios(folder)
    file = folder / "tasks.json"
    for text, message in (
        ("[", "line 1, column 2: not JSON"),
        ("{}", "a list of tasks is needed"),
        (json.dumps([task("1"), {**task("2"), "evaluation_criteria": 3}]), r"field 1\.evaluation_criteria"),
        (json.dumps([task("1", FIND), task("1", FIND)]), "used twice"),
    ):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(DataInvalid, match=message):
            scenarios(folder)
    nobody = task("1")
    nobody["user_scenario"]["instructions"]["known_info"] = "You are nobody."
    file.write_text(json.dumps([nobody]), encoding="utf-8")
    with pytest.raises(DataInvalid, match="about no user"):
        scenarios(folder)
    file.write_text(json.dumps([task("1", call("cancel_pending_order", order=PENDING))]), encoding="utf-8")
    with pytest.raises(DataInvalid, match="can't be called so"):
        scenarios(folder)
    (folder / "tasks_more.json").write_text("[]")
    with pytest.raises(DataInvalid, match="several tasks files"):
        scenarios(folder)
