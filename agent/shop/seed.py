"""The demo shop's customers and orders, made up around a day.

One ``random.Random`` drives everything: the same seed, day and shop files give the same rows,
byte for byte. Customers differ in how often, how recently and for how much they buy, so that a
churn score has something to find.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final

from agent.ids import CustomerId, Language, OrderId
from agent.shop.catalogue import Catalogue, Product
from agent.shop.history import GoingBack, Item, Parcel, Payback, Plan, Rows
from agent.shop.people import Person, invent
from agent.shop.personas import PersonaScript, plan_personas
from agent.shop.rules import LineFacts, OrderFacts, ShippingMethod, ShopRules, return_refund

SEED: Final = 20260301
CUSTOMERS: Final = 300
CHINESE: Final = 120
"""How many of them write Chinese."""
DAYS: Final = 548
"""How far back orders go: 18 months."""
FIRST_NUMBER: Final = 101001
"""Made-up orders are numbered from here; lower numbers belong to the personas."""
CUTOFF: Final = 12
"""What is paid by this hour (UTC) of a business day is packed that day."""
NIGHT: Final = timedelta(hours=1)
"""Nothing happens later than this after midnight UTC of the day the demo is made for."""


@dataclass(frozen=True)
class _Habit:
    """How a customer buys. Days; ranges are drawn from evenly."""

    share: int
    gap: tuple[int, int]
    """Between two orders, on average."""
    last: tuple[int, int]
    """Since the newest order."""
    most: int = 99
    """Orders at most."""


_HABITS: Final = (
    _Habit(share=6, gap=(26, 46), last=(0, 18)),
    _Habit(share=29, gap=(80, 140), last=(0, 70)),
    _Habit(share=34, gap=(130, 220), last=(0, 170)),
    _Habit(share=15, gap=(32, 64), last=(150, 380)),  # bought often, then stopped
    _Habit(share=12, gap=(1, 1), last=(3, 530), most=1),
    _Habit(share=4, gap=(1, 1), last=(3, 530), most=0),  # registered only
)

_REASONS: Final = {
    "too_small": 20,
    "too_large": 16,
    "not_as_expected": 20,
    "changed_mind": 16,
    "faulty": 14,
    "damaged": 8,
    "wrong_item": 6,
}

_PAYMENTS: Final = {
    "CN": {"alipay": 50, "wechat_pay": 35, "card": 15},
    "": {"card": 48, "paypal": 38, "bank_transfer": 14},
}


def seed_rows(
    catalogue: Catalogue,
    rules: ShopRules,
    scripts: tuple[PersonaScript, ...],
    *,
    today: date,
    seed: int = SEED,
) -> Rows:
    """Every row of the store as of the first hour (UTC) of ``today``, by table name."""
    now = datetime.combine(today, time(), UTC) + NIGHT
    rng = Random(seed)  # noqa: S311  (made-up data, nothing secret)
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    rows["variants"] = [
        {
            "sku": variant.sku,
            "product": product.id,
            "name_en": variant.name["en"],
            "name_zh": variant.name["zh"],
            "price": product.price_of(variant),
            "available": variant.stock,
            "reserved": 0,
        }
        for product, variant in catalogue.items()
    ]
    plans: list[Plan] = []
    taken: set[str] = set()
    for persona in plan_personas(scripts, catalogue, rules, now=now):
        taken.add(persona.person.email.partition("@")[0])
        rows["customers"].append(_customer(persona.id, persona.person, persona.joined))
        plans.extend(persona.plans)
    plans.extend(_crowd(rng, rows, taken, catalogue, rules, scripts, now))
    for plan in plans:
        for table, added in plan.rows(now, rules).items():
            rows[table].extend(added)
    return rows


def _customer(id: CustomerId, person: Person, joined: date) -> dict[str, Any]:
    return {
        "id": id,
        "email": person.email,
        "name": person.name,
        "language": person.language,
        "joined": joined,
        "country": person.country,
    }


def _crowd(
    rng: Random,
    rows: dict[str, list[dict[str, Any]]],
    taken: set[str],
    catalogue: Catalogue,
    rules: ShopRules,
    scripts: tuple[PersonaScript, ...],
    now: datetime,
) -> list[Plan]:
    """The customers besides the personas (added to ``rows``) and their orders."""
    chinese = CHINESE - sum(script.language == "zh" for script in scripts)
    english = CUSTOMERS - CHINESE - sum(script.language == "en" for script in scripts)
    languages: list[Language] = ["zh" if number < chinese else "en" for number in range(chinese + english)]
    rng.shuffle(languages)
    first = 10001 + len(scripts)
    baskets = _Baskets(rng, catalogue)
    visits: list[tuple[datetime, CustomerId, Person, float]] = []
    for number, language in enumerate(languages, start=first):
        customer = CustomerId(f"C-{number}")
        person = invent(rng, language, taken)
        habit = rng.choices(_HABITS, weights=[habit.share for habit in _HABITS])[0]
        generous = rng.uniform(-0.7, 0.5)
        days = _days(rng, habit)
        joined = max([*days, rng.randint(20, 500)]) + rng.randint(0, 3)
        rows["customers"].append(_customer(customer, person, now.date() - timedelta(days=joined)))
        visits.extend((_moment(rng, now, day), customer, person, generous) for day in days)
    visits.sort(key=lambda visit: visit[:2])
    life = _Life(rng, rules, baskets)
    return [
        life.plan(OrderId(f"{rules.order_prefix}{number:06d}"), *visit)
        for number, visit in enumerate(visits, start=FIRST_NUMBER)
    ]


def _days(rng: Random, habit: _Habit) -> list[int]:
    """How many days ago somebody with this habit ordered, newest first."""
    days: list[int] = []
    gap = rng.uniform(*habit.gap)
    day = float(rng.randint(*habit.last))
    while day < DAYS and len(days) < habit.most:
        days.append(int(day))
        day += max(1.0, rng.expovariate(1 / gap))
    return days


def _moment(rng: Random, now: datetime, days: int) -> datetime:
    """An instant of that day; today's lies within the hour before ``now``."""
    if days == 0:
        return now - timedelta(minutes=rng.randint(6, 55))
    return now.replace(hour=0) - timedelta(days=days) + timedelta(minutes=rng.randint(5 * 60, 22 * 60))


