"""How much customers buy next (CDNOW): BG/NBD, the shop's own churn score and plain rules."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.ids import CustomerId, OrderId
from agent.shop.port import Address, Order
from evals.benchmarks.bgnbd import BgNbd, Customers, NotFitted, fit
from evals.benchmarks.report import Anchor, DataInvalid, Figure
from evals.benchmarks.scores import Flags, Floats, Ints, auc, brier, draws
from evals.benchmarks.tables import Measured, Table
from evals.policy_value import percentile
from retention.churn import LogisticChurn, features

WEEKS = 39
"""Known, and then foretold; as Fader, Hardie and Lee (2005) cut the set."""
HIATUS_WEEKS = 26
"""Who has not bought for half a year is lost: a manager's rule of the kind that Wübben and von
Wangenheim (2008), J. Marketing 72(3), 82-93, hold against models."""
BUYERS = ("customer_id", "master_customer_id", "sample_customer_id")
SPENT = "dollar_value"
NOWHERE = Address("", "", "", "", "", "", "")
PUBLISHED = "Fader, Hardie and Lee (2005): BG/NBD on the CDNOW sample of 2,357"
CORRELATION = Anchor(0.626, "Fader, Hardie and Lee (2005): BG/NBD on the CDNOW sample of 2,357")
SAMPLE = 2357
"""Customers of the sample that the published figures are about; no others are held against them."""
FITTED = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426, "log_likelihood": -9582.4}


@dataclass(frozen=True)
class History:
    """Each customer's purchases cut in two.

    Attributes:
        later: Purchases (days with one) in the second half.
        orders: Before the cut, as the shop would know them.
    """

    customers: Customers
    later: Floats
    orders: Mapping[CustomerId, Sequence[Order]]
    cut: datetime
    weeks: float


def measure_purchases(table: Table) -> Measured:
    """Foretell each customer's purchases of the second half from the first.

    Raises ``DataInvalid`` when a field is broken, or there is too little to fit or to foretell.
    """
    name = table.name
    history = _history(table)
    customers, later, weeks = history.customers, history.later, history.weeks
    try:
        model = fit(customers)
    except NotFitted as error:
        raise DataInvalid(f"{table.file}: BG/NBD cannot be fitted: {error}") from None
    again = later > 0
    silent = customers.observed - customers.last
    active = silent <= HIATUS_WEEKS
    chance = model.buys_again(customers, weeks)
    counts: dict[str, Floats] = {
        "BG/NBD": model.expected(customers, weeks),
        "same number": customers.repeats,
        "same rate": customers.repeats / customers.observed * weeks,
        "hiatus rule": np.where(active, customers.repeats, 0.0),
    }
    alive = {
        "BG/NBD, P(alive)": model.alive(customers),
        "BG/NBD, P(buys again)": chance,
        "BG/NBD, purchases": counts["BG/NBD"],
        "same number": customers.repeats,
        "recency": -silent,
        LogisticChurn.name: 1 - _own_scores(history),
    }
    hits = {
        "BG/NBD, P(buys again)": (chance >= 0.5) == again,
        "BG/NBD, P(alive)": (alive["BG/NBD, P(alive)"] >= 0.5) == again,
        "hiatus rule": active == again,
    }
    figures = [_counted(name, rule, foretold, later) for rule, foretold in counts.items()]
    statistics: list[tuple[str, str, Callable[[Ints], float], str]] = []
    for rule, foretold in counts.items():
        statistics.append(("purchases_mae", rule, _mae(foretold, later), "lower"))
        statistics.append(("purchases_correlation", rule, _correlation(foretold, later), "higher"))
    statistics += [("buys_again_auc", rule, _auc_of(score, again), "higher") for rule, score in alive.items()]
    statistics += [("buys_again_accuracy", rule, _mean(right), "higher") for rule, right in hits.items()]
    for rule in ("BG/NBD, P(buys again)", "BG/NBD, P(alive)", LogisticChurn.name):
        statistics.append(("buys_again_brier", rule, _brier_of(alive[rule], again), "lower"))
    everyone = np.arange(len(again))
    drawn = np.array([[one(rows) for _, _, one, _ in statistics] for rows in draws(everyone)])
    share = float(again.mean())
    anchors = {
        "purchases_correlation": (CORRELATION,) if len(again) == SAMPLE else (),
        "buys_again_accuracy": (Anchor(max(share, 1 - share), "always saying the commoner"),),
        "buys_again_brier": (Anchor(share * (1 - share), "always saying the share that bought again"),),
    }
    figures += [
        Figure(
            figure,
            statistic(everyone),
            *percentile(drawn[:, place]),
            n=len(again),
            slice=f"{name}, {rule}",
            anchors=anchors.get(figure, ()),
            better=better,
        )
        for place, (figure, rule, statistic, better) in enumerate(statistics)
        if not np.isnan(drawn[:, place]).all() and not np.isnan(statistic(everyone))
    ]
    figures += _parameters(name, model, customers)
    notes = [
        "Purchases of one day count as one. BG/NBD is fitted on the first half alone; intervals draw "
        "customers with the fitted parameters held.",
        f"{LogisticChurn.name} sees recency, frequency, value and trend of the orders and no signals, which "
        "is all this set has; it was not fitted. Its 'lost' means a year, the outcome here is "
        f"{weeks:.0f} weeks: its Brier score carries that too.",
        "BG/NBD takes everyone without a repeat purchase for alive, so P(alive) ranks worse than chance where most bought once; P(buys again) is what to rank by.",
    ]
    details = {
        "customers": len(again),
        "cut": history.cut.date().isoformat(),
        "weeks_foretold": weeks,
        "purchases_after": float(later.sum()),
        "purchases_foretold": {rule: float(foretold.sum()) for rule, foretold in counts.items()},
        "bought_again": share,
    }
    return figures, notes, details


def _history(table: Table) -> History:
    who = table.columns[next(name for name in BUYERS if name in table.columns)]
    days = [_day(table, row, text) for row, text in enumerate(table.columns["date"])]
    amounts = [_spent(table, row) for row in range(len(table))]
    first = min(days)
    cut = first + timedelta(weeks=WEEKS)
    end = min(max(days) + timedelta(days=1), cut + timedelta(weeks=WEEKS))
    if end <= cut:
        raise DataInvalid(
            f"{table.file}: all purchases lie in the first {WEEKS} weeks, nothing is left to foretell"
        )
    bought: dict[str, list[tuple[date, Decimal]]] = {}
    for customer, day, amount in zip(who, days, amounts, strict=True):
        bought.setdefault(customer, []).append((day, amount))
    repeats, last, observed, later = [], [], [], []
    orders: dict[CustomerId, list[Order]] = {}
    last_day = cut - timedelta(days=1)
    for customer, purchases in bought.items():
        dates = sorted({day for day, _ in purchases})
        before = [day for day in dates if day < cut]
        if not before or before[0] == last_day:
            continue  # new after the cut, or on its day: nothing is known to foretell from
        repeats.append(len(before) - 1)
        last.append((before[-1] - before[0]).days / 7)
        observed.append((last_day - before[0]).days / 7)
        later.append(sum(cut <= day < end for day in dates))
        orders[CustomerId(customer)] = [_order(customer, day, spent) for day, spent in purchases if day < cut]
    return History(
        customers=Customers.of(repeats, last, observed),
        later=np.array(later, np.float64),
        orders=orders,
        cut=datetime.combine(cut, time(), UTC),
        weeks=(end - cut).days / 7,
    )


def _day(table: Table, row: int, text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise table.wrong(row, "date", f"{text!r} is not a date (YYYY-MM-DD)") from None


def _spent(table: Table, row: int) -> Decimal:
    if not table.has(SPENT):
        return Decimal(0)
    text = table.columns[SPENT][row]
    try:
        spent = Decimal(text.strip())
    except InvalidOperation:
        spent = Decimal("NaN")
    if not spent.is_finite() or spent < 0:
        raise table.wrong(row, SPENT, f"{text!r} is not an amount")
    return spent


def _order(customer: str, day: date, spent: Decimal) -> Order:
    return Order(
        id=OrderId(f"{customer}/{day}"),
        customer=CustomerId(customer),
        state="delivered",
        placed_at=datetime.combine(day, time(12), UTC),
        currency="USD",
        total=spent,
        shipping=Decimal(0),
        address=NOWHERE,
        payment_method="",
        lines=(),
    )


def _own_scores(history: History) -> Floats:
    """Churn probabilities by the shop's own scorer as of the cut."""
    scorer = LogisticChurn()
    return np.array(
        [
            scorer.score(customer, features(theirs, (), (), history.cut), "en").probability
            for customer, theirs in history.orders.items()
        ]
    )


