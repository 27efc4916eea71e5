"""FAQ files: a document per question, so that a citation can name it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from retrieval.passages import Document, Language, Section, Visibility
from retrieval.readers.source_file import SourceFile

FIELDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "id": ("id", "编号"),
        "topic": ("topic", "category", "section", "分类", "类别", "主题"),
        "question": ("question", "q", "问题"),
        "answer": ("answer", "a", "答案", "回答"),
        "language": ("language", "lang", "locale", "语言"),
        "visibility": ("visibility", "可见范围"),
        "version": ("version", "版本"),
        "effective": ("effective", "effective_date", "updated", "生效日期"),
        "product": ("product", "product_id", "商品"),
    }
)
"""Names a field goes by in a file, lower case."""


@dataclass(frozen=True)
class Question:
    """One entry of a FAQ file."""

    id: str
    question: str
    answer: str
    topic: str = ""
    language: str = ""
    visibility: str = ""
    version: str = ""
    effective: str = ""
    product: str = ""


def question(row: Mapping[str, Any]) -> Question:
    """An entry out of a row or object, whatever names its fields go by."""
    row = {str(key).strip().lower(): value for key, value in row.items() if key is not None}
    values = {
        name: next((str(row[alias]).strip() for alias in aliases if row.get(alias) not in (None, "")), "")
        for name, aliases in FIELDS.items()
    }
    return Question(**values)


def is_faq(fields: Iterable[object]) -> bool:
    """Whether these field names are those of a FAQ file."""
    names = {str(name).strip().lower() for name in fields}
    return all(names.intersection(FIELDS[needed]) for needed in ("question", "answer"))


def faq_documents(
    file: SourceFile,
    questions: Iterable[Question],
    *,
    language: Language | None = None,
    visibility: Visibility = "public",
) -> list[Document]:
    """One document per entry: title is the question, heading the topic, text the answer.

    An entry without id is known by a hash of its question.

    Raises:
        DocumentUnreadable: An entry lacks its question or answer, or shares its id with another.
    """
    documents: dict[str, Document] = {}
    for number, entry in enumerate(questions, start=1):
        if not entry.question or not entry.answer:
            raise file.unreadable(f"entry {number} has no {'answer' if entry.question else 'question'}")
        hashed = hashlib.sha256(entry.question.encode("utf-8", "replace")).hexdigest()[:12]
        text = f"{entry.question} {entry.answer}"
        document = file.document(
            title=entry.question,
            kind="faq",
            language=language if language and not entry.language else file.language(entry.language, text),
            sections=(Section(entry.topic, entry.answer),),
            entry=entry.id or hashed,
            version=entry.version,
            effective=entry.effective,
            visibility=file.visibility(entry.visibility or visibility),
            product=entry.product,
        )
        if document.id in documents:
            raise file.unreadable(f"entry {number} has the id of an earlier one")
        documents[document.id] = document
    return list(documents.values())
