"""Fit the intent classifier and say how good it is.

Fitted on the examples of ``agent/data/intents.yaml`` and on the training part of the seed
dialogues; measured on the dialogues held out and on ``tests/agent/data/intents_heldout.yaml``.

python tools/fit_intents.py            # compare settings
python tools/fit_intents.py --write    # fit with the chosen setting, write agent/data/intents.npz
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from agent import intents  # noqa: E402
from agent.events import Intent  # noqa: E402
from finetune.example import Part  # noqa: E402
from finetune.fill import filled_turns  # noqa: E402
from retrieval.e5 import E5Embedder  # noqa: E402

SEED = 7
HELD_OUT = ROOT / "tests/agent/data/intents_heldout.yaml"


@dataclass(frozen=True)
class Line:
    """A message, the shop's line before it, and what it asks for."""

    language: str
    text: str
    before: str
    wants: tuple[Intent, ...]


def dialogue_lines(side: Part) -> list[Line]:
    """The shoppers' messages of one part of the seed dialogues, filled in."""
    return [
        Line(one.dialogue.language, one.said, one.before[-intents.BEFORE :], one.turn.want)
        for one in filled_turns(side, seed=SEED)
    ]


def embed(lines: Sequence[Line]) -> intents.Vectors:
    """Vectors of messages and of the lines before them, as the reader makes them."""
    embedder = E5Embedder()

    def vectors(texts: list[str]) -> intents.Vectors:
        rows = [embedder.embed_query(intents.normalise(text)) if text else [0.0] * 384 for text in texts]
        return np.asarray(rows, np.float32)

    return intents.paired(vectors([line.text for line in lines]), vectors([line.before for line in lines]))


def report(name: str, weights: intents.Weights, vectors: intents.Vectors, lines: Sequence[Line]) -> None:
    """Print the share of messages whose main intent is read right, by language."""
    best = weights.probabilities(vectors, [line.text for line in lines]).argmax(axis=1)
    for language in ("en", "zh"):
        rows = [
            (weights.intents[k], line)
            for k, line in zip(best, lines, strict=True)
            if line.language == language
        ]
        main = np.mean([guess == line.wants[0] for guess, line in rows])
        any_ = np.mean([guess in line.wants for guess, line in rows])
        print(f"{name}, {language}: main intent {main:.3f}, one of those asked {any_:.3f} of {len(rows)}")


def main() -> None:
    """Compare settings, or fit, write and measure."""
    examples = [Line(language, text, "", (intent,)) for intent, language, text in intents.rules().examples]
    held = yaml.safe_load(HELD_OUT.read_text(encoding="utf-8"))["single"]
    single = [
        Line(language, text, "", (intent,))
        for intent, by in held.items()
        for language in by
        for text in by[language]
    ]
    learnt, tested = [*examples, *dialogue_lines("train")], dialogue_lines("test")
    vectors, labels = embed(learnt), [line.wants for line in learnt]
    test, held_out = embed(tested), embed(single)
    probe = embed([Line("en", intents.PROBE, "", ("order_status",))])[0][:384]
    if "--write" not in sys.argv:
        for penalty in (3e-6, 1e-5, 3e-5):
            fitted = intents.fit(vectors, labels, probe=probe, penalty=penalty)
            for pattern in (0.5, 1.0, 1.5, 2.0):
                print(f"penalty {penalty:g}, pattern {pattern:g}")
                report("  dialogues", replace(fitted, pattern=pattern), test, tested)
                report("  single messages", replace(fitted, pattern=pattern), held_out, single)
        return
    fitted = intents.fit(vectors, labels, probe=probe)
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
    report("dialogues", intents.load(), test, tested)
    report("single messages", intents.load(), held_out, single)


if __name__ == "__main__":
    main()
