from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from evals.benchmarks import scores
from evals.benchmarks.bgnbd import Customers, NotFitted, fit
from evals.benchmarks.churn import run
from evals.benchmarks.report import BenchmarkReport, DataInvalid, Figure, silent
from evals.benchmarks.scores import auc, average_precision, calibration_error, calibration_slope

Floats = NDArray[np.float64]
SHAPE = {"r": 0.6, "alpha": 6.0, "a": 0.8, "b": 2.5}
WEEKS = 39


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals of a fifth of the draws, so that the tests are fast."""
    monkeypatch.setattr(scores, "RESAMPLES", 200)


def bought(n: int, seed: int, end: float = 2 * WEEKS) -> list[Floats]:
    """Times of each customer's repeat purchases, as BG/NBD has it."""
    random = np.random.default_rng(seed)
    rates = random.gamma(SHAPE["r"], 1 / SHAPE["alpha"], n)
    lost = random.beta(SHAPE["a"], SHAPE["b"], n)
    every = []
    for rate, chance in zip(rates, lost, strict=True):
        now, times = 0.0, []
        while True:
            now += random.exponential(1 / rate)
            if now > end:
                break
            times.append(now)
            if random.random() < chance:
                break
        every.append(np.array(times))
    return every


def known(every: Iterable[Floats]) -> Customers:
    first = [times[times <= WEEKS] for times in every]
    return Customers.of(
        [len(times) for times in first],
        [times[-1] if len(times) else 0.0 for times in first],
        [WEEKS for _ in first],
    )


