"""The shoppers: they do what a person would, from what they hear, and their slips are found."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from agent import events as ev
from agent.ids import OrderId
from agent.model import Prompt
from evals.records import Ended
from evals.scenario import Press, Say, Scenario, Shopper, TypeCode
from evals.shoppers.scripted import ScriptedShopper
from evals.shoppers.simulated import TURNS, SimulatedShopper, words
from evals.shoppers.statements import stated_unknown
from evals.shoppers.strong import StrongShopper
from evals.shoppers.typing import mistype
from tests.doubles import ScriptedModel
from tests.evals.stories import answer, log, says, scenario

Wire = dict[str, Any]


def heard(text: str, **more: Any) -> list[Wire]:
    return [{"seq": 1, "type": "answer.sent", "text": text, **more}]


def proposed(kind: str = "cancel", order: str = "FW-100001") -> list[Wire]:
    action = {"kind": kind, "order": order, "arguments": {}}
    summary = f"Return from {order}: 1 × Cairn Mid hiking boots (EU 40)"
    return [{"seq": 1, "type": "action.proposed", "action": action, "summary": summary}]


DONE: list[Wire] = [
    {"seq": 2, "type": "action.done", "kind": "cancel", "order": "FW-100001", "text": "Done."}
]


def shopper(language: str = "en", **fields: Any) -> Scenario:
    values: dict[str, Any] = {
        "goal": "Cancel FW-100001",
        "wishes": [
            {"say": ["Cancel my order", "Stop my order please"], "done": "cancel", "order": "FW-100001"}
        ],
    }
    return scenario(language=language, shopper=Shopper.model_validate(values | fields))


async def text(playing: SimulatedShopper, told: list[Wire]) -> str:
    step = await playing.act(told)
    assert isinstance(step, Say)
    return step.texts[0]


class TestScripted:
    async def test_takes_its_steps_whatever_comes_back(self) -> None:
        told = scenario(
            shopper=Shopper.model_validate(
                {"goal": "x", "script": [{"say": ["a", "b"]}, {"press": "confirm"}]}
            )
        )
        playing = ScriptedShopper(told)
        assert await playing.act([]) == Say(say=("a", "b"))
        assert await playing.act(heard("what?")) == Press(press="confirm")
        assert await playing.act([]) is None
        assert playing.ended == "script_over"

    async def test_reads_before_it_presses(self) -> None:
        change = [{"kind": "cancel", "order": "FW-100001"}]
        script = {"goal": "x", "script": [{"press": "confirm"}]}
        told = scenario(shopper=Shopper.model_validate(script), changes=change)
        assert await ScriptedShopper(told).act(proposed("cancel", "FW-100001")) == Press(press="confirm")
        assert await ScriptedShopper(told).act(proposed("cancel", "FW-100002")) == Press(press="decline")


class TestSimulated:
    async def test_says_its_wish_and_presses_confirm_for_exactly_that(self) -> None:
        playing = SimulatedShopper(shopper(), seed=1)
        assert await text(playing, []) == "Cancel my order"
        assert await playing.act(proposed()) == Press(press="confirm")
        assert await playing.act(DONE) is None
        assert (playing.ended, list(playing.problems)) == ("satisfied", [])

    @pytest.mark.parametrize("wrong", [("return", "FW-100001"), ("cancel", "FW-100002")])
    async def test_does_not_confirm_what_it_did_not_want(self, wrong: tuple[str, str]) -> None:
        playing = SimulatedShopper(shopper(), seed=1)
        await playing.act([])
        assert "Stop my order please" in await text(playing, proposed(*wrong))

    @pytest.mark.parametrize(("field", "words"), [("shows", "EU 41"), ("hides", "Cairn Mid")])
    async def test_does_not_confirm_another_item_or_size(self, field: str, words: str) -> None:
        wish = {"say": ["Swap the boots", "The boots!"], "done": "cancel", field: [words]}
        playing = SimulatedShopper(shopper(wishes=[wish]), seed=1)
        await playing.act([])
        assert "The boots!" in await text(playing, proposed())

    async def test_knows_something_else_about_each_wish(self) -> None:
        wish = {"say": ["Swap it"], "done": "exchange", "knows": {"variant": "41"}}
        playing = SimulatedShopper(shopper(wishes=[wish], knows={"variant": "43"}), seed=1)
        await playing.act([])
        assert "41" in await text(playing, heard("What would you like instead?"))

    async def test_a_postal_code_is_no_one_time_code(self) -> None:
        playing = SimulatedShopper(shopper(knows={"address": "Mill Lane 1"}), seed=1)
        await playing.act([])
        assert "Mill Lane 1" in await text(playing, heard("Please send the address with its postal code."))

    async def test_declines_what_it_has_changed_its_mind_about_and_opens_the_next_wish_plainly(self) -> None:
        wishes = [
            {"say": ["Cancel it"], "done": "cancel", "decline": True},
            {"say": ["How heavy is it?"], "told": ["2 kg"]},
        ]
        playing = SimulatedShopper(shopper(wishes=wishes), seed=1)
        await playing.act([])
        assert await playing.act(proposed()) == Press(press="decline")
        assert await text(playing, heard("All right.")) == "How heavy is it?"
        assert await playing.act(heard("It weighs 2 kg.")) is None
        assert playing.ended == "satisfied"

    @pytest.mark.parametrize(
        ("language", "question", "value"),
        [
            ("en", "Which order do you mean?", "FW-100001"),
            ("en", "Which e-mail address was used for the order?", "a@example.com"),
            ("en", "Which of these would you like to send back? Which items?", "the boots"),
            ("zh", "请问是哪个订单？", "FW-100001"),
            ("zh", "请问下单邮箱是什么？", "a@example.com"),
            ("zh", "您要退哪件商品？", "the boots"),
        ],
    )
    async def test_answers_what_it_is_asked_from_what_it_knows(
        self, language: str, question: str, value: str
    ) -> None:
        knows = {"order": "FW-100001", "email": "a@example.com", "items": "the boots"}
        playing = SimulatedShopper(shopper(language, knows=knows), seed=1)
        await playing.act([])
        assert value in await text(playing, heard(question))

    async def test_says_so_when_it_does_not_know(self) -> None:
        playing = SimulatedShopper(shopper(), seed=1)
        await playing.act([])
        said = await text(playing, heard("Which e-mail address did you use?"))
        assert said.startswith(tuple(words("en")["unknown"]))
        assert said.endswith("Stop my order please")

    @pytest.mark.parametrize(
        "text_",
        [
            "Discounts come from a personal code. It is sent by mail.",
            "- Which order number was used?",
            "You can return it, no reason needed.",
        ],
    )
    async def test_what_is_only_mentioned_or_quoted_is_no_question(self, text_: str) -> None:
        playing = SimulatedShopper(shopper(knows={"order": "FW-100001", "reason": "too big"}), seed=1)
        await playing.act([])
        assert "Stop my order please" in await text(playing, heard(text_))

    async def test_an_honest_i_dont_know_ends_a_wish_that_no_fact_could_fulfil(self) -> None:
        playing = SimulatedShopper(shopper(wishes=[{"say": ["Will it be cheaper in July?"]}]), seed=1)
        await playing.act([])
        assert await playing.act(heard("I don't know.", supported=False)) is None
        assert playing.ended == "satisfied"

    async def test_types_the_code_from_its_mail(self) -> None:
        playing = SimulatedShopper(shopper(), seed=1)
        await playing.act([])
        assert await playing.act(heard("Please type the six-digit code.")) == TypeCode(code="right")

    async def test_grows_impatient_says_it_in_other_words_and_gives_up(self) -> None:
        playing = SimulatedShopper(shopper(temper="angry", patience=2), seed=1)
        await playing.act([])
        first = await text(playing, heard("I can help with products and orders."))
        assert "Stop my order please" in first
        assert first != "Stop my order please"
        await playing.act(heard("I can help with products and orders."))
        last = await text(playing, heard("I can help with products and orders."))
        assert last in words("en")["give_up"]["angry"]
        assert await playing.act(heard("Sorry.")) is None
        assert playing.ended == "gave_up"

    async def test_stops_when_a_person_comes(self) -> None:
        playing = SimulatedShopper(shopper(), seed=1)
        await playing.act([])
        assert await playing.act([{"seq": 3, "type": "handoff.requested", "reasons": []}]) is None
        assert playing.ended == "handed_over"

    async def test_an_endless_conversation_is_ended(self) -> None:
        playing = SimulatedShopper(shopper(patience=10, knows={"order": "FW-100001"}), seed=1)
        steps = 0
        while await playing.act(heard("Which order?" if steps % 2 else "Hm.") + proposed("return")):
            steps += 1
            assert steps <= TURNS
        ended: Ended = playing.ended
        assert ended in {"limit", "gave_up"}

    async def test_the_same_seed_says_the_same_and_another_one_may_not(self) -> None:
        async def told(seed: int) -> list[str]:
            playing = SimulatedShopper(shopper(temper="sarcastic", typos=0.2, patience=5), seed=seed)
            return [await text(playing, heard("Hm.")) for _ in range(5)]

        assert await told(7) == await told(7)
        assert len({tuple(await told(seed)) for seed in range(8)}) > 1


class TestTyping:
    def test_never_touches_numbers_addresses_and_names(self) -> None:
        kept = "FW-100001 hannah.weber@example.com Hannah 4.90"
        assert mistype(kept, 1.0, Random(1)) == kept

    def test_mistypes_words_and_keeps_them_readable(self) -> None:
        text = "please cancel this order because something went wrong yesterday"
        changed = mistype(text, 1.0, Random(1))
        assert changed != text
        assert all(abs(len(a) - len(b)) <= 1 for a, b in zip(text.split(), changed.split(), strict=True))

    def test_mixes_up_characters_that_sound_alike(self) -> None:
        assert mistype("我的订单在哪", 1.0, Random(1)) == "我得订单再哪"


class TestStatements:
    def slips(self, said: str, *before: Any) -> list[str]:
        told = shopper(knows={"order": "FW-100001"})
        return [slip.detail for slip in stated_unknown(told, log(*before, says(said)))]

    def test_what_it_knows_or_was_told_is_no_slip(self) -> None:
        assert self.slips("my order is FW-100001") == []
        assert self.slips("the one with tracking 123456789", answer("Tracking: 123456789")) == []

    def test_an_invented_number_or_address_is(self) -> None:
        assert self.slips("my order is FW-999999") == ["FW-999999"]
        assert self.slips("write to me@nowhere.example") == ["me@nowhere.example"]

    def test_a_code_is_known_only_where_one_was_mailed(self) -> None:
        from tests.evals.stories import NOON

        mailed = ev.CodeSent(order=OrderId("FW-100001"), code_hash="h", expires_at=NOON)
        assert self.slips("123456") == ["123456"]
        assert self.slips("123456", mailed) == []


class TestStrong:
    async def test_plays_by_a_models_words_and_buttons(self) -> None:
        lines = iter(["Please cancel FW-100001", "[confirm]", "[done]"])
        playing = StrongShopper(shopper(), ScriptedModel(lambda _: next(lines)))
        assert await playing.act([]) == Say(say="Please cancel FW-100001")
        assert await playing.act(proposed()) == Press(press="confirm")
        assert await playing.act(DONE) is None
        assert playing.ended == "satisfied"
        assert list(playing.problems) == []

    async def test_ending_early_is_its_own_error(self) -> None:
        playing = StrongShopper(shopper(), ScriptedModel("[done]"))
        assert await playing.act([]) is None
        assert [problem.kind for problem in playing.problems] == ["ended_early"]

    async def test_is_told_its_goal_and_nothing_of_what_must_hold(self) -> None:
        seen: list[list[Prompt]] = []

        def line(prompt: Any) -> str:
            seen.append(list(prompt))
            return "hi"

        told = shopper(knows={"order": "FW-100001"}).model_copy(
            update={"expect": scenario(told=[["SECRET FACT"]]).expect}
        )
        await StrongShopper(told, ScriptedModel(line)).act([])
        system = seen[0][0].text
        assert "Cancel FW-100001" in system
        assert "SECRET FACT" not in system
