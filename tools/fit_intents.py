"""Fit the intent classifier from ``agent/data/intents.yaml`` and say how good it is.

python tools/fit_intents.py            # compare settings by cross-validation
python tools/fit_intents.py --write    # fit with the chosen setting, write agent/data/intents.npz
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from agent import intents  # noqa: E402
from retrieval.e5 import E5Embedder  # noqa: E402

SEED = 7
HELD_OUT = ROOT / "tests/agent/data/intents_heldout.yaml"


def embed(texts: list[str]) -> intents.Vectors:
    """Query vectors, normalised as the reader does."""
    embedder = E5Embedder()
    return np.asarray([embedder.embed_query(intents.normalise(text)) for text in texts], np.float32)


def nearest(train: intents.Vectors, labels: list[str], test: intents.Vectors) -> list[str]:
    """The plain alternative: mean similarity of the three nearest examples of each intent."""
    names = sorted(set(labels))
    similar = test @ train.T
    columns = {name: [i for i, label in enumerate(labels) if label == name] for name in names}
    scores = np.stack([np.sort(similar[:, columns[n]], axis=1)[:, -3:].mean(axis=1) for n in names], axis=1)
    return [names[i] for i in scores.argmax(axis=1)]


def main() -> None:
    """Compare settings, or fit, write and measure."""
    examples = intents.rules().examples
    labels = [intent for intent, _, _ in examples]
    texts = [text for _, _, text in examples]
    vectors = embed(texts)
    if "--write" in sys.argv:
        fitted = intents.fit(vectors, labels, probe=embed([intents.PROBE])[0])
        np.savez_compressed(
            intents.WEIGHTS,
            intents=np.array(fitted.intents),
            matrix=fitted.matrix.astype(np.float16),
            bias=fitted.bias.astype(np.float16),
            mean=fitted.mean.astype(np.float16),
            pattern=np.float32(fitted.pattern),
            probe=fitted.probe.astype(np.float16),
        )
        print(f"{intents.WEIGHTS.name}: {intents.WEIGHTS.stat().st_size / 1000:.0f} kB")
        intents.load.cache_clear()
        held = yaml.safe_load(HELD_OUT.read_text(encoding="utf-8"))["single"]
        for language in ("en", "zh"):
            asked = [(i, t) for i, by in held.items() for t in by[language]]
            p = intents.load().probabilities(embed([t for _, t in asked]), [t for _, t in asked])
            best = [intents.load().intents[k] for k in p.argmax(axis=1)]
            right = [guess == i for guess, (i, _) in zip(best, asked, strict=True)]
            near = nearest(vectors, list(labels), embed([t for _, t in asked]))
            plain = np.mean([guess == i for guess, (i, _) in zip(near, asked, strict=True)])
            print(
                f"held out, {language}: {np.mean(right):.3f} of {len(right)} (top-3 mean alone {plain:.3f})"
            )
            for guess, (i, t), row in zip(best, asked, p, strict=True):
                if guess != i:
                    print(f"    {i} read as {guess} {row.max():.2f}: {t}")
        return
    folds = np.random.default_rng(SEED).permutation(len(texts)) % 10
    plain = np.zeros(len(texts), bool)
    for fold in range(10):
        test = folds == fold
        train = [label for label, out in zip(labels, test, strict=True) if not out]
        plain[test] = [
            a == b
            for a, b in zip(
                nearest(vectors[~test], list(train), vectors[test]),
                [label for label, out in zip(labels, test, strict=True) if out],
                strict=True,
            )
        ]
    print(f"top-3 mean: {plain.mean():.3f}")
    for penalty in (1e-5, 3e-5, 1e-4, 3e-4, 1e-3):
        hits = dict.fromkeys((0.0, 1.0, 2.0, 3.0, 4.0), 0)
        for fold in range(10):
            test = folds == fold
            train = [label for label, out in zip(labels, test, strict=True) if not out]
            unseen = [text for text, out in zip(texts, test, strict=True) if out]
            gold = [label for label, out in zip(labels, test, strict=True) if out]
            fitted = intents.fit(vectors[~test], train, probe=vectors[0], penalty=penalty, seed=SEED)
            for pattern in hits:
                p = replace(fitted, pattern=pattern).probabilities(vectors[test], unseen)
                hits[pattern] += sum(
                    fitted.intents[k] == g for k, g in zip(p.argmax(axis=1), gold, strict=True)
                )
        shares = "  ".join(f"pattern {k:g}: {v / len(texts):.3f}" for k, v in hits.items())
        print(f"penalty {penalty:g}  {shares}")


if __name__ == "__main__":
    main()
