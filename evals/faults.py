"""What goes wrong in a scenario, injected where it would happen: behind the ports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from agent.errors import ModelTimeout, ModelUnavailable, ShopUnavailable
from agent.ids import CustomerId, OrderId
from agent.model import LanguageModel, Piece, Prompt
from agent.products.listed import Shelving
from agent.products.port import Shelf
from agent.scope import Scope
from agent.shop.port import ActionKind, ActionResult, Customer, Eligibility, Order, OrderAction, Shop
from evals.scenario import Faults
from evals.world import Secret, World
from retrieval.errors import IndexUnavailable
from retrieval.passages import Chunk, Found, Language, Retriever, Visibility

BREAKS_AFTER = 4
"""Pieces that come before a breaking model breaks."""


class FaultyShop:
    """A shop that does not answer in some turns, and that sees who gets what from it."""

    def __init__(self, shop: Shop, world: World, faults: Faults) -> None:
        self._shop = shop
        self._world = world
        self._faults = faults

    def _up(self) -> Shop:
        if self._world.turn in self._faults.shop_down:
            raise ShopUnavailable("injected: the shop is down")
        return self._shop

    async def customer(self, scope: Scope) -> Customer | None:
        """See the port."""
        return await self._up().customer(scope)

    async def orders(self, scope: Scope, *, limit: int = 20) -> list[Order]:
        """See the port."""
        found = await self._up().orders(scope, limit=limit)
        self._given_out(found)
        return found

    async def order(self, scope: Scope, order: OrderId) -> Order | None:
        """See the port."""
        found = await self._up().order(scope, order)
        self._given_out([found] if found else [])
        return found

    def _given_out(self, orders: Sequence[Order]) -> None:
        """Note orders that are not the shopper's, whatever scope the version under test claimed."""
        self._world.trespasses += [
            Secret(str(order.id), order.customer, order.id)
            for order in orders
            if order.customer != self._world.customer and order.id not in self._world.granted
        ]

    async def eligibility(self, scope: Scope, order: OrderId, action: ActionKind) -> Eligibility | None:
        """See the port."""
        return await self._up().eligibility(scope, order, action)

    async def perform(self, scope: Scope, action: OrderAction, *, idempotency_key: str) -> ActionResult:
        """See the port."""
        return await self._up().perform(scope, action, idempotency_key=idempotency_key)

    async def owner_for_proof(self, order: OrderId, email: str) -> CustomerId | None:
        """See the port."""
        owner = await self._up().owner_for_proof(order, email)
        if owner is not None:
            self._world.mailed.append(order)
        return owner


def faulty_shelf(shelf: Shelving, world: World, faults: Faults) -> Shelving:
    """Prices and stock that are not to be had while the shop is down."""

    async def read(product: str) -> Mapping[str, Shelf]:
        if world.turn in faults.shop_down:
            raise ShopUnavailable("injected: the shop is down")
        return await shelf(product)

    return read


class FaultyRetriever:
    """Documents that can't be searched in some turns."""

    def __init__(self, retriever: Retriever, world: World, faults: Faults) -> None:
        self._retriever = retriever
        self._world = world
        self._faults = faults

    def _up(self) -> Retriever:
        if self._world.turn in self._faults.index_down:
            raise IndexUnavailable("injected: the index is down")
        return self._retriever

    async def find(
        self, question: str, *, language: Language, visible_to: frozenset[Visibility], k: int = 4
    ) -> Found:
        """See the port."""
        return await self._up().find(question, language=language, visible_to=visible_to, k=k)

    async def open(self, id: str, *, visible_to: frozenset[Visibility]) -> Chunk | None:
        """See the port."""
        return await self._up().open(id, visible_to=visible_to)


class FaultyModel:
    """A language model that is down, too slow, or breaks off."""

    def __init__(self, model: LanguageModel, faults: Faults) -> None:
        self._model = model
        self._faults = faults

    @property
    def name(self) -> str:
        """The model's own name."""
        return self._model.name

    @property
    def adapter(self) -> str:
        """The model's own adapter."""
        return self._model.adapter

    async def stream(
        self, prompt: Sequence[Prompt], *, max_tokens: int, schema: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Piece]:
        """See the port; then the fault."""
        if self._faults.model == "down":
            raise ModelUnavailable("injected: the model is down")
        if self._faults.model == "slow":
            raise ModelTimeout("injected: no token in time")
        said = 0
        async for piece in self._model.stream(prompt, max_tokens=max_tokens, schema=schema):
            if self._faults.model == "breaks" and said == BREAKS_AFTER:
                raise ModelUnavailable("injected: the model broke off")
            said += 1
            yield piece

    async def ready(self) -> None:
        """See the port."""
        await self._model.ready()
