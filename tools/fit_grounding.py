"""Choose the overlap thresholds of ``agent.grounding`` on the fit half, report on the other.

    python tools/fit_grounding.py            # sweep, then report
    python tools/fit_grounding.py --wrong    # and list what is misjudged

Data: ``tests/agent/data/grounding.json``. The fit half is about short made-up passages, the
report half about the demo shop's own policies, and "unseen" about its FAQ and products. The
thresholds are chosen on the fit half alone; rules have been corrected after looking at all three.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from agent import grounding  # noqa: E402

DATA = ROOT / "tests/agent/data/grounding.json"


def judge(language: str, half: str, *, show: bool = False) -> tuple[int, int, int, int]:
    """True positives, false positives, false negatives, true negatives of "supported"."""
    data = json.loads(DATA.read_text(encoding="utf-8"))
    sources = {s["id"]: grounding.Source(s["id"], s["text"], s["title"]) for s in data["sources"][language]}
    counts = [0, 0, 0, 0]
    for item in data["items"]:
        if item["language"] != language or item["half"] != half:
            continue
        [claim] = grounding.check([item["sentence"]], [sources[i] for i in data["groups"][item["sources"]]])
        said = claim.supported and claim.needs_source
        counts[(0 if item["supported"] else 1) if said else (2 if item["supported"] else 3)] += 1
        if show and said != item["supported"]:
            print(
                f"    {'missed' if item['supported'] else 'LET THROUGH'} ({claim.reason}): {item['sentence']}"
            )
    return counts[0], counts[1], counts[2], counts[3]


def main() -> None:
    """Sweep the thresholds, then report each half."""
    for language, name in (("en", "THRESHOLD_EN"), ("zh", "THRESHOLD_ZH")):
        chosen = getattr(grounding, name)
        for tenths in range(30, 95, 5):
            setattr(grounding, name, tenths / 100)
            tp, fp, fn, _ = judge(language, "fit")
            mark = "  <- chosen" if abs(tenths / 100 - chosen) < 1e-9 else ""
            print(
                f"{language} {tenths / 100:.2f}: precision {tp / (tp + fp):.3f} recall {tp / (tp + fn):.3f}{mark}"
            )
        setattr(grounding, name, chosen)
        halves = sorted({i["half"] for i in json.loads(DATA.read_text(encoding="utf-8"))["items"]})
        for half in halves:
            start = time.perf_counter()
            tp, fp, fn, tn = judge(language, half, show="--wrong" in sys.argv)
            each = (time.perf_counter() - start) / (tp + fp + fn + tn) * 1000
            print(
                f"{language} {half}: precision {tp / (tp + fp):.3f} recall {tp / (tp + fn):.3f} "
                f"(tp {tp} fp {fp} fn {fn} tn {tn}), {each:.1f} ms a sentence with its sources prepared"
            )


if __name__ == "__main__":
    main()
