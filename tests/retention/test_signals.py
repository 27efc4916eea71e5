from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import events as ev
from agent.events import EventBody, SignalKind, SignalRaised
from agent.ids import OrderId, ProposalId, TurnId
from agent.shop.port import Order, Refund, Return
from retention.signals import missing_signals
from tests.retention.stories import (
    MIA,
    NOW,
    ORDER,
    answer,
    closed,
    facts_read,
    handed_over,
    mood,
    numbered,
    opened,
    order,
    parcel,
    person_replies,
    person_takes_over,
    says,
    signed_in,
    understood,
)

ASKS = ev.ProposedAction(kind="return", order=ORDER)
PROPOSED = ev.ActionProposed(
    proposal=ProposalId("p"),
    turn=TurnId("t"),
    action=ASKS,
    arguments_hash="h",
    policy_version="1",
    customer=MIA,
    summary="…",
    expires_at=NOW,
)
DONE = ev.ActionDone(
    proposal=ProposalId("p"), turn=TurnId("t"), order=ORDER, kind="return", reference="R", text="…"
)
FAILED = ev.ActionFailed(proposal=ProposalId("p"), turn=TurnId("t"), code="shop.unavailable")


def found(*bodies: EventBody, orders: tuple[Order, ...] = ()) -> dict[SignalKind, SignalRaised]:
    signals = missing_signals(numbered(bodies), NOW, orders)
    kinds = {signal.kind: signal for signal in signals}
    assert len(kinds) == len(signals)
    return kinds


def test_a_pleasant_conversation_shows_nothing() -> None:
    assert not found(
        opened(),
        says(),
        mood(2, 0.1),
        understood("order_status", turn="1", order=ORDER),
        facts_read(),
        answer(),
        ev.ConversationRated(score=5),
        closed(),
        orders=(order(),),
    )


def test_an_open_conversation_shows_nothing_yet() -> None:
    assert not found(says(), mood(1, 0.99), handed_over("mood"))


def test_an_angry_message_is_a_signal_as_strong_as_its_probability() -> None:
    signal = found(says(), mood(1, 0.7), answer(), says(), mood(4, 0.9), answer(), closed())["negative_mood"]
    assert signal.strength == 0.9
    assert signal.evidence == (1, 4)


def test_a_message_scored_again_by_a_second_attempt_counts_by_its_last_score() -> None:
    assert not found(says(), mood(1, 0.9), mood(1, 0.2), answer(), closed())


def test_speaking_of_leaving_is_a_signal() -> None:
    shown = found(says(), understood("complaint", turn="1", topics=("leaving",)), answer(), closed())
    assert shown["leaving_threat"].evidence == (2,)


def test_a_hand_over_weighs_what_its_worst_reason_weighs() -> None:
    shown = found(says(), handed_over("requested", "action_failed"), person_replies(), closed("staff"))
    assert set(shown) == {"handoff"}
    assert shown["handoff"].strength == 0.7


@pytest.mark.parametrize(("score", "strength"), [(1, 1.0), (2, 0.7)])
def test_a_low_rating_is_a_signal_also_when_it_comes_after_the_close(score: int, strength: float) -> None:
    shown = found(says(), answer(), closed(), ev.ConversationRated(score=score))
    assert shown["low_rating"].strength == strength
    assert shown["low_rating"].evidence == (4,)


@pytest.mark.parametrize("score", [3, 4, 5])
def test_other_ratings_are_not(score: int) -> None:
    assert not found(says(), answer(), closed(), ev.ConversationRated(score=score))


def test_asking_about_the_same_order_again_after_an_answer_is_a_repeated_question() -> None:
    signal = found(
        says(),
        understood("order_status", turn="1", order=ORDER),
        answer(turn="1"),
        says(),
        understood("order_status", turn="2", order=None),
        answer(turn="2"),
        closed(),
    )["repeated_question"]
    assert signal.evidence == (2, 3, 5)
    assert signal.strength == 0.5


