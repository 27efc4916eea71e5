"""JSON files: a FAQ, or schema.org data."""

from __future__ import annotations

from retrieval.passages import Document
from retrieval.readers.faq import faq_documents, is_faq, question
from retrieval.readers.json_ld import is_linked, linked_documents, loads
from retrieval.readers.source_file import SourceFile

MAX_BYTES = 20_000_000


def read_json(file: SourceFile) -> list[Document]:
    """A list of questions (or an object holding one list of them), or JSON-LD.

    Raises:
        DocumentUnreadable: It is neither.
    """
    data = loads(file, file.text(MAX_BYTES))
    if is_linked(data):
        return linked_documents(file, data)
    if isinstance(data, dict):
        lists = [value for value in data.values() if isinstance(value, list)]
        data = lists[0] if len(lists) == 1 else None
    if not isinstance(data, list) or not data or not all(isinstance(row, dict) for row in data):
        raise file.unreadable("is neither a FAQ nor JSON-LD")
    if not is_faq(data[0]):
        raise file.unreadable("has no question and answer fields, and is not JSON-LD")
    return faq_documents(file, [question(row) for row in data])
