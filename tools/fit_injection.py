"""Fit the weights of ``agent/injection.py`` on ``agent/data/injection.yaml``, and measure by cross-validation.

python tools/fit_injection.py            # measure
python tools/fit_injection.py --write    # fit, write agent/data/injection.npz, measure
python tools/fit_injection.py --wrong    # and list what is misread
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from agent import injection  # noqa: E402
from agent.injection import SIGNALS, Vectors, Weights  # noqa: E402
from retrieval.e5 import E5Embedder  # noqa: E402

DATA = ROOT / "agent/data/injection.yaml"
SEED, FOLDS = 7, 8
LIKENESS_PENALTY, SIGNAL_PENALTY = 2e-4, 0.003
"""L2 penalties, per example. A unit vector's weights must grow large before they tell anything."""

CUT = math.log(injection.THRESHOLD / (1 - injection.THRESHOLD))

Floats = NDArray[np.float64]


def read() -> list[tuple[str, str, bool]]:
    """(language, text, attack) of every example."""
    raw = yaml.safe_load(DATA.read_text(encoding="utf-8"))
    return [
        (language, text, kind == "attack")
        for kind, by_language in raw.items()
        for language, texts in by_language.items()
        for text in texts
    ]


def logistic(x: Floats, y: Floats, penalty: float, floor: Floats | None = None) -> Floats:
    """Weights and bias by Newton's method; ``floor`` holds weights that may not go below it."""
    design = np.column_stack([x, np.ones(len(x))])
    ridge = penalty * len(x) * np.diag([1.0] * x.shape[1] + [0.0])
    free = np.ones(design.shape[1], bool)
    weights = np.zeros(design.shape[1])
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(design @ weights, -50, 50)))
        slope = (design.T @ (y - p) - ridge @ weights)[free]
        curve = ((design.T * (p * (1 - p))) @ design + ridge)[np.ix_(free, free)]
        step = np.linalg.solve(curve, slope)
        weights[free] += step
        if floor is not None and (low := weights[:-1] < floor).any():
            weights[:-1][low] = floor[low]
            free[:-1] &= ~low
        elif np.abs(step).max() < 1e-9:
            break
    return weights


def fit(signals: Floats, vectors: Floats, y: Floats, probe: Vectors) -> Weights:
    """All weights. Likeness joins by what it says of examples it was not fitted on."""
    mean = vectors.mean(axis=0)
    folds = np.random.default_rng(SEED).permutation(len(y)) % FOLDS
    like = np.zeros(len(y))
    for fold in range(FOLDS):
        seen = folds != fold
        w = logistic(vectors[seen] - mean, y[seen], LIKENESS_PENALTY)
        like[~seen] = (vectors[~seen] - mean) @ w[:-1] + w[-1]
    # A sign of attacks may not count as a sign of the contrary because few examples have it.
    floor = np.array([-np.inf if name in injection.CALMING else 0.0 for name in SIGNALS])
    alone = logistic(signals, y, SIGNAL_PENALTY, floor)
    # A signal is precise where likeness errs: by themselves signals are held against a half.
    alone[-1] += CUT
    joined = logistic(np.column_stack([signals, like]), y, SIGNAL_PENALTY, np.append(floor, 0.0))
    joined = np.concatenate([joined[:-2], joined[-1:], joined[-2:-1]])
    own = logistic(vectors - mean, y, LIKENESS_PENALTY)
    return Weights(*(np.asarray(part, np.float32) for part in (alone, joined, own, mean, probe)))


def scores(weights: Weights, signals: Floats, vectors: Floats) -> tuple[Floats, Floats]:
    """Log-odds without and with likeness."""
    like = np.array([injection.likeness(v[None].astype(np.float32), weights) for v in vectors])
    alone = signals @ weights.alone[:-1] + weights.alone[-1]
    return alone, signals @ weights.joined[:-2] + weights.joined[-2] + like * weights.joined[-1]


def main() -> None:
    """Measure, and with ``--write`` fit and write."""
    examples = read()
    embedder = E5Embedder()
    plain = [injection.plain(text) for _, text, _ in examples]
    signals = np.array([injection.row(text) for text in plain], np.float64)
    vectors = np.array([embedder.embed_query(text) for text in plain])
    probe = np.asarray(embedder.embed_query(injection.PROBE), np.float32)
    y = np.array([attack for _, _, attack in examples], np.float64)
    folds = np.random.default_rng(SEED + 1).permutation(len(y)) % FOLDS
    guess = np.zeros((2, len(y)))
    for fold in range(FOLDS):
        seen = folds != fold
        weights = fit(signals[seen], vectors[seen], y[seen], probe)
        guess[:, ~seen] = scores(weights, signals[~seen], vectors[~seen])
    for name, row in zip(("signals alone", "with likeness"), guess, strict=True):
        for language in ("en", "zh"):
            here = np.array([one == language for one, _, _ in examples])
            hit, false = (row > CUT)[here & (y == 1)].mean(), (row > CUT)[here & (y == 0)].mean()
            print(f"{name}, {language}: recall {hit:.3f}, false alarms {false:.3f} of {here.sum()}")
        if "--wrong" in sys.argv:
            for (_, text, attack), value, on in zip(examples, row, signals, strict=True):
                if (value > CUT) != attack:
                    seen_signals = [n for n, s in zip(SIGNALS, on, strict=True) if s]
                    print(
                        f"   {'missed' if attack else 'false alarm'} {value:.1f} {seen_signals} {text[:90]!r}"
                    )
    weights = fit(signals, vectors, y, probe)
    if "--write" in sys.argv:
        np.savez_compressed(
            injection.WEIGHTS, **{name: getattr(weights, name) for name in Weights.__dataclass_fields__}
        )
    for name, alone, joined in zip(SIGNALS, weights.alone, weights.joined, strict=False):
        print(f"{name:18s} {alone:6.2f} {joined:6.2f}")
    print(f"threshold {injection.THRESHOLD:g}")
    print(
        f"{'bias':18s} {weights.alone[-1]:6.2f} {weights.joined[-2]:6.2f}   likeness {weights.joined[-1]:.2f}"
    )


if __name__ == "__main__":
    main()
