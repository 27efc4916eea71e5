"""The scorer that joins words and embeddings: what words alone do not see, and what happens without E5."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import yaml
from langgraph.runtime import Runtime

from agent.conversation import Line
from agent.ids import Language
from agent.mood import Mood
from agent.mood_e5 import CLASSES, E5Mood
from agent.mood_lexicon import LexiconMood
from agent.nodes.judge import judge
from agent.turn_state import TurnContext, TurnState
from retrieval.e5 import E5Embedder
from tests.conftest import Clock

DATA = Path(__file__).parent / "data" / "mood_utterances.yaml"
EMBEDDER = E5Embedder()


@pytest.fixture(scope="module")
def scorer() -> E5Mood:
    return E5Mood(EMBEDDER.embed_query)


def best(mood: Mood) -> str:
    return max(CLASSES, key=lambda name: float(getattr(mood.scores, name)))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Wow, a whole week to answer one mail. You must be so busy over there.", "en"),
        ("So I have taken three days off work now to wait for a driver who does not come.", "en"),
        ("Dear all, the parcel says delivered, but my neighbours and I find nothing.", "en"),
        ("你们这效率，蜗牛都比你们快", "zh"),
    ],
)
def test_sarcasm_and_polite_reports_hold_no_angry_word_and_are_still_negative(
    scorer: E5Mood, text: str, language: Language
) -> None:
    words, mood = LexiconMood().score(text, language=language), scorer.score(text, language=language)
    assert best(words) != "negative"
    assert best(mood) == "negative"
    # Staff are told that it was not a word, then the words that were found.
    assert mood.reasons[0] in {"the message as a whole: displeased", "整条消息的语气：不满"}
    assert mood.reasons[1:] == words.reasons


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Where is my order?", "en", "neutral"),
        ("我的订单到哪了", "zh", "neutral"),
        ("Could you please tell me when it ships? Thank you.", "en", "neutral"),
        ("Great, thanks!", "en", "positive"),
        ("谢谢，太好了", "zh", "positive"),
        ("太好了，又坏了", "zh", "negative"),
    ],
)
def test_where_words_are_enough_the_reasons_are_theirs(
    scorer: E5Mood, text: str, language: Language, expected: str
) -> None:
    mood = scorer.score(text, language=language)
    assert best(mood) == expected
    assert mood.reasons == LexiconMood().score(text, language=language).reasons


@pytest.mark.parametrize(
    ("first", "second", "language"),
    [
        (
            "Please cancel my order FW-102290, I no longer need it.",
            "Please cancel my order FW-102291, I no longer need it.",
            "en",
        ),
        ("I'd like to return the boots, they are not quite my style", "and the jacket as well", "en"),
        ("请取消FW-102290，我不需要了", "FW-102291也取消吧，那个也用不上", "zh"),
    ],
)
def test_calm_changes_one_after_the_other_are_no_displeasure(
    scorer: E5Mood, first: str, second: str, language: Language
) -> None:
    assert best(scorer.score(first, language=language)) == "neutral"
    mood = scorer.score(second, language=language, earlier=[first], before="Done.")
    assert best(mood) == "neutral"


def test_what_the_shop_said_last_counts(scorer: E5Mood) -> None:
    refused = scorer.score("行吧", language="zh", before="抱歉，已经超过退货期限，没法退了。")
    asked = scorer.score("行吧", language="zh", before="需要我为您登记退货吗？")
    assert refused.scores.negative > asked.scores.negative + 0.05


@pytest.mark.parametrize("language", ["en", "zh"])
def test_held_out_turns_are_read_at_least_as_well_as_by_words(scorer: E5Mood, language: Language) -> None:
    rows = yaml.safe_load(DATA.read_text(encoding="utf-8"))["held_out"][language]
    pairs = [
        ("negative" if label == "furious" else label, scorer.score(text, language=language))
        for label, texts in rows.items()
        for text in texts
    ]
    assert len(pairs) == 95
    assert np.mean([gold == best(mood) for gold, mood in pairs]) >= 0.87
    # Brier score; the lexicon alone has 0.33 and 0.30.
    brier = np.mean(
        [sum((getattr(mood.scores, c) - (c == gold)) ** 2 for c in CLASSES) for gold, mood in pairs]
    )
    assert brier < 0.2


@pytest.mark.parametrize(
    "text", ["", "  \n", "\u200b\u200d", "\ud83d", "\0", "?", "好" * 5_000, "a\0b" * 900]
)
def test_any_text_gets_probabilities(scorer: E5Mood, text: str) -> None:
    scores = scorer.score(text, language="en", before=text).scores
    values = [getattr(scores, name) for name in CLASSES]
    assert min(values) >= 0
    assert sum(values) == pytest.approx(1)


@pytest.mark.parametrize("text", ["", "  \n"])
def test_empty_text_is_neutral_and_not_embedded(text: str) -> None:
    def refuse(_: str) -> list[float]:
        raise AssertionError("nothing to embed")

    assert E5Mood(refuse).score(text, language="en", before="Hello").scores.neutral == 1.0


@pytest.mark.parametrize("size", [384, 1024])
def test_with_another_embedder_it_is_the_lexicon_by_its_own_name(size: int) -> None:
    other = E5Mood(lambda _: [size**-0.5] * size)
    text = "You must be so busy over there, what a joke"
    assert other.score(text, language="en") == LexiconMood().score(text, language="en")
    assert other.name == LexiconMood().name


async def test_a_turn_is_judged_off_the_event_loop_after_the_last_line_of_the_shop(clock: Clock) -> None:
    seen: dict[str, Any] = {}
    recorded: list[Any] = []

    class Scorer:
        name = "seen"
        angry = 0.95

        def score(
            self, text: str, *, language: Language, earlier: Sequence[str] = (), before: str = ""
        ) -> Mood:
            seen.update(text=text, earlier=list(earlier), before=before, thread=threading.get_ident())
            return LexiconMood().score(text, language=language)

    async def record(body: Any) -> None:
        recorded.append(body)

    lines = [
        Line(1, clock(), "shopper", "My kettle leaks"),
        Line(2, clock(), "assistant", "Which order is it?"),
        Line(3, clock(), "staff", "I am here now."),
        Line(4, clock(), "shopper", "At last"),
    ]
    state = SimpleNamespace(lines=lines, answered_upto=1, said_since=lambda _: lines[3:])
    run = SimpleNamespace(state=state, turn="turn_1", record=record)
    runtime = SimpleNamespace(context=SimpleNamespace(run=run, ports=SimpleNamespace(mood=Scorer())))
    turn = {"text": "At last", "understanding": SimpleNamespace(language="en"), "message": 4}
    await judge(cast("TurnState", turn), cast("Runtime[TurnContext]", runtime))
    assert seen.pop("thread") != threading.get_ident()
    assert seen == {"text": "At last", "earlier": ["My kettle leaks"], "before": "I am here now."}
    assert (recorded[0].seq, recorded[0].scorer) == (4, "seen")