def measure_summary(table: Table) -> Measured:
    """Fit BG/NBD on the first half's three numbers per customer.

    Raises ``DataInvalid`` when they contradict each other, or are too few to fit.
    """
    try:
        customers = Customers.of(table.numbers("x"), table.numbers("t_x"), table.numbers("T"))
        model = fit(customers)
    except (ValueError, NotFitted) as error:
        raise DataInvalid(f"{table.file}: {error}") from None
    notes = ["A summary says nothing of later purchases: only the fit is held against the published one."]
    return _parameters(table.name, model, customers), notes, {"customers": len(customers)}


def _parameters(name: str, model: BgNbd, customers: Customers) -> list[Figure]:
    n = len(customers)
    found = [
        Figure(f"bgnbd_{key}", getattr(model, key), *model.intervals[key], n, f"{name}, BG/NBD", (), "")
        for key in ("r", "alpha", "a", "b")
    ]
    top = model.log_likelihood
    found.append(Figure("bgnbd_log_likelihood", top, top, top, n, f"{name}, BG/NBD", (), ""))
    if n != SAMPLE:
        return found
    return [
        replace(one, anchors=(Anchor(FITTED[one.name.removeprefix("bgnbd_")], PUBLISHED),)) for one in found
    ]


def _counted(name: str, rule: str, foretold: Floats, later: Floats) -> Figure:
    """Error of the sum over all customers, as a share of what was bought."""
    if not later.sum():
        raise DataInvalid(f"{name}: nobody bought in the second half")

    def error(rows: Ints) -> float:
        return float(foretold[rows].sum() / max(later[rows].sum(), 1.0) - 1)

    value = error(np.arange(len(later)))
    low, high = percentile([error(rows) for rows in draws(np.arange(len(later)))])
    edges = sorted((abs(low), abs(high)))
    nearest = 0.0 if low <= 0 <= high else edges[0]
    return Figure(
        "purchases_total_error", abs(value), nearest, edges[1], len(later), f"{name}, {rule}", (), "lower"
    )


def _mae(foretold: Floats, later: Floats) -> Callable[[Ints], float]:
    return _mean(np.abs(foretold - later))


def _mean(values: NDArray[Any]) -> Callable[[Ints], float]:
    return lambda rows: float(values[rows].mean())


def _correlation(foretold: Floats, later: Floats) -> Callable[[Ints], float]:
    def statistic(rows: Ints) -> float:
        one, other = foretold[rows], later[rows]
        if not (one.std() and other.std()):
            return math.nan
        return float(np.corrcoef(one, other)[0, 1])

    return statistic


def _auc_of(score: Floats, truth: Flags) -> Callable[[Ints], float]:
    return lambda rows: auc(score[rows], truth[rows])


def _brier_of(chance: Floats, truth: Flags) -> Callable[[Ints], float]:
    return lambda rows: brier(chance[rows], truth[rows])
