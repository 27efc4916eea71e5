"""What the shop's data says over the variants of one product: how many, and which costs least or most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.events import ProductFact
from agent.order_facts import money
from agent.products.attributes import Comparison
from agent.products.facts import Teller
from agent.products.port import Choice, Product
from agent.products.variants import colours, sizes
from agent.texts import text


class VariantTeller(Teller):
    """Tells facts of products, and of their variants beside one another."""

    def count(
        self, product: Product, kind: str, *, chosen: Sequence[Choice], stocked: bool
    ) -> ProductFact | None:
        """How many colours, sizes or variants there are; ``None`` where it does not differ in that.

        Args:
            product: Asked about.
            kind: ``colours``, ``sizes`` or ``variants``.
            chosen: Variants named in the question; empty for all.
            stocked: How many of them are in stock is asked.
        """
        among = tuple(chosen or product.choices)
        every = self._kinds(product, kind, among)
        if not every:
            return None
        shelf = self._shelves.get(product.id, {})
        there = tuple(one for one in among if one.sku in shelf and shelf[one.sku].available > 0)
        told = self._kinds(product, kind, there) if stocked else every
        return self._fact(
            product,
            f"count.{kind}",
            "product.count.stock" if stocked else "product.count",
            kind=text(f"product.kind.{kind}", self._language),
            count=len(told),
            total=len(every),
            values=self._bracket(told) if told else "",
        )

    def cheapest(
        self, product: Product, comparison: Comparison, *, chosen: Sequence[Choice], stocked: bool
    ) -> list[ProductFact]:
        """Which variant costs least, or most; empty where the shop gives no prices, or none is in stock.

        Args:
            product: Asked about.
            comparison: By price, and which end is meant.
            chosen: Variants named in the question; empty for all.
            stocked: Only those in stock are asked about.
        """
        shelf = self._shelves.get(product.id, {})
        among = [choice for choice in chosen or product.choices if choice.sku in shelf]
        if stocked:
            among = [choice for choice in among if shelf[choice.sku].available > 0]
        if not among:
            return []
        best = (min if comparison.wins == "low" else max)(shelf[choice.sku].price for choice in among)
        winners = [choice for choice in among if shelf[choice.sku].price == best]
        alike = len(winners) == len(among)
        if alike and (chosen or len(among) == 1):
            return [*self._prices(product, among), *(self._stock(product, among) if stocked else [])]
        name = "equal" if alike else "among" if chosen else "most"
        fact = self._fact(
            product,
            f"variant.{comparison.wins}",
            f"product.variant.{name}{'.stock' if stocked and not chosen else ''}",
            adjective=comparison.words(self._language)[1],
            variant=self._choices(winners),
            among=self._choices(among),
            value=money(best, product.currency),
        )
        # What can't be had is said to be so.
        gone = not any(shelf[choice.sku].available > 0 for choice in winners)
        return [fact, *(self._stock(product, winners) if gone else [])]

    def _kinds(self, product: Product, kind: str, among: tuple[Choice, ...]) -> list[str]:
        some = replace(product, choices=among)
        match kind:
            case "colours":
                return colours(some, self._language) if among else []
            case "sizes":
                return sizes(some, self._language) if among else []
            case _:
                return [choice.name[self._language] for choice in among]
