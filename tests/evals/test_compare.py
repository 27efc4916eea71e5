"""Sums leave out what was not held; comparisons pair what both versions held, and say the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from evals.compare import NotComparable, compare
from evals.records import RunInvalid, Score, SimulatorProblem
from evals.scenario import Scenario
from evals.summary import summarise
from tests.evals.runs import pairs, passes, run, scenario


def test_a_share_is_over_claims_and_its_interval_over_scenarios() -> None:
    summary = summarise(run(pairs(10), {"grounded": lambda i, _: (2.0, 2.0) if i else (0.0, 2.0)}))
    cell = summary.cell("grounded")
    assert cell is not None
    assert (cell.hits, cell.of, cell.scenarios, cell.judged) == (38, 40, 20, 20)
    assert cell.value == 0.95
    assert cell.low < 0.95 < cell.high <= 1


def test_every_slice_has_its_figure() -> None:
    scenarios = [scenario("a.en", area="returns"), scenario("a.zh", "zh", "returns"), scenario("b.en")]
    summary = summarise(run(scenarios, {"resolved": passes(1)}))
    values = {c.slice: (c.value, c.scenarios) for c in summary.cells}
    assert values["language:en"] == (1, 2)
    assert values["language:zh"] == (0, 1)
    assert values["area:returns"] == (0.5, 2)
    assert values["shopper:scripted"] == values["all"] == values["temper:calm"]
    assert values["all"] == (2 / 3, 3)


def test_what_was_not_held_is_counted_beside_the_scores_and_never_inside() -> None:
    scenarios = pairs(2)
    errors = {
        ("s000.zh", 1): "simulator_error",
        ("s001.en", 1): "infrastructure_error",
        ("s001.zh", 1): "skipped",
    }
    made = run(scenarios, {"resolved": passes(1, 2, 3)}, outcomes=errors)
    problem = SimulatorProblem(kind="ended_early", detail="says it again", turn=2)
    made = made.model_copy(
        update={
            "attempts": (
                made.attempts[0].model_copy(update={"problems": (problem, problem)}),
                *made.attempts[1:],
            )
        }
    )
    summary = summarise(made)
    cell = summary.cell("resolved")
    assert cell is not None
    assert (cell.value, cell.judged) == (1, 1)  # the three misses were in conversations never held
    mishaps = summary.mishaps
    assert (mishaps.attempts, mishaps.held, mishaps.skipped) == (4, 1, 1)
    assert mishaps.rate(mishaps.simulator_errors) == mishaps.rate(mishaps.infrastructure_errors) == 0.25
    assert mishaps.problems == {"ended_early": 1}


def test_pass_hat_falls_with_k_where_attempts_differ() -> None:
    # One of two scenarios passes 2 of 4 attempts, the other all of them.
    summary = summarise(
        run(pairs(1), {"resolved": lambda i, r: (1.0 if i or r <= 2 else 0.0, 1.0)}, repeats=4)
    )
    values = [r.value for r in summary.reliability if r.slice == "all"]
    assert values == pytest.approx([(0.5 + 1) / 2, (1 / 6 + 1) / 2, 0.5, 0.5])


def test_pass_hat_leaves_out_scenarios_with_too_few_attempts() -> None:
    summary = summarise(
        run(pairs(1), {"resolved": passes()}, repeats=2, outcomes={("s000.zh", 2): "infrastructure_error"})
    )
    assert [r.scenarios for r in summary.reliability if r.slice == "all"] == [2, 1]


def test_parity_is_over_twins_alone() -> None:
    scenarios = [*pairs(30), scenario("alone.zh", "zh")]
    chinese = {i for i, s in enumerate(scenarios) if s.language == "zh"}
    summary = summarise(
        run(scenarios, {"resolved": lambda i, _: (0.0 if i in chinese and i < 20 else 1.0, 1.0)})
    )
    (row,) = summary.parity
    assert row.pairs == 30
    assert row.english == 1
    assert row.chinese == pytest.approx(2 / 3)
    assert row.difference == pytest.approx(-1 / 3)
    assert row.low < row.difference < row.high < 0
    assert row.p < 0.01


def test_seconds_are_told_by_median_and_ninetieth() -> None:
    summary = summarise(run(pairs(5), {"answer": lambda i, _: (float(i), 1.0)}))
    spread = next(s for s in summary.spreads if s.slice == "all")
    assert (spread.median, spread.judged) == (4.5, 10)
    assert spread.p90 == pytest.approx(8.1)


def test_an_attempt_lost_to_an_error_does_not_change_its_scenarios_weight() -> None:
    result: Callable[[int, int], tuple[float, float]] = lambda i, _: (float(i), 1.0)  # noqa: E731
    whole = summarise(run(pairs(1), {"resolved": result}, repeats=4))
    torn = summarise(
        run(pairs(1), {"resolved": result}, repeats=4, outcomes={("s000.en", 1): "infrastructure_error"})
    )
    assert [c.value for c in whole.cells] == [c.value for c in torn.cells]


@pytest.mark.parametrize(
    ("update", "says"),
    [
        ({"metric": "charm"}, "no metric is called charm"),
        ({"scenario": "elsewhere"}, "never attempted"),
        ({"repeat": 9}, "never attempted"),
    ],
)
def test_a_score_that_fits_nothing_is_named(update: dict[str, Any], says: str) -> None:
    made = run(pairs(1), {"resolved": passes()})
    odd: Score = made.scores[0].model_copy(update=update)
    with pytest.raises(RunInvalid, match=says):
        summarise(made.model_copy(update={"scores": (*made.scores, odd)}))


def test_differences_are_paired_and_flips_say_why() -> None:
    scenarios = pairs(20)
    found = compare(
        run(scenarios, {"resolved": passes(0)}), run(scenarios, {"resolved": passes(1, 3)}, name="new")
    )
    row = found.difference("resolved")
    assert row is not None
    assert (row.a, row.b) == (39 / 40, 38 / 40)
    assert row.difference == pytest.approx(-1 / 40)
    assert row.low < row.difference < row.high
    assert (row.result.worse, row.result.better) == (2, 1)
    assert row.p == 0.5
    assert [(f.scenario, f.worse, f.why) for f in found.flips] == [
        ("s000.en", False, "resolved of s000.en"),
        ("s000.zh", True, "resolved of s000.zh"),
        ("s001.zh", True, "resolved of s001.zh"),
    ]
    json.dumps(found.as_json())


def test_slower_is_worse() -> None:
    scenarios = pairs(20)
    found = compare(
        run(scenarios, {"seconds": lambda i, _: (1.0 + i / 10, 1.0)}),
        run(scenarios, {"seconds": lambda i, _: (2.0 + i / 10, 1.0)}, name="new"),
    )
    row = found.difference("seconds")
    assert row is not None
    assert row.difference == pytest.approx(1)
    assert row.p < 0.001
    assert found.flips == ()


def test_repeats_are_compared_by_scenario_and_by_pass_hat() -> None:
    scenarios = pairs(10)
    found = compare(
        run(scenarios, {"resolved": passes()}, repeats=3),
        run(scenarios, {"resolved": lambda i, r: (0.0 if r == 1 else 1.0, 1.0)}, repeats=3, name="new"),
    )
    one, three = found.difference("resolved"), found.difference("pass^3")
    assert one is not None
    assert three is not None
    assert one.b == pytest.approx(2 / 3)
    assert three.b == 0
    assert found.flips == ()  # two of three attempts still pass


def test_only_what_both_held_is_compared_and_the_rest_is_said() -> None:
    both, lost = scenario("both.en"), scenario("lost.en")
    edited, other = scenario("edited.en"), scenario("edited.en", faults={"model": "down"})
    a = run([both, lost, edited, scenario("old.en")], {"resolved": passes()})
    b = run(
        [both, lost, other, scenario("new.en")],
        {"resolved": passes()},
        name="new",
        outcomes={("lost.en", 1): "simulator_error"},
    )
    found = compare(a, b)
    assert found.scenarios == ("both.en",)
    assert (found.only_a, found.only_b) == (("old.en",), ("new.en",))
    assert (found.changed, found.lost_a, found.lost_b) == (("edited.en",), (), ("lost.en",))
    assert any("edited" in warning for warning in found.warnings)


def test_a_scenario_told_in_better_words_is_still_the_same() -> None:
    a, b = scenario("x.en"), scenario("x.en", about="Said better", area="returns")
    assert compare(run([a], {"resolved": passes()}), run([b], {"resolved": passes()})).scenarios == ("x.en",)


def test_another_suite_is_a_warning() -> None:
    a = run(pairs(2), {"resolved": passes()})
    found = compare(a, run(pairs(2), {"resolved": passes()}, name="new", suite="other"))
    assert found.warnings == ("the suites differ: test in base, other in new",)


@pytest.mark.parametrize(
    ("manifest", "scenarios", "says"),
    [
        ({"shopper": "a strong model"}, None, "shoppers were played by .* a strong model|a strong model"),
        ({"version": 2}, None, "format 1, new has 2"),
        ({}, [scenario("z.en")], "no scenario in common"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    manifest: dict[str, Any], scenarios: list[Scenario] | None, says: str
) -> None:
    b = run(scenarios or pairs(2), {"resolved": passes()}, name="new", **manifest)
    with pytest.raises(NotComparable, match=says):
        compare(run(pairs(2), {"resolved": passes()}), b)
