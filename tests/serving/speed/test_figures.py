"""From made-up timings to figures, by hand."""

from __future__ import annotations

import pytest

from serving.speed.figures import (
    Answer,
    Bandwidth,
    Spread,
    Together,
    Visit,
    figures,
    share_of_limit,
    speedups,
)


def visit(slower: float = 1.0, *, cached: bool = True) -> Visit:
    """Three answers alone at 10, 20 and 10 tokens/s, and four at once."""
    answers = tuple(
        Answer(first * slower, whole * slower, tokens, 700)
        for first, whole, tokens in ((1.0, 6.0, 51), (2.0, 4.0, 41), (3.0, 5.0, 21))
    )
    many = tuple(Answer(4.0 * slower, whole * slower, 40, 700) for whole in (7.0, 8.0, 9.0, 10.0))
    return Visit(
        answers,
        (0.2 * slower, 0.4 * slower) if cached else (),
        (Together(many, 10.0 * slower),),
        load=0.1,
    )


def test_the_figures_of_one_round_are_medians() -> None:
    found = figures([visit()])
    assert {name: spread.median for name, spread in found.items()} == pytest.approx(
        {
            "first": 2.0,
            "first_cached": 0.3,
            "whole": 5.0,
            "rate": 10.0,
            "first_together": 4.0,
            "whole_together": 8.5,
            "rate_together": 16.0,  # 4 x 40 tokens in 10 s
            "crowding": 1.7,  # 8.5 s against 5 s
            "tokens": 41.0,
            "prompt_tokens": 700.0,
        }
    )
    assert found["first"] == Spread(2.0, 2.0, 2.0)


def test_the_spread_is_between_rounds() -> None:
    whole = figures([visit(), visit(1.5), visit(3.0)])["whole"]
    # of 4 5 6, 6 7.5 9, 12 15 18
    assert (whole.median, whole.low, whole.high) == (7.5, 5.0, 15.0)


def test_a_ratio_is_taken_within_a_round() -> None:
    """The second round was slow for both: nothing changed between them."""
    assert speedups([visit(), visit(8.0)], [visit(2.0), visit(16.0)])["whole"] == Spread(2.0, 2.0, 2.0)


def test_faster_is_above_one_for_times_and_rates_alike() -> None:
    found = speedups([visit()], [visit(2.0)])
    assert {name: spread.median for name, spread in found.items()} == pytest.approx(
        dict.fromkeys(
            (
                "first",
                "first_cached",
                "whole",
                "rate",
                "first_together",
                "whole_together",
                "rate_together",
            ),
            2.0,
        )
    )


def test_what_one_of_them_lacks_is_not_compared() -> None:
    assert "first_cached" not in figures([visit(cached=False)])
    assert "first_cached" not in speedups([visit()], [visit(cached=False)])


def test_an_answer_of_one_token_has_no_rate() -> None:
    assert Answer(1.0, 1.0, 1, 700).rate is None
    lone = Visit((Answer(1.0, 1.0, 1, 700),), (), visit().together, 0.0)
    assert "rate" not in figures([lone])


def test_the_share_of_the_limit() -> None:
    """20 GB/s allow 20 tokens/s of 1 GB each; 5 to 15 of them were seen."""
    found = share_of_limit(Spread(10.0, 5.0, 15.0), 10**9, Bandwidth(read=20e9, triad=18e9))
    assert found == Spread(0.5, 0.25, 0.75)


def test_the_limit_is_the_best_that_was_seen() -> None:
    assert Bandwidth(read=9e9, triad=12e9).limit == 12e9