class _Baskets:
    """What people buy: some products are popular, some customers spend more."""

    def __init__(self, rng: Random, catalogue: Catalogue) -> None:
        self._rng = rng
        self._products = catalogue.products
        self._popular = [rng.lognormvariate(0, 0.6) for _ in catalogue.products]

    def fill(self, generous: float, *, fuel: bool) -> tuple[Item, ...]:
        """One to four products; fuel only where the method may carry it."""
        rng = self._rng
        weights = [
            0.0
            if product.return_only_sealed == "fuel" and not fuel
            else popular * float(product.price / 60) ** generous
            for product, popular in zip(self._products, self._popular, strict=True)
        ]
        wanted = rng.choices((1, 2, 3, 4), weights=(52, 28, 14, 6))[0]
        chosen: dict[str, Product] = {}
        for product in rng.choices(self._products, weights=weights, k=wanted):
            chosen[product.id] = product
        return tuple(
            Item(product, rng.choice(product.variants), self._quantity(product.price))
            for product in chosen.values()
        )

    def _quantity(self, price: Decimal) -> int:
        return 1 if price > 60 else self._rng.choices((1, 2, 3), weights=(70, 23, 7))[0]


class _Life:
    """Draws what becomes of an order."""

    def __init__(self, rng: Random, rules: ShopRules, baskets: _Baskets) -> None:
        self._rng, self._rules, self._baskets = rng, rules, baskets

    def plan(
        self, id: OrderId, placed_at: datetime, customer: CustomerId, person: Person, generous: float
    ) -> Plan:
        """One order of this customer, from ``placed_at`` to its end."""
        rng = self._rng
        method = self._method(person.country)
        items = self._baskets.fill(generous, fuel=method is self._rules.shipping.methods[0])
        payment = _pick(rng, _PAYMENTS.get(person.country, _PAYMENTS[""]))
        draft = Plan(id, customer, person, items, method, payment, placed_at, paid_at=None)
        total = draft.goods + draft.shipping

        paid_at = placed_at + timedelta(minutes=rng.randint(1, 4))
        if payment == "bank_transfer":
            paid_at = placed_at + timedelta(hours=rng.randint(20, 80))
            if rng.random() < 0.12:
                gone = placed_at + timedelta(days=self._rules.bank_transfer_days)
                return replace(draft, cancelled_at=gone)
        if rng.random() < 0.045:
            cancelled_at = paid_at + timedelta(minutes=rng.randint(20, 400))
            payback = self._payback(total, "cancelled", cancelled_at)
            return replace(draft, paid_at=paid_at, cancelled_at=cancelled_at, payback=payback)

        parcel = self._parcel(paid_at, method)
        if parcel.problem == "lost" and parcel.problem_at is not None:
            found_out = parcel.problem_at + timedelta(days=rng.randint(9, 16))
            payback = self._payback(total, "parcel_lost", found_out)
            return replace(draft, paid_at=paid_at, parcels=(parcel,), cancelled_at=found_out, payback=payback)
        plan = replace(draft, paid_at=paid_at, parcels=(parcel,))
        if parcel.delivered_at is None or rng.random() >= 0.16:
            return plan
        if rng.random() < 0.25:
            return self._exchange(plan, parcel.delivered_at)
        return self._return(plan, parcel.delivered_at)

    def _method(self, country: str) -> ShippingMethod:
        methods = self._rules.methods_to(country)
        return self._rng.choices(methods, weights=[5 if index == 0 else 1 for index in range(len(methods))])[
            0
        ]

    def _parcel(self, paid_at: datetime, method: ShippingMethod) -> Parcel:
        rng = self._rng
        in_time = paid_at.hour < CUTOFF
        packed_at = _at(_workday(paid_at if in_time else paid_at + timedelta(days=1)), rng, 11, 14)
        packed_at = max(packed_at, paid_at + timedelta(minutes=30))
        shipped_at = packed_at + timedelta(minutes=rng.randint(90, 240))
        if rng.random() < 0.3:  # missed the carrier that day
            shipped_at = _at(_business_days(packed_at, 1), rng, 15, 18)
        least, most = method.business_days
        expected = _business_days(shipped_at, most).date()
        fate = rng.random()
        if fate < 0.015:
            search = _at(_business_days(shipped_at, most + 3), rng, 9, 15)
            return Parcel(packed_at, shipped_at, expected, None, "lost", search)
        if fate < 0.075:
            stuck = _at(shipped_at + timedelta(days=rng.randint(1, 3)), rng, 6, 20)
            delivered = _at(_business_days(shipped_at, most + rng.randint(2, 9)), rng, 8, 17)
            return Parcel(packed_at, shipped_at, expected, delivered, "late", stuck)
        delivered = _at(_business_days(shipped_at, rng.randint(least, most)), rng, 8, 18)
        return Parcel(packed_at, shipped_at, expected, delivered)

    def _return(self, plan: Plan, delivered_at: datetime) -> Plan:
        rng, rules = self._rng, self._rules
        lines = self._some_lines(plan)
        if not lines:
            return plan
        reason = _pick(rng, _REASONS)
        requested_at = delivered_at + timedelta(days=rng.randint(1, 24), minutes=rng.randint(0, 300))
        approved_at = requested_at + timedelta(minutes=rng.randint(30, 3600))
        sent_at = approved_at + timedelta(hours=rng.randint(12, 96))
        received_at = _at(_business_days(sent_at, rng.randint(2, 5)), rng, 7, 11)
        going = GoingBack("return", lines, reason, requested_at, approved_at, sent_at, received_at)
        fate = rng.random()
        if fate < 0.05:  # came back used
            rejected_at = received_at + timedelta(hours=rng.randint(3, 30))
            return replace(plan, going_back=(replace(going, rejected_at=rejected_at),))
        if fate < 0.09:  # forgotten at the warehouse: an overdue refund
            return replace(plan, going_back=(going,))
        back = dict(lines)
        facts = OrderFacts(
            state="delivered",
            lines=tuple(
                LineFacts(line, item.quantity, back.get(line, 0), item.unit_price)
                for line, item in enumerate(plan.items, start=1)
            ),
            total=plan.goods + plan.shipping,
            shipping=plan.shipping,
            payment_method=plan.payment_method,
            delivered=rules.day(delivered_at),
        )
        amount = return_refund(facts, tuple(back), reason, today=rules.day(requested_at), rules=rules)
        issued_at = received_at + timedelta(hours=rng.randint(4, 90))
        if amount > 0:
            going = replace(going, payback=self._payback(amount, "return", issued_at))
        return replace(plan, going_back=(going,))

    def _exchange(self, plan: Plan, delivered_at: datetime) -> Plan:
        rng = self._rng
        lines = [
            (line, item)
            for line, item in enumerate(plan.items, start=1)
            if len(item.product.variants) > 1 and not item.product.final_sale
        ]
        if not lines:
            return plan
        line, item = rng.choice(lines)
        others = [
            variant.sku
            for variant in item.product.variants
            if variant is not item.variant and item.product.price_of(variant) <= item.unit_price
        ]
        if not others:
            return plan
        requested_at = delivered_at + timedelta(days=rng.randint(1, 20), minutes=rng.randint(0, 300))
        approved_at = requested_at + timedelta(minutes=rng.randint(30, 3600))
        sent_at = approved_at + timedelta(hours=rng.randint(12, 96))
        received_at = _at(_business_days(sent_at, rng.randint(2, 5)), rng, 7, 11)
        reason = rng.choice(("too_small", "too_large", "not_as_expected"))
        going = GoingBack(
            kind="exchange",
            lines=((line, item.quantity),),
            reason=reason,
            requested_at=requested_at,
            approved_at=approved_at,
            sent_at=sent_at,
            received_at=received_at,
            exchange_for=rng.choice(others),
        )
        parcel = replace(self._parcel(received_at, plan.method), replacement=True)
        return replace(plan, going_back=(going,), parcels=(*plan.parcels, parcel))

    def _some_lines(self, plan: Plan) -> tuple[tuple[int, int], ...]:
        rng = self._rng
        lines = [
            (line, item.quantity)
            for line, item in enumerate(plan.items, start=1)
            if not item.product.final_sale
        ]
        if not lines:
            return ()
        kept = rng.sample(lines, k=rng.randint(1, len(lines)))
        return tuple((line, rng.randint(1, quantity)) for line, quantity in sorted(kept))

    def _payback(self, amount: Decimal, reason: str, issued_at: datetime) -> Payback:
        overdue = self._rng.random() < 0.03
        settled = _business_days(issued_at, self._rng.randint(1, self._rules.refund_business_days))
        return Payback(amount, reason, issued_at, None if overdue else _at(settled, self._rng, 4, 7))


def _pick(rng: Random, weighted: dict[str, int]) -> str:
    return rng.choices(list(weighted), weights=list(weighted.values()))[0]


def _workday(at: datetime) -> datetime:
    """The instant, moved past a weekend."""
    while at.weekday() >= 5:
        at += timedelta(days=1)
    return at


def _business_days(at: datetime, days: int) -> datetime:
    """The instant ``days`` business days later."""
    for _ in range(days):
        at = _workday(at + timedelta(days=1))
    return at


def _at(day: datetime, rng: Random, first: int, last: int) -> datetime:
    """An instant of that day between two hours."""
    return day.replace(hour=0, minute=0) + timedelta(minutes=rng.randrange(first * 60, last * 60))
