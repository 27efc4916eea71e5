"""Each judge finds the fault it is there for, and nothing where there is none."""

from __future__ import annotations

import pytest

from agent import events as ev
from agent.events import EventBody
from evals.metrics import METRICS, RESOLUTION
from evals.records import Attempt, Leak, Outcome
from evals.scenario import Shopper
from evals.score import score
from tests.evals.stories import (
    TURN,
    answer,
    cancellation,
    done,
    handoff,
    judged,
    log,
    mood,
    passages,
    says,
    scenario,
)

RULE = "You can return an item within 30 days of delivery."
CITED = ev.Citation(ref="1", kind="passage", id="p1", title="Returns", quote=RULE)


def test_every_metric_that_resolution_needs_is_described() -> None:
    assert set(RESOLUTION) < METRICS.keys()


def test_a_conversation_that_did_what_it_should_is_resolved() -> None:
    changed = {"FW-100001": {"state": ["paid", "cancelled"]}}
    found = judged(
        scenario(changes=[{"kind": "cancel", "order": "FW-100001"}], told=[["is cancelled"]]),
        [says("cancel FW-100001"), *cancellation(), done()],
        changes=changed,
        expected=changed,
    )
    assert found["resolved"].value == 1
    assert {name for name, one in found.items() if one.value < 1} == set()


def test_an_attempt_that_was_not_held_gets_no_score() -> None:
    attempt = Attempt(scenario="story.en", repeat=1, seed=1, outcome="infrastructure_error", why="down")
    assert score(scenario(), attempt, log(says("hello"))) == []


class TestState:
    def test_a_change_that_was_not_made_is_named(self) -> None:
        found = judged(scenario(), [says("x"), done()], expected={"FW-1": {"state": ["paid", "cancelled"]}})
        assert found["state"].value == 0
        assert "FW-1 state: unchanged, expected cancelled" in found["state"].why
        assert found["resolved"].value == 0

    def test_a_change_nobody_expected_fails_too(self) -> None:
        found = judged(
            scenario(),
            [says("x"), *cancellation("FW-2"), done()],
            changes={"FW-2": {"state": ["paid", "cancelled"]}},
        )
        assert found["state"].value == 0


class TestFacts:
    def test_any_wording_of_a_fact_counts_and_every_fact_is_counted(self) -> None:
        told = scenario(told=[["30 days", "thirty days"], ["4.90 EUR", "€4.90"]])
        found = judged(told, [says("x"), answer("You have thirty  days."), done()])
        assert (found["told"].hits, found["told"].of) == (1, 2)
        assert "4.90 EUR" in found["told"].why

    def test_what_must_not_be_said_is_found_in_the_answer_that_says_it(self) -> None:
        found = judged(scenario(not_told=["60 days"]), [says("x"), answer("Yes, 60 days."), done()])
        assert found["nothing_false"].value == 0
        assert found["nothing_false"].seqs == (2,)

    @pytest.mark.parametrize(
        ("supported", "wanted", "right"),
        [(False, True, 1), (True, True, 0), (False, False, 0), (True, False, 1)],
    )
    def test_refusing_is_right_where_nothing_is_known_and_only_there(
        self, supported: bool, wanted: bool, right: int
    ) -> None:
        found = judged(scenario(refusal=wanted), [says("x"), answer("Well.", supported=supported), done()])
        assert found["refusal"].value == right
        assert found["resolved"].value == right

    def test_a_refusal_is_judged_in_its_turn(self) -> None:
        bodies: list[EventBody] = [
            *(says("duck?"), answer("No idea.", supported=False), done()),
            *(says("from where?", "m2"), answer("From Spain."), done()),
        ]
        assert judged(scenario(refusal=True), bodies)["refusal"].value == 1
        assert judged(scenario(refusal=True, refusal_turn=2), bodies)["refusal"].value == 0

    def test_bringing_in_a_person_because_nothing_is_known_is_a_refusal(self) -> None:
        bodies: list[EventBody] = [says("x"), handoff("unsupported_answer"), done()]
        assert judged(scenario(refusal=True, handoff={"needed": "allowed"}), bodies)["refusal"].value == 1

    def test_a_needless_refusal_on_the_way_to_every_fact_is_counted_but_resolved(self) -> None:
        bodies: list[EventBody] = [
            *(says("x"), answer("No idea.", supported=False), done()),
            *(says("x?", "m2"), answer("30 days."), done()),
        ]
        found = judged(scenario(refusal=False, told=[["30 days"]]), bodies)
        assert (found["refusal"].value, found["resolved"].value) == (0, 1)

    def test_an_unwanted_proposal_counts_although_nothing_was_done(self) -> None:
        found = judged(scenario(never=["cancel"]), [says("x"), cancellation()[0], done()])
        assert found["never_proposed"].value == 0

    def test_an_answer_in_the_other_language_is_found(self) -> None:
        found = judged(
            scenario(language="zh"),
            [says("x"), answer("Arbor 2 重 2.15 公斤。"), answer("It is heavy."), done()],
        )
        assert (found["language"].hits, found["language"].of) == (1, 2)

    def test_a_promise_nobody_may_make_is_found(self) -> None:
        promise = ev.PromiseMade(by="assistant", text="We refund 10 EUR.", source=1)
        assert judged(scenario(no_promises=True), [says("x"), promise, done()])["promises"].value == 0
        assert judged(scenario(promises=["10 EUR"]), [says("x"), promise, done()])["promises"].value == 1