def test_asking_a_third_time_is_worse() -> None:
    turns: list[EventBody] = []
    for turn in "123":
        turns += [says(), understood("order_status", turn=turn, order=ORDER), answer(turn=turn)]
    assert found(*turns, closed())["repeated_question"].strength == 0.75


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(
            understood("order_status", turn="1", order=ORDER),
            understood("order_status", turn="2", order="FW-2"),
            id="another order",
        ),
        pytest.param(
            understood("order_status", turn="1"),
            understood("return_eligibility", turn="2"),
            id="another thing",
        ),
        pytest.param(
            understood("product_question", turn="1", query="Is the Fjell tent waterproof?"),
            understood("product_question", turn="2", query="Which boots fit wide feet?"),
            id="another product question",
        ),
        pytest.param(
            understood("policy_question", turn="1", query="退货要多久？"),
            understood("policy_question", turn="2", query="支持支付宝吗？"),
            id="another question in Chinese",
        ),
        pytest.param(
            understood("thanks", turn="1"), understood("thanks", turn="2"), id="the same politeness"
        ),
        pytest.param(
            understood("order_status", turn="1"), understood("order_status", turn="1"), id="a second attempt"
        ),
    ],
)
def test_other_questions_are_not_repeated_ones(first: EventBody, second: EventBody) -> None:
    assert not found(says(), first, answer(), says(), second, answer(), closed())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("How long does a refund take?", "how long does the refund take"),
        ("退款要多久才能到账？", "退款到底多久能到账"),
    ],
)
def test_the_same_question_in_nearly_the_same_words_is_repeated(first: str, second: str) -> None:
    shown = found(
        says(),
        understood("policy_question", turn="1", query=first),
        answer(),
        says(),
        understood("policy_question", turn="2", query=second),
        answer(),
        closed(),
    )
    assert set(shown) == {"repeated_question"}


def test_giving_a_detail_that_was_asked_for_repeats_nothing() -> None:
    assert not found(
        says(),
        understood("return_eligibility", turn="1"),
        answer(asks=ASKS),
        says(),
        understood("return_eligibility", turn="2"),
        answer(),
        closed(),
    )


@pytest.mark.parametrize(
    ("bodies", "strength"),
    [
        ([handed_over("requested")], 0.9),
        ([handed_over("requested"), person_takes_over()], 0.9),
        ([PROPOSED, FAILED, answer()], 0.8),
        ([ev.TurnCompleted(turn=TurnId("t"), outcome="failed")], 0.7),
        ([answer(supported=False, cited=False)], 0.5),
        ([answer(supported=False, cited=False), says("ok bye"), answer(cited=False)], 0.5),
    ],
)
def test_closing_what_went_wrong_and_was_not_made_right_is_unresolved(
    bodies: list[EventBody], strength: float
) -> None:
    signal = found(says(), *bodies, closed("idle"))["unresolved"]
    assert signal.strength == strength
    assert signal.evidence[-1] == len(bodies) + 2


@pytest.mark.parametrize(
    "bodies",
    [
        [handed_over("requested"), person_takes_over(), person_replies()],
        [PROPOSED, FAILED, handed_over("action_failed"), person_replies()],
        [PROPOSED, FAILED, DONE],
        [ev.TurnCompleted(turn=TurnId("t"), outcome="failed"), answer()],
        [answer(supported=False, cited=False), says(), answer()],
    ],
)
def test_what_was_made_right_is_resolved(bodies: list[EventBody]) -> None:
    assert "unresolved" not in found(says(), *bodies, closed())


def test_a_message_that_was_never_answered_is_abandoned() -> None:
    assert found(says(), answer(), says(), closed("idle"))["abandoned"].evidence == (3, 4)


@pytest.mark.parametrize("last", [[answer(asks=ASKS)], [PROPOSED, answer(cited=False)]])
def test_leaving_in_the_middle_of_a_change_is_abandoned(last: list[EventBody]) -> None:
    assert found(says(), *last, closed("idle"))["abandoned"].strength == 0.4


@pytest.mark.parametrize(
    "bodies",
    [
        [says(), answer(), closed("idle")],
        [
            says(),
            PROPOSED,
            answer(),
            ev.ActionConfirmed(proposal=ProposalId("p"), how="button"),
            DONE,
            closed(),
        ],
        [says(), PROPOSED, ev.ActionDeclined(proposal=ProposalId("p"), why="shopper"), closed()],
        [says(), handed_over("requested"), person_takes_over(), person_replies(), says("thanks"), closed()],
        [says(), closed("staff")],
    ],
)
def test_an_ending_that_owes_nothing_is_not_abandoned(bodies: list[EventBody]) -> None:
    assert "abandoned" not in found(*bodies)


