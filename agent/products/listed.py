"""The demo shop's products behind the port: files for what is listed, the store for what is live."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from agent.products.port import Choice, Product, Shelf, Spec
from agent.shop.catalogue import Text, read_catalogue, read_categories
from agent.shop.rules import read_rules

Shelving = Callable[[str], Awaitable[Mapping[str, Shelf]]]
"""Reads a product's live prices and stock by SKU."""


class ListedProducts:
    """Implements ``Products``.

    Args:
        products: What is listed; see :func:`read_products`.
        shelf: Reads what is live.
    """

    def __init__(self, products: Sequence[Product], shelf: Shelving) -> None:
        self._products = tuple(products)
        self._shelf = shelf

    async def catalogue(self) -> Sequence[Product]:
        """See the port."""
        return self._products

    async def shelf(self, product: str) -> Mapping[str, Shelf]:
        """See the port."""
        return await self._shelf(product)


def read_products(folder: Path) -> tuple[Product, ...]:
    """The products of a shop's folder.

    Raises:
        ValueError: A file is missing or broken.
    """
    rules, categories = read_rules(folder), read_categories(folder)

    def sealed(key: str | None) -> Text | None:
        return None if key is None else rules.sealed_only.get(key)

    return tuple(
        Product(
            id=item.id,
            title=item.title,
            category=categories.get(item.category, {"en": item.category, "zh": item.category}),
            currency=rules.currency,
            choices=tuple(Choice(one.sku, one.name, one.option) for one in item.variants),
            specs=tuple(Spec(spec.name, spec.value) for spec in item.specs),
            care=item.care or {},
            weight_g=item.weight_g,
            warranty_years=item.warranty_years,
            final_sale=item.final_sale,
            sealed=sealed(item.return_only_sealed),
        )
        for item in read_catalogue(folder).products
    )
