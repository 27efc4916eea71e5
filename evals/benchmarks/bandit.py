"""What another policy would have earned: Open Bandit's logs, and Hillstrom's e-mails.

A file is recognised by its columns:

- a bandit log by ``item_id``, ``position``, ``click`` and ``propensity_score``; logs of one folder
  are held against each other, each policy named by its file (``bts_log.csv.gz``);
- an e-mail test by ``segment`` and ``visit``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evals.benchmarks.report import Anchor, BenchmarkReport, DataInvalid, Figure, Progress
from evals.benchmarks.tables import Matrix, Measured, Table, foretell, matrix, read_tables
from evals.benchmarks.uplift import Ranking
from evals.policy_value import (
    MOST_WEIGHT,
    RESAMPLES,
    SEED,
    Estimate,
    PropensityInvalid,
    action_means,
    clipped_ips,
    dr,
    importance_weights,
    ips,
    percentile,
    snips,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LOG = ("item_id", "position", "click", "propensity_score")
ITEMS = ("item_id", "item_feature_0")
TEST = ("segment", "visit")
OUTCOMES = ("visit", "conversion", "spend")
NOT_INPUTS = ("row", "segment", "history_segment", *OUTCOMES)
"""``history_segment`` is ``history`` again, in steps."""
CONTROLS = ("no e-mail", "no email", "none", "control")
HELD_SHARE = 0.5
"""Share of an e-mail test that is held out: the interval of an uplift is wide, so as much as the fit."""
BUDGET = 0.5
"""Share of customers a limited budget reaches."""

WHOLE = {"mens e-mail": 0.1828, "womens e-mail": 0.1514, "no e-mail": 0.1062}
"""Visit rates of the whole set of 64,000, by arm."""
OBP = "zr-obp's README, small sample, campaign 'all' (not 'men'), random to bts, 10 bootstrap samples: "
ANCHORS = {
    "ips": Anchor(1.159, OBP + "ipw"),
    "dr": Anchor(0.993, OBP + "dr"),
}


def run(path: Path, progress: Progress) -> BenchmarkReport:
    """Measure on a file of one of the formats, or on all that a folder holds.

    Raises ``DataInvalid`` when a file is broken, or nothing is recognised.
    """
    logs: dict[Path, list[Log]] = {}
    tests: list[Table] = []
    notes: dict[str, None] = {}  # in order, once each
    for table in read_tables(path):
        if table.has(*LOG):
            logs.setdefault(table.file.parent, []).append(Log.of(table))
        elif table.has(*TEST):
            tests.append(table)
        elif not table.has(*ITEMS):
            notes[f"{table.file.name}: passed over, its columns are of no format that is known"] = None
    parts: list[tuple[str, Callable[[], Measured]]] = []
    for folder, found in logs.items():
        name = "" if folder == path or not path.is_dir() else folder.name
        parts.append((name or "logs", lambda name=name, found=found: _logs(name, found)))  # type: ignore[misc]
    parts += [(table.name, lambda table=table: _email_test(table)) for table in tests]  # type: ignore[misc]
    if not parts:
        raise DataInvalid(f"{path}: no bandit log ({', '.join(LOG)}) and no e-mail test ({', '.join(TEST)})")
    figures: list[Figure] = []
    details: dict[str, Any] = {}
    for name, measure in progress(parts, "data sets", len(parts)):
        measured, remarks, details[name] = measure()
        figures += measured
        notes |= dict.fromkeys(remarks)
    return BenchmarkReport(
        benchmark="bandit",
        data=path.name,
        method=(
            "The estimators of evals.policy_value (IPS, clipped at "
            f"{MOST_WEIGHT:g}, SNIPS, DR with cross-fitted, shrunken click rates per item) from one policy's log, "
            "held against the click rate in the other's; e-mail tests: a T-learner (one model per arm) fitted on "
            f"one half (seed {SEED}), its ranking and its rule judged on the other."
        ),
        figures=tuple(figures),
        notes=tuple(notes),
        details=details,
    )


# Bandit logs.


@dataclass(frozen=True)
class Log:
    """What one policy showed.

    Attributes:
        cells: A number per (position, item); positions are chosen by the page, items by the policy.
        constant: The propensity, where all are equal: then it is that of every item.
    """

    policy: str
    items: tuple[str, ...]
    positions: tuple[str, ...]
    click: Floats
    propensity: Floats
    constant: float | None

    @classmethod
    def of(cls, table: Table) -> Log:
        """Check and take a log; raises ``DataInvalid`` for a propensity that is not in (0, 1]."""
        click = table.numbers("click", low=0, high=1)
        propensity = table.numbers("propensity_score")
        try:
            importance_weights(np.zeros(len(table)), propensity)
        except PropensityInvalid as error:
            raise DataInvalid(f"{table.file}, field propensity_score: {error}") from None
        return cls(
            policy=table.name.removesuffix("_log"),
            items=tuple(table.columns["item_id"]),
            positions=tuple(table.columns["position"]),
            click=click,
            propensity=propensity,
            constant=float(propensity[0]) if np.ptp(propensity) < 1e-9 else None,
        )

    def __len__(self) -> int:
        return len(self.click)


def _logs(name: str, logs: Sequence[Log]) -> Measured:
    prefix = f"{name}, " if name else ""
    figures = [_rate(f"{prefix}{log.policy}", log) for log in logs]
    details: dict[str, Any] = {"rows": {log.policy: len(log) for log in logs}}
    if len(logs) < 2:
        return figures, ["One log alone: there is no other policy's click rate to estimate."], details
    notes = [
        "Which items a policy shows where is counted in its own log, clicks unseen, when its propensities "
        "vary: they are stored for the item shown alone, so its chance of another cannot be read off. For "
        "a policy with one constant propensity that is taken. The policies here choose without looking at "
        "the visitor; a policy that does would need its probabilities.",
        "Intervals of relative_error draw both logs anew, shares included; clicks are rare, so differences "
        "between estimators are noise unless intervals part.",
    ]
    for source, target in permutations(logs, 2):
        found, more = _estimated(prefix, source, target)
        figures += found
        details[f"{source.policy} to {target.policy}"] = more
    return figures, notes, details


def _rate(slice: str, log: Log) -> Figure:
    found = ips(np.ones(len(log)), log.click)
    return Figure("click_rate", found.value, found.low, found.high, len(log), slice, (), "")


def _estimated(prefix: str, source: Log, target: Log) -> tuple[list[Figure], dict[str, Any]]:
    """Estimate the click rate of ``target`` from the log of ``source``."""
    items, coded = _codes(source.items, target.items)
    places, placed = _codes(source.positions, target.positions)
    shown, n = coded[: len(source)], len(items)
    there, here = placed[: len(source)], placed[len(source) :]
    target_cells = here * n + coded[len(source) :]
    seen_only_there = set(target.items) - set(source.items)
    model = action_means(shown, source.click, n)
    rows = np.arange(len(source))
    predicted = model[rows, shown]
    # One row of predictions per fold and not per decision, for the many draws.
    different, same = np.unique(model, axis=0, return_inverse=True)
    truth = float(target.click.mean())

    def weighted(drawn: Ints | None) -> tuple[Floats, Floats]:
        """Weights and the model's value per row, for the target's chances by these rows of its log."""
        chances = _chances(target, target_cells, len(places), n, drawn)
        return importance_weights(chances[there, shown], source.propensity), chances

    weights, chances = weighted(None)
    baseline = (chances @ different.T)[there, same]
    found = (
        ips(weights, source.click),
        clipped_ips(weights, source.click),
        snips(weights, source.click),
        dr(weights, source.click, predicted, baseline),
    )
    random = np.random.default_rng(SEED)
    errors: list[list[float]] = []
    for _ in range(RESAMPLES):
        picked = random.integers(0, len(source), len(source))
        other = random.integers(0, len(target), len(target))
        real = float(target.click[other].mean())
        drawn, cells = weighted(other)
        w, y = drawn[picked], source.click[picked]
        clipped = np.minimum(w, MOST_WEIGHT)
        base = (cells @ different.T)[there[picked], same[picked]]
        value = base + w * (y - predicted[picked])
        values = (np.mean(w * y), np.mean(clipped * y), np.sum(w * y) / np.sum(w), np.mean(value))
        errors.append([float(each) / real - 1 if real else np.nan for each in values])
    way = f"{prefix}{source.policy} to {target.policy}"
    from_uniform = source.constant is not None
    truth_there = Anchor(truth, f"click rate in the log of {target.policy}, {len(target)} rows")
    figures: list[Figure] = []
    for place, one in enumerate(found):
        figures.append(_estimate(way, one, truth_there))
        low, high = percentile([draw[place] for draw in errors])
        figures.append(
            Figure(
                "relative_error",
                abs(one.value / truth - 1) if truth else float("nan"),
                0.0 if low <= 0 <= high else min(abs(low), abs(high)),
                max(abs(low), abs(high)),
                one.n,
                f"{way}, {one.estimator}",
                (ANCHORS[one.estimator],) if from_uniform and one.estimator in ANCHORS else (),
                "lower",
            )
        )
    size = found[0].effective_n
    figures.append(Figure("effective_sample_size", size, size, size, len(source), way, (), "higher"))
    return figures, {
        "truth": truth,
        "mean_weight": float(weights.mean()),
        "largest_weight": float(weights.max()),
        "items_without_chance": len(seen_only_there),
        "signed_relative_error": {one.estimator: one.value / truth - 1 if truth else None for one in found},
        "standard_error": {one.estimator: one.standard_error for one in found},
    }


def _codes(one: Sequence[str], other: Sequence[str]) -> tuple[list[str], Ints]:
    """All words, and the number of each of both columns."""
    words, codes = np.unique([*one, *other], return_inverse=True)
    return [str(word) for word in words], codes.astype(np.int64)


def _chances(target: Log, cells: Ints, positions: int, items: int, drawn: Ints | None) -> Floats:
    """The target's probability of each item, one row per position; at a position it never had, 0."""
    rows = np.arange(len(target)) if drawn is None else drawn
    counts = np.bincount(cells[rows], minlength=positions * items).reshape(positions, items)
    if target.constant is not None:
        known = np.bincount(cells, minlength=positions * items).reshape(positions, items).sum(axis=0) > 0
        return np.asarray(np.tile(np.where(known, min(target.constant, 1.0), 0.0), (positions, 1)))
    total = counts.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0))


