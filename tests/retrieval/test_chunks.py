"""Documents cut along their structure."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.chunks import MAX_LENGTH, chunk, embedded_text, length, stored_text
from retrieval.passages import Document, Section

ENGLISH = "You have 30 days from delivery to send a tent back. It must be clean and dry. "
CHINESE = "收到商品后三十天内可以退货，商品须保持清洁干燥。特价商品除外！"


def document(*sections: Section) -> Document:
    return Document(
        id="shop/returns.md@en",
        source="shop/returns.md",
        title="Returns",
        kind="policy",
        language="en",
        sections=sections,
        version="2026-03-01",
    )


def test_a_section_that_fits_is_one_chunk() -> None:
    (piece,) = chunk(document(Section("A > B", ENGLISH.strip())))
    assert (piece.heading, piece.text) == ("A > B", ENGLISH.strip())
    assert (piece.document, piece.source, piece.version) == (
        "shop/returns.md@en",
        "shop/returns.md",
        "2026-03-01",
    )


@pytest.mark.parametrize(("sentence", "ends"), [(ENGLISH, "."), (CHINESE, "。！")])
def test_a_long_section_is_cut_between_sentences(sentence: str, ends: str) -> None:
    text = (sentence * 40).strip()
    pieces = chunk(document(Section("A", text), Section("B", text.lower() + "x")))
    texts = [piece.text for piece in pieces if piece.heading == "A"]
    assert all(length(text) <= MAX_LENGTH and text[-1] in ends for text in texts)
    assert all(piece in text for piece in texts)


def test_paragraphs_are_kept_whole_where_they_fit() -> None:
    paragraphs = [f"Paragraph {number}. {ENGLISH * 5}".strip() for number in range(3)]
    pieces = chunk(document(Section("A", "\n\n".join(paragraphs))))
    assert [piece.text for piece in pieces] == paragraphs


def test_small_siblings_are_joined_and_still_named() -> None:
    pieces = chunk(
        document(
            Section("Tent > Price", "249.00 EUR"),
            Section("Tent > Warranty", "5 years"),
            Section("Tent > Care", ENGLISH),
            Section("Stove > Price", "89.00 EUR"),
        )
    )
    assert [(piece.heading, piece.text) for piece in pieces] == [
        ("Tent > Price · Warranty", "Price\n249.00 EUR\n\nWarranty\n5 years"),
        ("Tent > Care", ENGLISH),
        ("Stove > Price", "89.00 EUR"),
    ]


def test_an_id_stays_while_the_text_does() -> None:
    section = Section("A", "Thirty days.")
    (before,) = chunk(document(section))
    (after,) = chunk(replace(document(section), version="2027-01-01", visibility="staff"))
    assert after.id == before.id
    assert after.checksum != before.checksum
    (other,) = chunk(document(Section("A", "Sixty days.")))
    assert other.id != before.id


@pytest.mark.parametrize(
    "change", [{"title": "x"}, {"source": "x"}, {"kind": "faq"}, {"language": "zh"}, {"product": "x"}]
)
def test_a_checksum_covers_everything_that_is_stored(change: dict[str, str]) -> None:
    (before,) = chunk(document(Section("A", "Thirty days.")))
    (after,) = chunk(replace(document(Section("A", "Thirty days.")), **change))  # type: ignore[arg-type]
    assert after.checksum != before.checksum


def test_the_same_section_twice_is_one_chunk() -> None:
    assert len(chunk(document(Section("A", ENGLISH), Section("A", ENGLISH)))) == 1


def test_title_and_heading_are_embedded_but_not_part_of_the_text() -> None:
    (piece,) = chunk(document(Section("A > B", "Thirty days.")))
    embedded = embedded_text(piece)
    assert embedded == "Returns > A > B\nThirty days."
    assert stored_text(embedded, piece.title, piece.heading) == "Thirty days."


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab 。！？.!?,，\n退货天", min_size=1, max_size=3_000))
def test_every_chunk_is_a_piece_of_its_section_and_nothing_is_lost(text: str) -> None:
    pieces = chunk(document(Section("A", text)))
    assert all(piece.text in text for piece in pieces)
    whole = "".join(dict.fromkeys("".join(text.split())))
    assert set(whole) == set("".join("".join(piece.text.split()) for piece in pieces))
    assert all(length(piece.text) <= MAX_LENGTH for piece in pieces)
