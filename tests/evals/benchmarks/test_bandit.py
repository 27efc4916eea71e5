from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from evals.benchmarks import bandit
from evals.benchmarks.bandit import run
from evals.benchmarks.report import BenchmarkReport, DataInvalid, Figure, silent
from evals.benchmarks.uplift import Ranking

Floats = NDArray[np.float64]
CLICKS = np.array([0.05, 0.1, 0.2, 0.4, 0.6])
# What the learnt policy shows at two positions.
CHOSEN = np.array([[0.05, 0.05, 0.1, 0.2, 0.6], [0.1, 0.1, 0.2, 0.5, 0.1]])


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals of a fifth of the draws, so that the tests are fast."""
    monkeypatch.setattr(bandit, "RESAMPLES", 200)


def write(file: Path, header: str, rows: Iterable[Sequence[object]]) -> Path:
    text = "\n".join([header, *(",".join(str(value) for value in row) for row in rows)]) + "\n"
    if file.suffix == ".gz":
        file.write_bytes(gzip.compress(text.encode()))
    else:
        file.write_text(text, encoding="utf-8")
    return file


def write_log(file: Path, chances: Floats, seed: int, n: int = 4000) -> Path:
    random = np.random.default_rng(seed)
    place = random.integers(0, 2, n)
    item = (random.random((n, 1)) > chances[place].cumsum(axis=1)).sum(axis=1)
    click = random.random(n) < CLICKS[item]
    rows = [
        (row, f"i{one}", where + 1, int(hit), chances[where, one])
        for row, (one, where, hit) in enumerate(zip(item, place, click, strict=True))
    ]
    return write(file, ",item_id,position,click,propensity_score", rows)


def figure(report: BenchmarkReport, name: str, part: str) -> Figure:
    (found,) = [one for one in report.figures if one.name == name and one.slice == part]
    return found


def test_each_logs_policy_is_valued_from_the_others_log(tmp_path: Path) -> None:
    write_log(tmp_path / "random_log.csv.gz", np.full((2, 5), 0.2), 1)
    write_log(tmp_path / "learnt_log.csv", CHOSEN, 2)
    write(tmp_path / "random_items.csv", "item_id,item_feature_0", [("i0", 1)])
    report = run(tmp_path, silent)
    truth = {"random": CLICKS.mean(), "learnt": float((CHOSEN * CLICKS).sum(axis=1).mean())}
    assert truth["learnt"] > truth["random"] + 0.05
    for source, target in (("random", "learnt"), ("learnt", "random")):
        way = f"{source} to {target}"
        for estimator in ("ips", "snips", "dr"):
            one = figure(report, "click_rate", f"{way}, {estimator}")
            assert one.low < truth[target] < one.high, (way, estimator)
            error = figure(report, "relative_error", f"{way}, {estimator}")
            assert error.low <= error.value <= error.high
            assert error.value < 0.15
        assert report.details["logs"][way]["mean_weight"] == pytest.approx(1, abs=0.06)
        size = figure(report, "effective_sample_size", way).value
        assert 500 < size < 3500
    assert report.notes


def test_the_weights_of_a_uniform_log_are_the_targets_shares(tmp_path: Path) -> None:
    # Item b is clicked, a is not; the target shows b three times of four.
    random = [("a", 1, 0, 0.5), ("b", 1, 1, 0.5)] * 50
    learnt = [("a", 1, 0, 0.2), ("b", 1, 1, 0.8), ("b", 1, 1, 0.7), ("b", 1, 0, 0.7)] * 25
    header = "item_id,position,click,propensity_score"
    write(tmp_path / "random_log.csv", header, random)
    write(tmp_path / "learnt_log.csv", header, learnt)
    report = run(tmp_path, silent)
    assert figure(report, "click_rate", "random to learnt, ips").value == pytest.approx(0.75)
    assert figure(report, "relative_error", "random to learnt, ips").value == pytest.approx(0.5)
    assert figure(report, "effective_sample_size", "random to learnt").value == pytest.approx(80)


def test_a_constant_propensity_is_taken_and_not_counted(tmp_path: Path) -> None:
    random = [("a", 1, 0, 0.5)] * 60 + [("b", 1, 1, 0.5)] * 40  # by chance not half and half
    learnt = [("a", 1, 0, 0.2), ("b", 1, 1, 0.8), ("b", 1, 1, 0.5), ("b", 1, 0, 0.5)] * 25
    header = "item_id,position,click,propensity_score"
    write(tmp_path / "random_log.csv", header, random)
    write(tmp_path / "learnt_log.csv", header, learnt)
    estimate = figure(run(tmp_path, silent), "click_rate", "learnt to random, ips")
    assert estimate.value == pytest.approx((0.5 / 0.8 + 0.5 / 0.5) / 4)
    assert estimate.anchors[0].value == 0.4


def test_a_log_alone_has_nothing_to_be_held_against(tmp_path: Path) -> None:
    report = run(write_log(tmp_path / "log.csv", CHOSEN, 3, n=200), silent)
    assert [one.name for one in report.figures] == ["click_rate"]
    assert "One log alone" in report.notes[0]


@pytest.mark.parametrize("propensity", ["0", "", "nan", "1.01"])
def test_a_log_without_a_propensity_is_refused(tmp_path: Path, propensity: str) -> None:
    rows = [("a", 1, 0, 0.5), ("b", 1, 1, propensity)]
    file = write(tmp_path / "log.csv", "item_id,position,click,propensity_score", rows)
    with pytest.raises(DataInvalid, match="propensity_score"):
        run(file, silent)


def moved(n: int, share: float, by: float, seed: int) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Customers of whom a share is moved; returns true uplift, treatment and outcome."""
    random = np.random.default_rng(seed)
    uplift = np.where(random.random(n) < share, by, 0.0)
    treated = random.random(n) < 0.5
    return uplift, treated, (random.random(n) < 0.2 + uplift * treated).astype(float)


