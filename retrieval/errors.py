"""What can go wrong in retrieval, as one small tree.

RetrievalError
├── IndexUnavailable           the index cannot be read or written
│   ├── IndexInUse             another process owns the embedded index's folder
│   ├── IndexEmpty             nothing has been indexed yet
│   ├── EmbedderChanged        the index was built with another embedder
│   └── EmbedderUnavailable    text cannot be embedded
└── DocumentUnreadable         one file is broken, too large or not what its name says
    └── VisibilityUnknown      it does not say in known words who may read it

Every error has a stable ``code``, says whether the same call may be ``retryable``, and
carries a ``safe`` sentence that may be shown to a shopper. The message says what to do.
"""

from __future__ import annotations

from typing import ClassVar


class RetrievalError(Exception):
    """Base of every error this package raises on purpose."""

    code: ClassVar[str] = "retrieval"
    retryable: ClassVar[bool] = False
    safe: ClassVar[str] = "I can't search the shop's documents at the moment."


class IndexUnavailable(RetrievalError):
    """The index cannot be read or written."""

    code = "retrieval.index_unavailable"
    retryable = True


class IndexInUse(IndexUnavailable):
    """Another process owns the folder of the embedded index."""

    code = "retrieval.index_in_use"
    retryable = False


class IndexEmpty(IndexUnavailable):
    """Nothing has been indexed yet."""

    code = "retrieval.index_empty"
    retryable = False


class EmbedderChanged(IndexUnavailable):
    """The index was built with another embedder and must be built again."""

    code = "retrieval.embedder_changed"
    retryable = False


class EmbedderUnavailable(IndexUnavailable):
    """Text cannot be embedded."""

    code = "retrieval.embedder_unavailable"
    retryable = True


class DocumentUnreadable(RetrievalError):
    """A file is broken, too large, or not what its name says."""

    code = "retrieval.document_unreadable"

    def __init__(self, source: str, why: str) -> None:
        super().__init__(f"{source}: {why}")
        self.source = source
        self.why = why


class VisibilityUnknown(DocumentUnreadable):
    """A document names a visibility there is no rule for, so nobody may read it."""

    code = "retrieval.visibility_unknown"
