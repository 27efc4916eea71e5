"""A question and a passage read together: what answers, and what only comes near."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from retrieval import cross_encoder as module
from retrieval.cross_encoder import CrossEncoder, cross_encoder
from retrieval.passages import Language
from tests.retrieval.conftest import chunk_of

ASKED: dict[Language, list[tuple[str, str, str]]] = {
    "en": [
        ("How heavy is the kettle?", "The kettle weighs 1.2 kg.", "The kettle comes in red and blue."),
        ("Do you ship to Norway?", "We deliver to Norway in 6 days.", "Delivery takes 2 to 4 days."),
        (
            "can I pay in instalments",
            "You can pay in three instalments without interest.",
            "We take cards and bank transfers.",
        ),
    ],
    "zh": [
        ("这个水壶多重？", "水壶重 1.2 公斤。", "水壶有红色和蓝色可选。"),
        ("挪威能送吗？", "可以配送到挪威，6 天送达。", "配送需要 2 到 4 天。"),
        ("能分期付款吗", "可以分三期付款，免利息。", "支持信用卡和银行转账。"),
    ],
}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_answers_is_told_from_what_comes_near(language: Language) -> None:
    read = cross_encoder()
    for question, answering, near in ASKED[language]:
        right, wrong = (
            read(question, chunk_of(text, text, language=language, title="", heading=""))
            for text in (answering, near)
        )
        assert right > wrong, question


def test_texts_of_any_length_and_kind_are_read() -> None:
    texts = ["", " ", "word " * 5000, "字" * 5000, "\0", "🏕️"]
    for question in texts:
        assert np.isfinite([cross_encoder()(question, chunk_of("a", text)) for text in texts]).all()


def test_without_what_was_learnt_it_is_the_plain_encoder() -> None:
    with files("retrieval").joinpath("data/cross_encoder.npz").open("rb") as file, np.load(file) as adapter:
        learnt = dict(adapter)
    unlearnt = {name: value * 0 if name.endswith("/up") else value for name, value in learnt.items()}
    question, answering, _ = ASKED["en"][0]
    passage = chunk_of("a", answering)
    assert abs(CrossEncoder(learnt)(question, passage) - CrossEncoder(unlearnt)(question, passage)) > 0.1


def test_it_reads_in_the_thread_that_asks() -> None:
    cross_encoder()
    ours = [pool for pool in threadpool_info() if "numpy" in pool["filepath"]]
    assert ours
    assert {pool["num_threads"] for pool in ours} == {1}


def test_threads_that_ask_together_read_the_weights_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []

    def slowly(adapter: object) -> object:
        time.sleep(0.05)
        read.append(adapter)
        return adapter

    monkeypatch.setattr(module, "CrossEncoder", slowly)
    monkeypatch.setattr(module, "_shipped", cache(module._shipped.__wrapped__))
    with ThreadPoolExecutor(5) as threads:
        list(threads.map(lambda _: cross_encoder(), range(5)))
    assert len(read) == 1