def _estimate(slice: str, one: Estimate, *anchors: Anchor, name: str = "click_rate") -> Figure:
    return Figure(name, one.value, one.low, one.high, one.n, f"{slice}, {one.estimator}", anchors, "")


# E-mail tests.


@dataclass(frozen=True)
class Arms:
    """An e-mail test's held-out half.

    Attributes:
        names: The arms, the one without an e-mail first.
        arm: Each customer's, by number.
        shares: Each arm's share of the whole test: the propensity, since arms were drawn by chance.
    """

    names: tuple[str, ...]
    arm: Ints
    visit: Floats
    shares: Floats


def _email_test(table: Table) -> Measured:
    from sklearn.model_selection import train_test_split

    words = [text.strip() for text in table.columns["segment"]]
    none = next((word for word in sorted(set(words)) if word.lower() in CONTROLS), None)
    names = tuple(sorted(set(words), key=lambda word: (word != none, word)))
    if none is None or len(names) < 2:
        raise DataInvalid(f"{table.file}, field segment: an arm without an e-mail and one with are needed")
    arm = np.array([names.index(word) for word in words])
    visit = table.numbers("visit", low=0, high=1)
    inputs, varied = matrix(table, NOT_INPUTS)
    kinds = arm * 2 + (visit > 0)
    if np.unique(kinds, return_counts=True)[1].min() < 2 or len(np.unique(kinds)) < 2 * len(names):
        raise DataInvalid(f"{table.file}: every arm needs customers who visited, and who did not")
    fitted_on, held = train_test_split(
        np.arange(len(arm)), test_size=HELD_SHARE, random_state=SEED, stratify=kinds
    )
    test = Arms(names, arm[held], visit[held], np.bincount(arm) / len(arm))
    figures: list[Figure] = []
    details: dict[str, Any] = {
        "rows": len(arm),
        "held_out": len(held),
        "arms": dict(zip(names, (float(share) for share in test.shares), strict=True)),
    }
    for model, make in (("logistic", _logistic), ("gradient boosting", _boosting)):
        chances = np.empty((len(held), len(names)))
        for number in range(len(names)):
            rows = fitted_on[arm[fitted_on] == number]
            seen = inputs.values[rows]
            chances[:, number] = foretell(make(inputs), seen, visit[rows] > 0, inputs.values[held])
        figures += _ranked(table.name, model, test, chances)
        found, details[model] = _rules(table.name, model, test, chances)
        figures += found
    figures += _plain_rules(table.name, test)
    notes = [
        f"{table.file.name}: half of it ({len(held)} customers) is held out; the arms' shares are taken as "
        "propensities, since the arms were drawn by chance. Rules count visits and no cost of an e-mail, so "
        "that an e-mail to everybody is hard to beat; the rules with a budget reach "
        f"{BUDGET:.0%} of the customers.",
        "Qini is in visits per treated customer over a random order; there is one split, and intervals leave "
        "out what another would add.",
    ]
    if varied:
        notes.append(f"{table.file.name}: columns left out, too many different words: {', '.join(varied)}")
    return figures, notes, details


