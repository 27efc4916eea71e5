"""CSV and TSV files: a FAQ, or a Google Merchant product feed."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from retrieval.passages import Document
from retrieval.readers.faq import faq_documents, is_faq, question
from retrieval.readers.merchant import Fields, entry
from retrieval.readers.products import product_documents
from retrieval.readers.source_file import SourceFile

MAX_BYTES = 50_000_000


def read_delimited(file: SourceFile) -> list[Document]:
    """Which of the two it is, its column names say; the delimiter is the commonest of tab, ``;`` and ``,``.

    Raises:
        DocumentUnreadable: The columns are neither's, or a row has more cells than there are columns.
    """
    text = file.text(MAX_BYTES)
    header = text.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=max("\t;,", key=header.count), strict=True)
    try:
        columns = reader.fieldnames or []
        rows = list(reader)
    except csv.Error as error:
        raise file.unreadable(f"is not valid CSV (line {reader.line_num})") from error
    for number, row in enumerate(rows, start=2):
        if None in row:
            raise file.unreadable(f"row {number} has more cells than there are columns")
    if is_faq(columns):
        return faq_documents(file, [question(row) for row in rows])
    names = {_name(column) for column in columns}
    if {"id", "title"} <= names:
        return product_documents(file, [entry(_fields(row)) for row in rows])
    raise file.unreadable("has neither question and answer columns nor a product feed's id and title")


def _name(column: str) -> str:
    return column.strip().lower().removeprefix("g:").replace(" ", "_")


def _fields(row: Mapping[str, str | None]) -> Fields:
    fields: Fields = {}
    for column, value in row.items():
        name = _name(column)
        if not value or not value.strip():
            continue
        if name == "product_detail":
            # The specification writes details in a cell as "section:name:value,section:name:value".
            for detail in value.split(","):
                topic, _, rest = detail.partition(":")
                key, _, content = rest.partition(":")
                fields.setdefault(name, []).append((topic.strip(), key.strip(), content.strip()))
        else:
            values = value.split(",") if name == "product_highlight" else [value]
            fields.setdefault(name, []).extend(("", "", part.strip()) for part in values)
    return fields
