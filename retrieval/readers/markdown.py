"""Markdown with optional YAML front matter."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, cast, get_args

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from retrieval.passages import Document, Kind, Language
from retrieval.readers.headings import Outline
from retrieval.readers.source_file import SourceFile
from retrieval.readers.table import row_line

MAX_BYTES = 5_000_000
_KEPT = ("id", "topic", "replaces", "superseded")
"""Front matter that becomes attributes; the last two say which version of a document holds."""
_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(.{0,20000}?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)


def read_markdown(file: SourceFile) -> list[Document]:
    """One document; its sections are named by heading path. ``index: false`` leaves the file out."""
    matter, body = _split(file, file.text(MAX_BYTES))
    if matter.get("index") is False:
        return []
    visibility = file.visibility(matter.get("visibility"))
    language = file.language(matter.get("language"), body)
    outline = Outline()
    _fill(outline, MarkdownIt("commonmark").enable("table").parse(body), language)
    kind = matter.get("kind", file.kind or "page")
    if kind not in get_args(Kind):
        raise file.unreadable(f"its kind is none of {', '.join(get_args(Kind))}")
    stem = PurePosixPath(file.source).name.split(".")[0]
    return [
        file.document(
            title=str(matter.get("title") or outline.first_title),
            kind=cast("Kind", kind),
            language=language,
            sections=outline.sections(),
            version=matter.get("version"),
            effective=matter.get("effective"),
            visibility=visibility,
            product=str(matter.get("product") or (stem if kind == "manual" else "")),
            attributes={key: str(matter[key]) for key in _KEPT if key in matter},
        )
    ]


def _split(file: SourceFile, text: str) -> tuple[Mapping[str, Any], str]:
    match = _FRONT_MATTER.match(text)
    if match is None:
        return {}, text
    try:
        matter = yaml.safe_load(match.group(1))
    except (yaml.YAMLError, ValueError) as error:
        raise file.unreadable("its front matter is not valid YAML") from error
    if matter is None:
        matter = {}
    if not isinstance(matter, dict):
        raise file.unreadable("its front matter is not a mapping")
    return matter, text[match.end() :]


def _fill(outline: Outline, tokens: Sequence[Token], language: Language) -> None:
    header: list[str] = []
    row: list[str] = []
    lines: list[str] = []
    depth, in_header, marker = 0, False, "-"
    for before, token in zip([None, *tokens], tokens, strict=False):
        opener = before.type if before else ""
        match token.type:
            case "bullet_list_open" | "ordered_list_open" | "table_open":
                depth += 1
            case "bullet_list_close" | "ordered_list_close" | "table_close":
                depth -= 1
                if depth == 0:
                    outline.paragraph("\n".join(lines))
                    lines, header = [], []
            case "list_item_open":
                marker = f"{token.info}." if token.info else "-"
            case "thead_open" | "thead_close":
                in_header = token.type == "thead_open"
            case "tr_close":
                if in_header:
                    header = row
                else:
                    lines.append(row_line(header, row, language))
                row = []
            case "inline" if opener == "heading_open" and before is not None:
                outline.heading(int(before.tag[1]), _plain(token, language))
            case "inline" if opener in ("th_open", "td_open"):
                row.append(_plain(token, language))
            case "inline" if depth:
                lines.append(f"{marker} {_plain(token, language)}")
            case "inline":
                outline.paragraph(_plain(token, language))
            case "fence" | "code_block":
                outline.paragraph(token.content.strip())
            case _:
                pass


def _plain(token: Token, language: Language) -> str:
    parts = []
    for child in token.children or []:
        match child.type:
            case "text" | "code_inline":
                parts.append(child.content)
            case "softbreak":
                parts.append("" if language == "zh" else " ")
            case "hardbreak":
                parts.append("\n")
            case _:
                pass
    return "".join(parts).strip()