def test_qini_of_a_perfect_a_random_and_an_upside_down_ranking() -> None:
    uplift, treated, outcome = moved(60000, 0.3, 0.5, 4)
    # The curve climbs to by x share at the share and stays: a triangle above the diagonal.
    area = 0.5 * 0.3 * (1 - 0.3) / 2
    best = Ranking.of(uplift, treated, outcome)
    assert best.qini() == pytest.approx(area, abs=0.004)
    assert best.auuc() == pytest.approx(area + 0.5 * 0.3 / 2, abs=0.004)
    assert Ranking.of(-uplift, treated, outcome).qini() == pytest.approx(-area, abs=0.004)
    by_chance = Ranking.of(np.random.default_rng(5).random(60000), treated, outcome)
    assert by_chance.qini() == pytest.approx(0, abs=0.004)
    assert by_chance.auuc() == pytest.approx(0.5 * 0.3 / 2, abs=0.004)


def test_equal_predictions_have_no_order() -> None:
    _, treated, outcome = moved(500, 0.5, 0.6, 6)
    order = np.argsort(-outcome)
    assert Ranking.of(np.ones(500), treated[order], outcome[order]).qini() == pytest.approx(0)


def test_a_bootstrap_sample_counts_like_its_rows() -> None:
    uplift, treated, outcome = moved(300, 0.5, 0.6, 7)
    rows = np.random.default_rng(8).integers(0, 300, 300)
    counts = np.bincount(rows, minlength=300).astype(float)
    drawn = Ranking.of(uplift[rows], treated[rows], outcome[rows])
    assert Ranking.of(uplift, treated, outcome).qini(counts) == pytest.approx(drawn.qini())
    assert Ranking.of(uplift, treated, outcome).auuc(counts) == pytest.approx(drawn.auuc())


def email_test(file: Path, n: int, seed: int, *, moves: bool) -> Path:
    """Letter A draws the young and puts off the old, letter B the other way round."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(n):
        young, arm = int(random.random() < 0.5), random.choice(["Letter A", "Letter B", "No E-Mail"])
        suits = (arm == "Letter A") == bool(young)
        gain = 0.0 if arm == "No E-Mail" or not moves else (0.3 if suits else -0.15)
        rows.append((number, young, random.choice(["Web", "Phone"]), arm, int(random.random() < 0.3 + gain)))
    return write(file, "row,young,channel,segment,visit", rows)


def test_a_rule_that_sends_what_suits_beats_one_letter_for_all(tmp_path: Path) -> None:
    report = run(email_test(tmp_path / "mail.csv.gz", 4000, 9, moves=True), silent)
    for letter in ("Letter A", "Letter B"):
        assert figure(report, "qini", f"mail, {letter}, logistic").low > 0
        assert figure(report, "auuc", f"mail, {letter}, logistic").low > 0
    rule = "mail, best arm for each, logistic"
    assert figure(report, "visit_rate", f"{rule}, ips").value == pytest.approx(0.6, abs=0.06)
    assert figure(report, "visit_rate", f"{rule}, dr").value == pytest.approx(0.6, abs=0.06)
    assert figure(report, "visits_gained", f"{rule}, over one e-mail to all, ips").low > 0.1
    assert figure(report, "visit_rate", "mail, Letter A to all, snips").value == pytest.approx(
        0.375, abs=0.05
    )
    assert figure(report, "visit_rate", "mail, an arm at random, ips").value == pytest.approx(0.35, abs=0.05)


def test_a_letter_that_moves_nobody_gains_nothing(tmp_path: Path) -> None:
    report = run(email_test(tmp_path / "mail.csv", 3000, 10, moves=False), silent)
    for one in report.figures:
        if one.name in ("qini", "visits_gained") and "logistic" in one.slice:
            assert one.low < 0.02
            assert one.high > -0.02
            assert abs(one.value) < 0.05


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("a,b\n1,2\n", "no bandit log"),
        ("age,segment,visit\n1,A,0\n2,B,1\n", "field segment"),
        ("age,segment,visit\n1,A,0\n2,No E-Mail,2\n", "line 3, field visit"),
        ("age,segment,visit\n1,A,0\n2,No E-Mail,1\n", "every arm needs"),
        ("item_id,position,click,propensity_score\na,1,yes,0.5\n", "line 2, field click"),
    ],
)
def test_a_broken_file_is_named_to_the_field(tmp_path: Path, text: str, wrong: str) -> None:
    file = tmp_path / "broken.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataInvalid, match=wrong):
        run(file, silent)