def write(file: Path, header: str, rows: Iterable[Sequence[object]]) -> Path:
    lines = [header, *(",".join(str(value) for value in row) for row in rows)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def figure(report: BenchmarkReport, name: str, part: str) -> Figure:
    (found,) = [one for one in report.figures if one.name == name and one.slice == part]
    return found


def test_bgnbd_finds_the_parameters_its_customers_were_made_with() -> None:
    model = fit(known(bought(8000, 1)))
    for name, true in SHAPE.items():
        low, high = np.log(model.intervals[name])
        error = (high - low) / (2 * 1.96)
        assert abs(np.log(getattr(model, name) / true)) < 3.5 * error, name
        assert error < 0.5


def test_bgnbd_foretells_what_its_customers_go_on_to_buy() -> None:
    every = bought(20000, 2)
    customers = known(every)
    model = fit(customers)
    later = np.array([np.sum(times > WEEKS) for times in every])
    expected, chance = model.expected(customers, WEEKS), model.buys_again(customers, WEEKS)
    for repeats in (0, 1, 2, 5):
        alike = customers.repeats == repeats
        assert expected[alike].mean() == pytest.approx(later[alike].mean(), rel=0.15), repeats
        assert chance[alike].mean() == pytest.approx((later[alike] > 0).mean(), abs=0.03), repeats
    assert expected.sum() == pytest.approx(later.sum(), rel=0.05)
    assert np.all(chance <= model.alive(customers))


def test_long_silence_after_many_purchases_looks_like_loss() -> None:
    model = fit(known(bought(3000, 3)))
    quiet, fresh = Customers.of([20, 20], [15, 38], [39, 39]), Customers.of([0], [0], [39])
    alive = model.alive(quiet)
    assert alive[0] < 0.05 < 0.5 < alive[1]
    assert model.alive(fresh)[0] == 1
    # Frequent buyers overflow the formula as printed.
    assert np.isfinite(model.expected(Customers.of([900], [38.9], [39]), 39)).all()


@pytest.mark.parametrize(
    ("repeats", "last", "observed"), [([1], [5.0], [4.0]), ([0], [2.0], [4.0]), ([1], [1.0], [2.0, 3.0])]
)
def test_contradicting_customers_are_refused(
    repeats: list[int], last: list[float], observed: list[float]
) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Customers.of(repeats, last, observed)


def test_nothing_is_fitted_to_customers_of_whom_none_came_back() -> None:
    with pytest.raises(NotFitted):
        fit(Customers.of([0] * 50, [0] * 50, [39] * 50))


def test_figures_agree_with_their_library() -> None:
    random = np.random.default_rng(4)
    score = random.integers(0, 20, 500) / 20  # many ties
    truth = random.random(500) < score
    assert auc(score, truth) == pytest.approx(roc_auc_score(truth, score))
    assert average_precision(score, truth) == pytest.approx(average_precision_score(truth, score))


def test_overconfidence_shows_in_the_calibration() -> None:
    random = np.random.default_rng(5)
    odds = random.normal(0, 1, 20000)
    truth = random.random(20000) < 1 / (1 + np.exp(-odds))
    right, loud = 1 / (1 + np.exp(-odds)), 1 / (1 + np.exp(-2 * odds))
    assert calibration_slope(right, truth) == pytest.approx(1, abs=0.08)
    assert calibration_slope(loud, truth) == pytest.approx(0.5, abs=0.04)
    assert calibration_error(right, truth) < 0.02 < 0.06 < calibration_error(loud, truth)


@pytest.mark.parametrize("grouped", [True, False])
def test_copies_of_a_customer_never_stand_on_both_sides(tmp_path: Path, grouped: bool) -> None:
    random = np.random.default_rng(6)
    # Chance decides who leaves: only a copy of the same customer could give it away.
    alike = [(*random.random(3).round(4), int(random.random() < 0.4)) for _ in range(150)]
    rows = [
        (number, *customer, *([number % 150] if grouped else [])) for number, customer in enumerate(alike * 4)
    ]
    header = "CustomerID,one,two,three,Churn" + (",GroupID" if grouped else "")
    report = run(write(tmp_path / "any.csv", header, rows), silent)
    for model in ("logistic", "gradient boosting"):
        assert figure(report, "auc", f"any, {model}").value < 0.65
    assert report.details["any"]["groups"] == 150
    assert any("no GroupID" in note for note in report.notes) is not grouped


def test_the_number_of_a_customer_is_no_feature(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    rows = [(number, random.random(), number, int(number > 200)) for number in range(400)]
    report = run(write(tmp_path / "t.csv", "customerID,one,GroupID,Churn", rows), silent)
    assert figure(report, "auc", "t, gradient boosting").value < 0.62


def test_what_is_there_to_learn_is_learned(tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    rows: list[Sequence[object]] = []
    for number in range(800):
        months, plan = random.integers(0, 30), random.choice(["monthly", "yearly"])
        odds = 1.5 - 1.2 * np.log1p(months) + (2.0 if plan == "monthly" else 0.0)
        left = random.random() < 1 / (1 + np.exp(-odds))
        rows.append((f"K-{number}", months if number % 9 else "", plan, "Yes" if left else "No"))
    report = run(write(tmp_path / "t.csv", "customerID,tenure,Contract,Churn", rows), silent)
    ranked = figure(report, "auc", "telco, logistic")
    assert ranked.low < ranked.value < ranked.high
    assert ranked.value > 0.75
    assert ranked.anchors[0].value == 0.836
    slope = figure(report, "calibration_slope", "telco, logistic")
    assert slope.low < 1 < slope.high
    brier = figure(report, "brier", "telco, logistic")
    assert brier.high < brier.anchors[0].value


def test_the_shops_own_scorer_is_held_against_a_table_that_has_its_features(tmp_path: Path) -> None:
    random = np.random.default_rng(9)
    rows = []
    for number in range(300):
        complained = int(random.random() < 0.4)
        left = random.random() < (0.8 if complained else 0.1)
        rows.append((number, int(left), 3, complained, 3, random.integers(0, 9), 2, number))
    header = "CustomerID,Churn,Tenure,Complain,SatisfactionScore,DaySinceLastOrder,OrderCount,GroupID"
    report = run(write(tmp_path / "t.csv", header, rows), silent)
    assert figure(report, "auc", "e-commerce, logistic-hand-set/1").value > 0.75


def purchases(file: Path, every: list[Floats], spare: str = "") -> Path:
    start = date(2020, 1, 1)
    rows: list[Sequence[object]] = []
    for number, times in enumerate(every):
        days = sorted({0, *(int(time * 7) for time in times)})
        for day in days:
            rows.append((number, start + timedelta(days=day), 1, "9.50"))
            rows.append((number, start + timedelta(days=day), 1, "1.00"))  # the same day counts once
    return write(file, "customer_id,date,number_of_cds,dollar_value", rows)


def test_later_purchases_are_foretold_from_the_first_weeks(tmp_path: Path) -> None:
    every = bought(1500, 10, end=2 * WEEKS - 0.01)
    report = run(purchases(tmp_path / "shop.csv", every), silent)
    details = report.details["shop"]
    later = sum(len({int(time * 7) for time in times if int(time * 7) >= 7 * WEEKS}) for times in every)
    assert (details["customers"], details["purchases_after"]) == (1500, later)
    assert details["cut"] == "2020-09-30"
    ours = figure(report, "purchases_total_error", "shop, BG/NBD")
    assert ours.low <= ours.value <= ours.high
    assert ours.value < 0.2 < figure(report, "purchases_total_error", "shop, same number").value
    again = figure(report, "buys_again_auc", "shop, BG/NBD, P(buys again)")
    assert again.value > 0.7
    brier = figure(report, "buys_again_brier", "shop, BG/NBD, P(buys again)")
    assert brier.high < brier.anchors[0].value
    assert figure(report, "buys_again_auc", "shop, logistic-hand-set/1").value > 0.6
    for name, true in SHAPE.items():
        fitted = figure(report, f"bgnbd_{name}", "shop, BG/NBD")
        assert fitted.low / 2 < true < fitted.high * 2  # whole days and weeks blur it
        assert fitted.anchors == ()  # the published fit is of other customers


def test_a_summary_gives_the_fit_alone_and_a_folder_all_it_holds(tmp_path: Path) -> None:
    customers = known(bought(800, 11))
    rows = zip(customers.repeats, customers.last, customers.observed, strict=True)
    write(tmp_path / "sum.csv", "x,t_x,T", rows)
    write(tmp_path / "other.csv", "alpha,beta", [(1, 2)])
    report = run(tmp_path, silent)
    assert {one.slice for one in report.figures} == {"sum, BG/NBD"}
    assert any(note.startswith("other.csv: passed over") for note in report.notes)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("a,b\n1,2\n", "no churn table"),
        ("a,Churn\n1\n", "line 2: 1 fields"),
        ("a,Churn\n1,0\n2,perhaps\n", "line 3, field Churn"),
        ("a,Churn\n1,0\n2,1\n", "fewer than 5"),
        ("customer_id,date\n1,2020-01-01\n1,soon\n", "line 3, field date"),
        ("customer_id,date,dollar_value\n1,2020-01-01,NaN\n", "line 2, field dollar_value"),
        ("customer_id,date\n1,2020-01-01\n2,2020-02-01\n", "nothing is left to foretell"),
        ("x,t_x,T\n1,9,5\n", "0 <= last <= observed"),
        ("x,t_x,T\n1,much,5\n", "line 2, field t_x"),
        ("a,Churn\n", "no rows"),
    ],
)
def test_a_broken_file_is_named_to_the_field(tmp_path: Path, text: str, wrong: str) -> None:
    file = tmp_path / "broken.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataInvalid, match=wrong) as error:
        run(file, silent)
    assert "broken.csv" in str(error.value)