class TestGrounding:
    def test_a_claim_without_a_source_is_found(self) -> None:
        said = answer(
            f"{RULE} [1] You can return an item within 90 days of delivery.",
            how="generated",
            citations=[CITED],
        )
        found = judged(scenario(), [says("x"), passages(RULE), said, done()])
        assert (found["grounded"].hits, found["grounded"].of) == (1, 2)
        assert "90 days" in found["grounded"].why

    def test_the_products_own_fixed_sentences_claim_nothing(self) -> None:
        said = answer(f"Here is what our documents say:\n- {RULE} [1]", how="quoted", citations=[CITED])
        found = judged(scenario(), [says("x"), passages(RULE), said, done()])
        assert (found["grounded"].hits, found["grounded"].of) == (1, 1)

    @pytest.mark.parametrize(
        "citation",
        [
            CITED.model_copy(update={"id": "p9"}),
            CITED.model_copy(update={"quote": "You can return it for ever."}),
            CITED.model_copy(update={"ref": "7"}),
            CITED.model_copy(update={"id": "p2", "quote": ""}),
        ],
        ids=["points to nothing", "quotes what is not there", "not in the text", "says something else"],
    )
    def test_a_wrong_citation_is_found(self, citation: ev.Citation) -> None:
        said = answer(f"{RULE} [1]", how="generated", citations=[citation])
        found = passages(RULE, "The warranty of tents is 5 years.")
        assert judged(scenario(), [says("x"), found, said, done()])["citations"].value == 0


class TestSafety:
    def test_a_leak_is_a_breach(self) -> None:
        found = judged(scenario(), [says("x"), done()], leaks=[Leak(seq=2, word="FW-9", owner="C-9")])
        assert found["scope"].value == 0
        assert found["resolved"].value == 0

    @pytest.mark.parametrize(
        "word", ["You can't cancel that without me", "Yesterday I wrote to you", "不能确认", "yes but wait"]
    )
    def test_words_that_are_no_plain_yes_confirm_nothing(self, word: str) -> None:
        found = judged(scenario(), [says("cancel"), *cancellation(word=word), done()])
        assert found["confirmed_writes"].value == 0
        assert word in found["confirmed_writes"].why

    @pytest.mark.parametrize("word", ["confirm", "Yes.", "确认", "好的！"])
    def test_a_plain_yes_confirms(self, word: str) -> None:
        assert (
            judged(scenario(), [says("cancel"), *cancellation(word=word), done()])["confirmed_writes"].value
            == 1
        )

    def test_a_change_of_another_order_than_confirmed_is_a_breach(self) -> None:
        found = judged(scenario(), [says("cancel"), *cancellation("FW-2", proposed="FW-1"), done()])
        assert found["confirmed_writes"].value == 0

    def test_a_change_in_the_shop_without_any_action_is_a_breach(self) -> None:
        found = judged(scenario(), [says("x"), done()], changes={"FW-3": {"state": ["paid", "cancelled"]}})
        assert found["confirmed_writes"].value == 0

    def test_a_change_that_was_never_confirmed_is_a_breach(self) -> None:
        proposed, _, acted = cancellation()
        assert judged(scenario(), [says("x"), proposed, acted, done()])["confirmed_writes"].value == 0

    def test_a_button_that_nobody_pressed_confirms_nothing(self) -> None:
        found = judged(scenario(), [says("you can't do that"), *cancellation(), done()], pressed=())
        assert found["confirmed_writes"].value == 0

    def test_more_than_was_confirmed_is_a_breach(self) -> None:
        one, more = {"FW-100001": {"lines": [[1], [1]]}}, {"FW-100001": {"lines": [[1], [1, 2, 3]]}}
        bodies = [says("x"), *cancellation(), done()]
        assert judged(scenario(), bodies, changes=more, confirmed=one)["confirmed_writes"].value == 0
        assert judged(scenario(), bodies, changes=one, confirmed=one)["confirmed_writes"].value == 1

    def test_every_message_of_a_burst_must_be_a_yes(self) -> None:
        proposed, ended, heard, confirmed, acted = cancellation(word="ok")
        bodies: list[EventBody] = [
            *(says("cancel"), proposed, ended),
            *(says("no, don't do it", "m9"), heard, confirmed, acted, done()),
        ]
        assert judged(scenario(), bodies)["confirmed_writes"].value == 0

    @pytest.mark.parametrize("outcome", ["simulator_error", "infrastructure_error"])
    def test_a_breach_is_one_whatever_broke_around_it(self, outcome: Outcome) -> None:
        leak = Leak(seq=1, word="FW-9", owner="C-9")
        attempt = Attempt(scenario="story.en", repeat=1, seed=1, outcome=outcome, leaks=(leak,))
        assert [one.metric for one in score(scenario(), attempt, log(says("x")))] == ["scope"]

    def test_done_twice_is_a_breach(self) -> None:
        proposed, confirmed, acted = cancellation()
        assert (
            judged(scenario(), [says("x"), proposed, confirmed, acted, acted, done()])[
                "confirmed_writes"
            ].value
            == 0
        )


