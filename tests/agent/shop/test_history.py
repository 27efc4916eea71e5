from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.ids import CustomerId, OrderId
from agent.shop.catalogue import Product, Variant
from agent.shop.history import Item, Parcel, Plan
from agent.shop.people import Person
from agent.shop.port import Address
from agent.shop.rules import read_rules
from agent.shop.schema import Money
from tests.agent.shop.conftest import FOLDER

RULES = read_rules(FOLDER)
PLACED = datetime(2026, 5, 1, 8, tzinfo=UTC)
SOMEBODY = Person("Ada", "ada@example.com", "en", Address("Ada", "1 Road", "", "Cork", "", "T12", "IE"))

cents = st.integers(1, 100_000).map(lambda amount: Decimal(amount).scaleb(-2))
text = {"en": "Tent", "zh": "帐篷"}


@st.composite
def items(draw: st.DrawFn) -> Item:
    price = draw(st.none() | cents)
    variant = Variant(sku=draw(st.uuids()).hex, name=text, stock=1, price=price)
    product = Product(id="tent", title=text, price=draw(cents), variants=(variant,))
    return Item(product, variant, draw(st.integers(1, 9)))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    hours = sorted(draw(st.lists(st.integers(1, 400), min_size=4, max_size=4)))
    paid, packed, shipped, delivered = (PLACED + timedelta(hours=hour) for hour in hours)
    parcel = Parcel(packed, shipped, delivered.date(), draw(st.none() | st.just(delivered)))
    return Plan(
        id=OrderId("FW-100001"),
        customer=CustomerId("C-1"),
        person=SOMEBODY,
        items=tuple(draw(st.lists(items(), min_size=1, max_size=5))),
        method=draw(st.sampled_from(RULES.shipping.methods)),
        payment_method="card",
        placed_at=PLACED,
        paid_at=paid,
        parcels=(parcel,),
    )


@given(plan=plans(), hours=st.integers(0, 500))
@settings(max_examples=60, deadline=None)
def test_the_total_is_the_lines_and_the_shipping(plan: Plan, hours: int) -> None:
    rows = plan.rows(PLACED + timedelta(hours=hours), RULES)
    (order,) = rows["orders"]
    goods = sum(line["quantity"] * line["unit_price"] for line in rows["order_lines"])
    assert order["total"] == goods + order["shipping"]
    free_from = plan.method.free_from
    free = free_from is not None and goods >= free_from
    assert order["shipping"] == (0 if free else plan.method.price)


@given(plan=plans(), hours=st.integers(0, 500))
@settings(max_examples=60, deadline=None)
def test_an_order_shows_only_what_has_happened(plan: Plan, hours: int) -> None:
    now = PLACED + timedelta(hours=hours)
    rows = plan.rows(now, RULES)
    for table in rows.values():
        for row in table:
            assert all(value <= now for value in row.values() if isinstance(value, datetime))
    (order,) = rows["orders"]
    parcels = rows.get("shipments", [])
    assert (order["state"] in ("packed", "shipped", "delivered")) == bool(parcels)
    for parcel in parcels:
        assert (parcel["state"] == "delivered") == (order["state"] == "delivered")
        assert (parcel["state"] == "label_created") == (order["state"] == "packed")


@given(plan=plans(), hours=st.lists(st.integers(0, 500), min_size=2, max_size=2).map(sorted))
@settings(max_examples=60, deadline=None)
def test_an_order_only_moves_forward(plan: Plan, hours: list[int]) -> None:
    steps = ["placed", "paid", "packed", "shipped", "delivered"]
    earlier, later = (steps.index(plan.state(PLACED + timedelta(hours=hour))) for hour in hours)
    assert earlier <= later


@given(cents)
def test_money_is_kept_exactly(amount: Decimal) -> None:
    from sqlalchemy.dialects.sqlite import dialect

    money, sqlite = Money(), dialect()
    assert money.process_result_value(money.process_bind_param(amount, sqlite), sqlite) == amount