def _logistic(inputs: Matrix) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    return make_pipeline(
        ColumnTransformer(
            [
                ("numbers", numbers, inputs.where(categorical=False)),
                ("words", OneHotEncoder(handle_unknown="ignore"), inputs.where(categorical=True)),
            ]
        ),
        LogisticRegression(max_iter=2000),
    )


def _boosting(inputs: Matrix) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    # Small trees and slow steps: the difference of two models is fragile.
    return HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_leaf_nodes=8,
        min_samples_leaf=100,
        categorical_features=list(inputs.categorical),
        random_state=SEED,
    )


def _ranked(name: str, model: str, test: Arms, chances: Floats) -> list[Figure]:
    """Qini and AUUC of each e-mail against none."""
    figures = []
    for number in range(1, len(test.names)):
        rows = np.flatnonzero((test.arm == 0) | (test.arm == number))
        treated, visit = test.arm[rows] == number, test.visit[rows]
        ranking = Ranking.of(chances[rows, number] - chances[rows, 0], treated, visit)
        effect = float(visit[treated].mean() - visit[~treated].mean())
        random = np.random.default_rng(SEED)
        drawn = []
        for _ in range(RESAMPLES):
            counts = np.bincount(random.integers(0, len(rows), len(rows)), minlength=len(rows)).astype(float)
            drawn.append((ranking.qini(counts), ranking.auuc(counts)))
        part = f"{name}, {test.names[number]}, {model}"
        for figure, value, draws, by_chance in (
            ("qini", ranking.qini(), [one for one, _ in drawn], 0.0),
            ("auuc", ranking.auuc(), [one for _, one in drawn], effect / 2),
        ):
            anchor = Anchor(by_chance, "a random order")
            figures.append(Figure(figure, value, *percentile(draws), len(rows), part, (anchor,), "higher"))
    return figures