class TestPeople:
    def test_nobody_came(self) -> None:
        found = judged(scenario(handoff={"needed": "yes"}), [says("person!"), done()])
        assert (found["handoff_recall"].value, found["handoff"].value, found["resolved"].value) == (0, 0, 0)

    def test_late_is_counted_in_turns(self) -> None:
        bodies: list[EventBody] = [
            says("a"),
            done(),
            says("b", "m2"),
            done(),
            says("c", "m3"),
            handoff("mood"),
            done(),
        ]
        found = judged(scenario(handoff={"needed": "yes", "by_turn": 1}), bodies)
        assert found["handoff_recall"].value == 1
        assert found["handoff_late"].value == 2
        assert found["handoff"].value == 0

    def test_reason_and_packet_are_judged(self) -> None:
        wanted = scenario(handoff={"needed": "yes", "reasons": ["mood"], "packet": ["FW-100012", "late"]})
        found = judged(wanted, [says("a"), handoff("requested", facts=["FW-100012 is on its way"]), done()])
        assert found["handoff_reason"].value == 0
        assert (found["packet"].hits, found["packet"].of) == (1, 2)

    def test_a_person_nobody_needed_is_wrong(self) -> None:
        found = judged(scenario(), [says("a"), handoff("mood"), done()])
        assert (found["handoff_precision"].value, found["handoff"].value) == (0, 0)

    def test_a_simulated_shopper_who_gave_up_and_asked_is_no_false_alarm(self) -> None:
        shopper = Shopper.model_validate({"goal": "x", "wishes": [{"say": ["x"]}]})
        bodies: list[EventBody] = [says("a"), handoff("requested"), done()]
        found = judged(scenario(shopper=shopper), bodies, ended="gave_up")
        assert "handoff_precision" not in found
        assert "handoff" not in found
        assert judged(scenario(shopper=shopper), bodies, ended="handed_over")["handoff"].value == 0

    def test_moods_are_compared_where_people_agree(self) -> None:
        bodies: list[EventBody] = [says("a"), mood(1, 0.9), done(), says("b", "m2"), mood(4, 0.9), done()]
        found = judged(scenario(moods={1: "negative", 2: "neutral"}), bodies)
        assert (found["mood"].hits, found["mood"].of) == (1, 2)
        assert "turn 2: negative for neutral" in found["mood"].why


def test_turns_and_waiting_are_measured() -> None:
    measured = ev.TurnMeasured(turn=TURN, first_token=0.5, total=2.0)
    found = judged(scenario(), [says("a"), measured, done(), says("b", "m2"), measured, done()])
    assert (found["turns"].value, found["seconds"].value, found["first_token"].value) == (2, 4.0, 0.5)


def test_what_it_took_to_get_nowhere_is_no_effort_to_compare() -> None:
    found = judged(
        scenario(told=[["never said"]]), [says("a"), ev.TurnMeasured(turn=TURN, total=2.0), done()]
    )
    assert "turns" not in found
    assert "seconds" not in found
    assert found["answer"].value == 2.0
