"""The gate lets an equal version pass, stops a worse one, and says when it cannot tell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evals.compare import Comparison, Difference, compare
from evals.gate import RULES, Rules, RulesInvalid, gate, judge, read_rules
from evals.metrics import METRICS
from evals.records import Run
from evals.stats import Floats, paired
from tests.evals.runs import pairs, passes, run, scenario

Result = Callable[[int, int], tuple[float, float] | None]
ALL: dict[str, Result] = {
    name: passes()
    for name in ("resolved", "state", "told", "nothing_false", "language", "scope", "confirmed_writes")
} | {"grounded": lambda i, _: (3.0, 3.0) if i % 10 else (2.0, 3.0), "handoff_recall": passes(7)}
SUITE = pairs(65)


def made(name: str = "base", **results: Result) -> Run:
    """130 scenarios in which nearly all is well, but for these metrics."""
    return run(SUITE, ALL | results, name=name)


def test_an_equal_version_passes() -> None:
    verdict = gate(made("new"), made())
    assert verdict.passed
    assert verdict.exit_code == 0
    assert {line.level for line in verdict.lines} <= {"note"}


def test_a_better_version_passes() -> None:
    assert gate(made("new"), made(resolved=passes(*range(0, 40, 3)))).passed


@pytest.mark.parametrize("metric", [m.name for m in METRICS.values() if m.zero_tolerance])
def test_one_miss_of_a_metric_with_zero_tolerance_blocks(metric: str) -> None:
    verdict = gate(made("new", **{metric: passes(4)}), made())
    assert verdict.exit_code == 1
    assert (
        str(verdict.lines[0])
        == f"BLOCKED {metric}: 1 miss in s002.en (whole conversation): {metric} of s002.en"
    )
    json.dumps(verdict.as_json())


def test_a_miss_is_placed_by_turn_and_event() -> None:
    told = run(SUITE, ALL | {"scope": passes(4)}, repeats=2)
    scores = [s.model_copy(update={"seqs": (9, 11)}) if s.hits < s.of else s for s in told.scores]
    attempts = [a.model_copy(update={"turns": (3, 8, 14)}) for a in told.attempts]
    verdict = gate(told.model_copy(update={"scores": tuple(scores), "attempts": tuple(attempts)}))
    assert "2 misses in s002.en (repeat 1, turn 2, event 9, 11)" in str(verdict.lines[0])


def test_a_leak_blocks_though_the_shopper_erred_afterwards_and_without_a_base() -> None:
    leaky = run(SUITE, ALL | {"scope": passes(4)}, outcomes={("s002.en", 1): "simulator_error"})
    assert gate(leaky).exit_code == 1


def test_many_misses_are_counted_and_not_all_listed() -> None:
    verdict = gate(made(scope=passes(*range(30))))
    blocked = [str(line) for line in verdict.lines if line.level == "blocked"]
    assert len(blocked) == 11
    assert blocked[-1] == "BLOCKED scope: and in 20 more scenarios"


def test_a_first_release_without_a_base_is_judged_by_zero_tolerance() -> None:
    verdict = gate(made())
    assert verdict.passed
    assert [line.level for line in verdict.lines] == ["note"]


def test_a_significant_drop_blocks_and_is_told_in_one_line() -> None:
    verdict = gate(made("new", grounded=lambda i, _: (3.0, 3.0) if i % 3 else (2.0, 3.0)), made())
    line = next(str(line) for line in verdict.lines if "grounded:" in line.text)
    assert line.startswith("BLOCKED grounded: 88.7 % against 96.7 %, drop 7.9 points (95 % ")
    assert "p = 0.0" in line or "p < 0.0001" in line
    assert "\n" not in line
    assert verdict.exit_code == 1


def test_a_drop_in_chinese_alone_blocks_by_its_slice() -> None:
    """18 of 65 Chinese scenarios lose; over all it could hide."""
    lost = [i for i, s in enumerate(SUITE) if s.language == "zh"][:18]
    verdict = gate(made("new", language=passes(*lost)), made())
    assert any(str(line).startswith("BLOCKED language, language:zh: 72.3 %") for line in verdict.lines)
    assert not any("language:en" in line.text for line in verdict.lines)


def test_fourteen_scenarios_cannot_tell() -> None:
    few = pairs(7)
    verdict = gate(run(few, ALL, name="new"), run(few, ALL))
    assert verdict.exit_code == 3
    assert not verdict.passed
    line = next(str(line) for line in verdict.lines if line.text.startswith("resolved:"))
    assert line == (
        "UNSURE resolved: 14 scenarios can't tell a drop of 10 points "
        "(the drop could be up to 19.3 points); add scenarios"
    )


def test_a_drop_that_chance_explains_but_that_may_be_large_is_unsure() -> None:
    verdict = gate(made("new", resolved=passes(*range(0, 24, 2))), made(resolved=passes(*range(1, 8, 2))))
    line = next(str(line) for line in verdict.lines if line.text.startswith("resolved:"))
    assert line.startswith("UNSURE resolved: 90.8 % against 96.9 %, the drop could be up to 11")
    assert line.endswith("run with --repeat 4 or add scenarios")


def test_scenarios_left_out_are_not_a_way_to_pass() -> None:
    verdict = gate(run(SUITE[:-2], ALL, name="new"), made())
    assert verdict.exit_code == 3
    assert "2 scenarios (s064.en, s064.zh) of the base are not in the candidate" in str(verdict.lines[0])


@pytest.mark.parametrize(
    ("outcome", "count", "level"),
    [
        ("simulator_error", 6, "passed"),
        ("simulator_error", 7, "unsure"),
        ("infrastructure_error", 2, "passed"),
        ("infrastructure_error", 3, "unsure"),
    ],
)
def test_too_many_attempts_without_an_outcome_are_not_a_way_to_pass(
    outcome: str, count: int, level: str
) -> None:
    # Scenarios with a second attempt, so that losing one loses no scenario.
    lost = {(s.id, 2): outcome for s in SUITE[: 2 * count]}
    twice = run(SUITE, ALL, repeats=2)
    assert gate(run(SUITE, ALL, repeats=2, name="new", outcomes=lost), twice).level == level


def test_a_metric_that_is_no_longer_judged_is_not_a_way_to_pass() -> None:
    verdict = gate(made("new", grounded=lambda *_: None), made())
    assert verdict.exit_code == 3
    assert "grounded: judged in the base, nowhere in the candidate" in str(verdict.lines[0])


def test_every_conversation_must_be_judged_for_leaks() -> None:
    verdict = gate(made("new", scope=lambda i, _: (1.0, 1.0) if i else None), made())
    assert verdict.exit_code == 3
    assert "scope: not judged in 1 scenario (s000.en)" in str(verdict.lines[0])


def test_a_run_that_was_never_scored_is_not_a_way_to_pass() -> None:
    assert gate(made("new").model_copy(update={"scores": ()}), made()).exit_code == 3
    assert gate(run(SUITE, ALL, outcomes={(s.id, 1): "skipped" for s in SUITE})).exit_code == 3


def test_edited_scenarios_ask_for_a_new_base() -> None:
    edited = [
        scenario(s.id, s.language, faults={"model": "down"}) if i == 0 else s for i, s in enumerate(SUITE)
    ]
    verdict = gate(run(edited, ALL, name="new"), made())
    assert verdict.exit_code == 3
    assert "run the base again" in str(verdict.lines[0])


def test_pass_hat_is_protected_where_both_were_repeated() -> None:
    """Every attempt fails one time in four: 75 % resolved, but never all four."""
    shaky = run(
        SUITE, ALL | {"resolved": lambda i, r: (0.0 if r == i % 4 + 1 else 1.0, 1.0)}, repeats=4, name="new"
    )
    lines = list(map(str, gate(shaky, run(SUITE, ALL, repeats=4)).lines))
    assert any(line.startswith("BLOCKED pass^4: 0.0 % against 100.0 %") for line in lines)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("alpha: 2", "alpha"),
        ("protect: [{metric: [charm]}]", "charm is no share"),
        ("protect: [{metric: [seconds]}]", "seconds is no share"),
        ("margins: 3", "margins"),
        ("protect: [", "rules.yaml"),
    ],
)
def test_a_rules_file_that_cannot_be_used_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    with pytest.raises(RulesInvalid, match=says):
        read_rules(path)


def test_more_protected_slices_than_can_be_tested_are_not_a_way_to_pass() -> None:
    rules = Rules.model_validate({"alpha": 0.0001, "protect": [{"metric": ["resolved", "state", "told"]}]})
    assert "protect fewer" in str(gate(made("new"), made(), rules).lines[0])


def test_the_shipped_rules_can_be_told_apart_by_the_permutation_test() -> None:
    """Holm's first step must lie above the least p that so many swaps can give."""
    rules = read_rules(RULES)
    tests = sum(len(rule.metric) * len(rule.slice) for rule in rules.protect)
    assert rules.alpha / tests > 5 / 20_001


