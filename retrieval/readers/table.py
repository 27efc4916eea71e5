"""Tables as sentences: a row keeps its column names when it is cut out of its table."""

from __future__ import annotations

from collections.abc import Sequence

from retrieval.passages import Language


def row_line(header: Sequence[str], row: Sequence[str], language: Language) -> str:
    """``Size: M; Chest: 96 cm``, without empty cells."""
    colon, semicolon = ("：", "；") if language == "zh" else (": ", "; ")
    cells = [
        f"{name}{colon}{cell}" if name else cell
        for name, cell in zip([*header, *[""] * (len(row) - len(header))], row, strict=False)
        if cell
    ]
    return semicolon.join(cells)
