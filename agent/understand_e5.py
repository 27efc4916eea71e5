"""The first reader: intents from E5 embeddings and patterns, slots from rules. No model writes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence

import numpy as np

from agent import intents, slots
from agent.addresses import address
from agent.events import Intent
from agent.followups import is_follow_up, standalone
from agent.ids import Language, OrderId
from agent.intents import Weights
from agent.language import detect
from agent.understanding import Said, Understanding

EmbedQuery = Callable[[str], list[float]]
EmbedMany = Callable[[Sequence[str]], list[list[float]]]

_ASKED_ADDRESS = re.compile(r"\baddress\b|地址", re.IGNORECASE)
_UNSURE: Intent = "unclear"
_CHANGES = frozenset({"cancel_order", "return_item", "exchange_item", "change_address"})
_ACTS = _CHANGES | {"prove_order", "request_person"}
_ACTS_FROM = 0.3
"""Intents that start something need this probability, or a pattern: below, the turn asks."""
_COURTESIES = frozenset({"greeting", "thanks", "goodbye"})
_GUESSES: tuple[tuple[Intent, ...], ...] = (("order_status",), ("off_topic",))
_SURE = intents.CLAUSE_CERTAINTY
"""A courtesy or a status that is less sure than this is a guess: the answer to it ends a question
that was asked."""


class E5Reader:
    """Reads English and Chinese shop messages.

    The stored weights were fitted on multilingual-e5-small query vectors. With another embedder
    the classifier is fitted again from the examples, once, on first use.

    Args:
        embed_query: A text to a unit vector. Blocking; called in a worker thread.
        embed_many: Texts to unit vectors, for fitting to another embedder. Blocking.
        names: Titles of each product, in any language, so that a product named can be told.
        default: Language of a first message too short to tell.
        numbers: How the shop writes its order numbers.
    """

    def __init__(
        self,
        embed_query: EmbedQuery,
        embed_many: EmbedMany,
        *,
        names: Sequence[Sequence[str]] = (),
        default: Language = "en",
        numbers: slots.OrderNumbers | None = None,
    ) -> None:
        self._embed_query = embed_query
        self._embed_many = embed_many
        self._names = tuple(tuple(titles) for titles in names)
        self._default: Language = default
        self._numbers = numbers or slots.OrderNumbers()
        self._digits = re.compile(rf"(?<!\d)\d{{{self._numbers.digits}}}(?!\d)")
        self._weights: Weights | None = None
        self._fitting = asyncio.Lock()

    @property
    def name(self) -> str:
        """Name and version."""
        return "e5-intents-2"

    async def understand(self, text: str, *, earlier: Sequence[Said] = ()) -> Understanding:
        """Read ``text``. Raises only what the embedder raises; odd input is ``unclear``."""
        plain = intents.normalise(text)
        # Lines and their breaks matter in an address; the rest is compared as one line.
        lines = "\n".join(filter(None, (intents.normalise(line) for line in text.splitlines())))
        language = detect(plain, earlier, self._default)
        order, code = slots.order_and_code(plain, earlier, self._numbers)
        also = slots.also_named(plain, order, self._numbers) if order is not None else ()
        last = next((line.text for line in reversed(earlier) if line.who != "shopper"), "")
        found = slots.details(plain, self._names, last)
        query = standalone(plain, earlier, self._product, self._title)
        # "And for the blue one?" asks what the question before it asked.
        wants, confidence = await self._intents(plain, query if is_follow_up(plain) else plain, last)
        if wants in _GUESSES and confidence < _SURE and order is None and query.endswith(f": {plain}"):
            # Of the product spoken of, not of an order: "and which country does it come from?".
            wants = ("product_question",)
        if intents.answer(plain) is None:
            # A yes or no in other words: only the exact one counts, nothing is decided by a guess.
            leaning, wants = intents.lean(wants)
            if leaning:
                found["leaning"] = leaning
        if "change_address" in wants or _ASKED_ADDRESS.search(last):
            place = address(lines)
            found |= place
            if len(place) > 2 and "change_address" not in wants:
                wants = ("change_address", *(want for want in wants if want not in _IDLE))
        if code is not None and (wants[0] in _IDLE or plain.strip(" .") == code):
            wants, confidence = ("prove_order",), 1.0
        if order is not None and (meant := self._to_change(plain, wants)) in also:
            order, also = meant, (order, *(other for other in also if other != meant))
        return Understanding(
            intents=wants,
            confidence=confidence,
            language=language,
            order=order,
            also=also,
            email=slots.email(plain),
            code=code,
            slots=found,
            topics=slots.topics(plain),
            query=query,
        )

    def _to_change(self, text: str, wants: Sequence[Intent]) -> OrderId | None:
        """Of several orders the one beside the words that ask for a change."""
        for clause in intents.clauses(text):
            if intents.votes(clause) & _CHANGES & set(wants):
                named = self._numbers.named(slots.straighten(clause))
                return self._numbers.written(named[1]) if named is not None else None
        return None

    def _product(self, text: str) -> str:
        return slots.details(text, self._names).get("product", "")

    def _title(self, text: str) -> str:
        return slots.title(text, self._names)

    async def _intents(self, text: str, asked: str, last: str) -> tuple[tuple[Intent, ...], float]:
        if not re.search(r"\w", text):
            return (_UNSURE,), 1.0
        if (answer := intents.answer(text)) is not None:
            return (answer,), 1.0
        whole = text if intents.votes(text) else asked
        # The digits of an order number say nothing about what is wanted.
        whole, text = (self._digits.sub("104233", part) for part in (whole, text))
        texts = [part[: intents.LONGEST] for part in (whole, *intents.clauses(text))]
        weights = await self._fitted()
        before = self._digits.sub("104233", intents.normalise(last)[-intents.BEFORE :])
        vectors = np.asarray(await asyncio.to_thread(self._embed_all, [*texts, before]), np.float32)
        context = np.tile(vectors[-1], (len(texts), 1)) if before else None
        rows = weights.probabilities(intents.paired(vectors[:-1], context), texts)
        read = [dict(zip(weights.intents, map(float, row), strict=True)) for row in rows]
        merged = [
            (intent, p)
            for intent, p in intents.merge(read[0], read[1:])
            if p >= (_SURE if intent in _COURTESIES else _ACTS_FROM)
            or intent not in _ACTS | _COURTESIES
            or any(intent in intents.votes(t) for t in texts)
        ] or [(_UNSURE, read[0][_UNSURE])]
        wants = tuple(intent for intent, _ in merged)
        if "request_person" in intents.votes(text) and "request_person" not in wants:
            # Whoever asks for a person in so many words gets one, whatever else the message says.
            wants = (*wants, "request_person")
        return wants, min(1.0, merged[0][1])

    def _embed_all(self, texts: Sequence[str]) -> list[list[float]]:
        return [self._embed_query(text or " ") for text in texts]

    async def _fitted(self) -> Weights:
        async with self._fitting:
            if self._weights is None:
                self._weights = await asyncio.to_thread(self._fit)
            return self._weights

    def _fit(self) -> Weights:
        stored = intents.load()
        probe = np.asarray(self._embed_query(intents.PROBE), np.float32)
        if intents.same_space(probe, stored.probe):
            return stored
        examples = intents.rules().examples
        vectors = np.asarray(self._embed_many([text for _, _, text in examples]), np.float32)
        return intents.fit(intents.paired(vectors), [(intent,) for intent, _, _ in examples], probe=probe)


_IDLE = frozenset({"unclear", "greeting", "off_topic", "thanks", "goodbye", "product_question"})
"""Intents that a bare code or address is taken for when nothing else is said."""