def _rules(name: str, model: str, test: Arms, chances: Floats) -> tuple[list[Figure], dict[str, Any]]:
    """Expected visits of two rules, and how much more than by the best e-mail to everybody."""
    n, arms = chances.shape
    best = chances.argmax(axis=1)
    mail = 1 + chances[:, 1:].argmax(axis=1)
    gain = chances[np.arange(n), mail] - chances[:, 0]
    reached = np.zeros(n, bool)
    reached[np.argsort(-gain, kind="stable")[: round(n * BUDGET)]] = True
    to_all = np.zeros((n, arms))
    to_all[:, 1 + int(chances[:, 1:].mean(axis=0).argmax())] = 1.0
    common = np.argmax(to_all[0])
    half_at_random = np.zeros((n, arms))
    half_at_random[:, common], half_at_random[:, 0] = BUDGET, 1 - BUDGET
    rules = {
        "best arm for each": (np.eye(arms)[best], to_all, "one e-mail to all"),
        f"best {BUDGET:.0%} by uplift": (
            np.eye(arms)[np.where(reached, mail, 0)],
            half_at_random,
            f"one e-mail to {BUDGET:.0%} at random",
        ),
    }
    figures: list[Figure] = []
    for rule, (chosen, other, versus) in rules.items():
        part = f"{name}, {rule}, {model}"
        figures += [_estimate(part, one, name="visit_rate") for one in _visits(test, chosen, chances)]
        # The same customers under both, so that what they share cancels out.
        ahead = (_weights(test, chosen) - _weights(test, other)) * test.visit
        one = ips(np.ones(n), ahead)
        figures.append(
            Figure(
                "visits_gained", one.value, one.low, one.high, n, f"{part}, over {versus}, ips", (), "higher"
            )
        )
    return figures, {
        "to_everybody": test.names[int(common)],
        "chosen": {word: float(np.mean(best == number)) for number, word in enumerate(test.names)},
    }


def _plain_rules(name: str, test: Arms) -> list[Figure]:
    n, arms = len(test.arm), len(test.names)
    rules: Mapping[str, Floats] = {
        **{f"{word} to all": np.tile(np.eye(arms)[number], (n, 1)) for number, word in enumerate(test.names)},
        "an arm at random": np.full((n, arms), 1 / arms),
    }
    anchors = {
        f"{word} to all": (Anchor(WHOLE[word.lower()], "the whole set of 64,000"),)
        for word in test.names
        if word.lower() in WHOLE
    }
    return [
        _estimate(f"{name}, {rule}", one, *anchors.get(rule, ()), name="visit_rate")
        for rule, chosen in rules.items()
        for one in _visits(test, chosen, None)
    ]


def _visits(test: Arms, chosen: Floats, chances: Floats | None) -> list[Estimate]:
    weights = _weights(test, chosen)
    found = [ips(weights, test.visit), snips(weights, test.visit)]
    if chances is not None:
        predicted = chances[np.arange(len(test.arm)), test.arm]
        found.append(dr(weights, test.visit, predicted, (chosen * chances).sum(axis=1)))
    return found


def _weights(test: Arms, chosen: Floats) -> Floats:
    return importance_weights(chosen[np.arange(len(test.arm)), test.arm], test.shares[test.arm])
