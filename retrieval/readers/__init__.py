"""Files in, documents out: one module per format, one function to read any of them.

Everything read is untrusted: sizes are limited, nothing outside the file is fetched, and
whatever is wrong with a file comes back as one error that names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from types import MappingProxyType

from retrieval.errors import DocumentUnreadable
from retrieval.passages import Document
from retrieval.readers.delimited import read_delimited
from retrieval.readers.feed_xml import read_feed
from retrieval.readers.html import read_html
from retrieval.readers.json_file import read_json
from retrieval.readers.markdown import read_markdown
from retrieval.readers.pdf import read_pdf
from retrieval.readers.source_file import SourceFile

FORMATS: Mapping[str, Callable[[SourceFile], list[Document]]] = MappingProxyType(
    {
        ".md": read_markdown,
        ".markdown": read_markdown,
        ".html": read_html,
        ".htm": read_html,
        ".pdf": read_pdf,
        ".json": read_json,
        ".jsonld": read_json,
        ".csv": read_delimited,
        ".tsv": read_delimited,
        ".xml": read_feed,
    }
)


def read(path: Path, source: str | None = None) -> list[Document]:
    """Read one file.

    Args:
        path: The file.
        source: The name it goes by in the index; its file name unless given.

    Raises:
        DocumentUnreadable: Whatever is wrong with it.
    """
    file = SourceFile(path, source or path.name)
    reader = FORMATS.get(path.suffix.lower())
    if reader is None:
        raise file.unreadable(f"is of no known format ({', '.join(FORMATS)})")
    try:
        return reader(file)
    except DocumentUnreadable:
        raise
    except Exception as error:
        # A hostile file may break any parser in any way; one file must not stop the others.
        raise file.unreadable(f"cannot be read ({type(error).__name__})") from error


def files_under(root: Path, exclude: Sequence[str] = ()) -> Iterator[tuple[Path, str]]:
    """The files of a folder that have a known format, sorted, each with its source name.

    A source name begins with the folder's own name. Hidden files are left out, and so are
    links that lead out of the folder and whatever matches an ``exclude`` pattern
    (``manuals/*/*.md``), taken from the folder. A root that is a file is that file.
    """
    if root.is_file():
        yield root, root.name
        return
    root = root.resolve()
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if any(part.startswith(".") for part in inside.parts) or path.suffix.lower() not in FORMATS:
            continue
        if any(fnmatch(inside.as_posix(), pattern) for pattern in exclude):
            continue
        if path.is_file() and path.resolve().is_relative_to(root):
            yield path, f"{root.name}/{inside.as_posix()}"