def test_a_late_parcel_of_an_order_that_was_spoken_about_is_a_delivery_problem() -> None:
    late = order(state="shipped", shipments=(parcel(expected_days_ago=3),))
    signal = found(says(), facts_read(), answer(), closed(), orders=(late,))["delivery_problem"]
    assert signal.strength == pytest.approx(0.7)
    assert signal.evidence == (2,)


@pytest.mark.parametrize(
    ("state", "expected_days_ago", "strength"),
    [("exception", -2, 0.8), ("in_transit", 40, 0.9), ("in_transit", 0, None), ("delivered", 9, None)],
)
def test_how_bad_a_delivery_is(state: str, expected_days_ago: int, strength: float | None) -> None:
    sent = order(shipments=(parcel(expected_days_ago=expected_days_ago, state=state),))
    shown = found(says(), facts_read(), answer(), closed(), orders=(sent,)).get("delivery_problem")
    assert (None if shown is None else shown.strength) == strength


def test_an_order_nobody_spoke_about_or_that_was_merely_listed_is_no_signal() -> None:
    late = order(state="shipped", shipments=(parcel(expected_days_ago=3),))
    assert not found(
        says(), facts_read(name="summary"), facts_read("FW-2"), answer(), closed(), orders=(late,)
    )


def refund(*, days_ago: int, settled: bool = False) -> Refund:
    issued = NOW - timedelta(days=days_ago)
    return Refund(Decimal("10"), "card", issued, issued if settled else None, "return")


def sent_back(*, days_ago: int, state: str) -> Return:
    asked = NOW - timedelta(days=days_ago)
    return Return("R1", "return", (1,), state, "too small", asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("refunds", "returns", "strength"),
    [
        ((refund(days_ago=11),), (), 0.6),
        ((refund(days_ago=9),), (), None),
        ((refund(days_ago=30, settled=True),), (), None),
        ((), (sent_back(days_ago=22, state="received"),), 0.7),
        ((), (sent_back(days_ago=22, state="refunded"),), None),
        ((), (sent_back(days_ago=20, state="received"),), None),
    ],
)
def test_an_overdue_refund_is_a_refund_problem(
    refunds: tuple[Refund, ...], returns: tuple[Return, ...], strength: float | None
) -> None:
    bought = order(refunds=refunds, returns=returns)
    shown = found(says(), facts_read(), answer(), closed(), orders=(bought,)).get("refund_problem")
    assert (None if shown is None else shown.strength) == strength


def test_a_conversation_opened_again_is_judged_by_its_new_part() -> None:
    first = [says(), mood(1, 0.8), answer(), closed()]
    raised = missing_signals(numbered(first), NOW)
    again = [*first, *raised, says(), mood(6, 0.95), answer(), closed()]
    (signal,) = missing_signals(numbered(again), NOW)
    assert (signal.kind, signal.strength, signal.evidence) == ("negative_mood", 0.95, (6,))


EPISODES = st.lists(
    st.sampled_from(
        [
            says(),
            mood(1, 0.9),
            mood(3, 0.6),
            mood(6, 0.3),
            understood("order_status", turn="1", order=ORDER),
            understood("order_status", turn="2", topics=("leaving",)),
            facts_read(),
            answer(),
            answer(supported=False, cited=False),
            answer(asks=ASKS),
            PROPOSED,
            FAILED,
            DONE,
            handed_over("mood"),
            person_takes_over(),
            person_replies(),
            ev.ConversationRated(score=1),
            closed("idle"),
            closed("staff"),
        ]
    ),
    max_size=30,
)
LATE = order(id=OrderId(ORDER), state="shipped", shipments=(parcel(expected_days_ago=3),))


@given(EPISODES)
def test_folding_again_after_adding_the_signals_finds_nothing_more(bodies: list[EventBody]) -> None:
    signals = missing_signals(numbered(bodies), NOW, [LATE])
    assert missing_signals(numbered([*bodies, *signals]), NOW, [LATE]) == []


@given(EPISODES)
def test_every_signal_is_within_bounds_and_points_to_events_that_exist(bodies: list[EventBody]) -> None:
    for signal in missing_signals(numbered([signed_in(), *bodies]), NOW, [LATE]):
        assert 0 < signal.strength <= 1
        assert signal.evidence
        assert all(1 <= seq <= len(bodies) + 1 for seq in signal.evidence)