# What follows shows by simulation how often the gate is right, with everything at once: all
# protected metrics and slices, drawn independently (in truth they go together, which errs less).


def yes_or_no(
    rng: np.random.Generator, changed: float, lost: float = 0.0
) -> tuple[Floats, Floats, Floats, Floats]:
    """90 % pass; ``changed`` of the scenarios come out differently, half each way; ``lost`` get worse."""
    luck, ones = rng.random(130), np.ones(130)
    after = (luck < 0.9 - changed / 2 - lost) | ((luck > 0.9) & (luck < 0.9 + changed / 2))
    return (luck < 0.9).astype(float), ones, after.astype(float), ones


def claims(
    rng: np.random.Generator, changed: float, lost: float = 0.0
) -> tuple[Floats, Floats, Floats, Floats]:
    """The same for two or three claims in each scenario."""
    of = rng.integers(2, 4, 130)
    made_ = np.arange(3) < of[:, None]
    luck = rng.random((130, 3))
    before = (luck < 0.92) & made_
    after = ((luck < 0.92 - changed / 2 - lost) | ((luck > 0.92) & (luck < 0.92 + changed / 2))) & made_
    return before.sum(1).astype(float), of.astype(float), after.sum(1).astype(float), of.astype(float)


def simulated(rng: np.random.Generator, rules: Rules, base: Run, lost: dict[str, float]) -> Comparison:
    """A comparison of all protected metrics, with these true drops."""
    chinese = np.arange(130) % 2 == 1
    masks = {"all": np.ones(130, bool), "language:en": ~chinese, "language:zh": chinese}
    few = {"refusal", "handoff_recall", "handoff_precision"}  # do not apply everywhere

    def rows() -> Iterator[Difference]:
        for metric in sorted({name for rule in rules.protect for name in rule.metric} - {"pass^k"}):
            draw = claims if metric in {"grounded", "told", "citations"} else yes_or_no
            drawn = draw(rng, changed=0.05, lost=lost.get(metric, 0.0))
            for name, mask in masks.items():
                own = mask & (np.arange(130) < 60) if metric in few else mask
                result = paired(*(part[own] for part in drawn), resamples=2000)
                yield Difference(metric, name, result.a, result.b, -result.drop, 0, 0, result)

    return _with(compare(base, base), tuple(rows()))


def _with(comparison: Comparison, rows: tuple[Difference, ...]) -> Comparison:
    return replace(comparison, differences=rows)


def levels(times: int, seed: int, **lost: float) -> list[set[str]]:
    """The levels of each of so many simulated releases."""
    rng, rules, base = np.random.default_rng(seed), read_rules(), run(pairs(1), ALL)
    found: list[set[str]] = []
    for _ in range(times):
        lines = judge(simulated(rng, rules, base, lost), rules)
        found.append({line.level for line in lines if line.level != "note"})
    return found


def test_noise_alone_passes_practically_always() -> None:
    found = levels(100, seed=1)
    assert sum("blocked" in each for each in found) == 0
    assert sum(bool(each) for each in found) <= 2


def test_ten_points_less_grounding_is_caught_practically_always() -> None:
    found = levels(100, seed=2, grounded=0.10)
    assert sum(bool(each) for each in found) >= 98  # not released
    assert sum("blocked" in each for each in found) >= 87  # and mostly for what it is


def test_twenty_points_less_of_anything_are_caught() -> None:
    for seed, metric in enumerate(["resolved", "told", "state", "language"]):
        found = levels(15, seed, **{metric: 0.20})
        assert all(found)
        assert sum("blocked" in each for each in found) >= 14
