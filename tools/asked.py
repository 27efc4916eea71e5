"""Questions whose right passage is known, for fitting retrieval: of the training shops and the demo shop.

A training shop (``finetune/data/shops/*.yaml``) gives three questions for each of its passages and
ten that none answers, in each language; ``retrieval/data/asked`` has harder ones, near misses among
them. The demo shop's (``retrieval/data``) name documents.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from retrieval.chroma import ChromaPassageIndex
from retrieval.chunks import chunk
from retrieval.indexing import index
from retrieval.library import Library
from retrieval.passages import Document, Embedder, Language, Passage, PassageIndex, Section, Visibility
from retrieval.rerank import rerank
from retrieval.retriever import PassageRetriever

ROOT = Path(__file__).resolve().parent.parent
SHOPS = ROOT / "finetune" / "data" / "shops"
HARD = ROOT / "retrieval" / "data" / "asked"
"""Questions in shoppers' own words about the training shops, one file a shop."""
DEMO = "demo"
LEFT_OUT = "saltbox-kitchen"
"""The training shop that the cross-encoder is not taught on but judged by."""
DEMO_QUESTIONS = ROOT / "retrieval" / "data" / "answerable_questions.json"
NOT_DOCUMENTS = ("manuals/*/*.md", "*.yaml", "products/*", "personas*", "*.txt")
"""In the demo shop's folder: sources of documents, not documents (as ``amends up`` leaves them out)."""
PUBLIC: frozenset[Visibility] = frozenset({"public"})
LANGUAGES: tuple[Language, ...] = ("en", "zh")


@dataclass(frozen=True)
class Asked:
    """A question and what retrieval considers for it.

    Attributes:
        right: For each candidate, whether it answers; nowhere true when nothing does.
        answered: Whether the shop's documents answer at all.
        hard: Whether it is one of ``retrieval/data/asked``: the reranker is not fitted on them.
    """

    shop: str
    language: Language
    question: str
    library: Library
    candidates: tuple[Passage, ...]
    right: tuple[bool, ...]
    answered: bool
    hard: bool = False

    @property
    def named(self) -> frozenset[str]:
        """The products that it names."""
        return self.library.names.named(self.question)

    @cached_property
    def reranked(self) -> list[Passage]:
        """The candidates in the order that the product gives them before it reads them."""
        return rerank(self.question, self.candidates, self.library.words(self.language), self.named)


async def training_shops(embedder: Embedder) -> AsyncIterator[Asked]:
    """The questions of all training shops, in the order of the files' names."""
    for path in sorted(SHOPS.glob("*.yaml")):
        shop = yaml.safe_load(path.read_text(encoding="utf-8"))
        hard = yaml.safe_load((HARD / path.name).read_text(encoding="utf-8"))
        for language in LANGUAGES:
            pieces = list(_pieces(shop, language))
            with tempfile.TemporaryDirectory() as folder:
                store = ChromaPassageIndex(embedder, folder=Path(folder))
                with closing(store):
                    await store.add([one for document, _ in pieces for one in chunk(document)])
                    told = [(ask, document.id) for document, asks in pieces for ask in asks]
                    told += [(str(ask), "") for ask in shop["unanswerable"][language]]
                    own = hard[language]
                    harder = [(str(ask["question"]), f"{ask['passage']}/") for ask in own["answered"]]
                    harder += [(str(ask), "") for ask in own["unanswered"]]
                    for asks, is_hard in ((told, False), (harder, True)):
                        sources = [(ask, [key]) for ask, key in asks]
                        async for one in _ask(shop["id"], store, language, sources):
                            yield replace(one, hard=is_hard)


async def demo_shop(embedder: Embedder) -> AsyncIterator[Asked]:
    """The questions about the demo shop; any passage of a document that is named counts as right."""
    questions = json.loads(DEMO_QUESTIONS.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        store = ChromaPassageIndex(embedder, folder=Path(folder))
        with closing(store):
            await index([ROOT / DEMO], store, exclude=NOT_DOCUMENTS)
            for language in LANGUAGES:
                told = [(item["question"], item["sources"]) for item in questions[language]["answerable"]]
                told += [(question, [""]) for question in questions[language]["unanswerable"]]
                async for one in _ask(DEMO, store, language, told):
                    yield one


async def _ask(
    shop: str, store: PassageIndex, language: Language, told: Sequence[tuple[str, Sequence[str]]]
) -> AsyncIterator[Asked]:
    retriever, library = PassageRetriever(store), await store.library()
    for question, sources in told:
        found = await retriever.candidates(question, library, language, PUBLIC)
        right = [any(source and source in one.chunk.document for source in sources) for one in found]
        yield Asked(shop, language, question, library, tuple(found), tuple(right), any(sources))


def _pieces(shop: Any, language: Language) -> list[tuple[Document, list[str]]]:
    """Each passage as a document of its own, with the questions that it answers."""
    pieces = []
    for product in shop["products"]:
        for number, passage in enumerate(product["passages"]):
            document = _document(f"{product['id']}-{number}/", product["title"], passage, language)
            pieces.append(
                (Document(**{**vars(document), "kind": "product", "product": product["id"]}), passage)
            )
    pieces += [
        (_document(f"{passage['topic']}/", passage["title"], passage, language), passage)
        for passage in shop["policies"]
    ]
    return [(document, [str(ask) for ask in passage["asks"][language]]) for document, passage in pieces]


def _document(id: str, title: Any, passage: Any, language: Language) -> Document:
    return Document(
        id=id,
        source=id,
        title=title[language],
        kind="policy",
        language=language,
        sections=(Section(passage["heading"][language], passage["text"][language]),),
    )
