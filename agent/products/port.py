"""What product questions need from a shop: attributes as it lists them, and the live shelf."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from agent.ids import Language

Text = Mapping[Language, str]


@dataclass(frozen=True, eq=False)
class Spec:
    """One attribute under the shop's own name: ``Waterhead, floor``, ``5,000 mm``."""

    name: Text
    value: Text


@dataclass(frozen=True)
class Choice:
    """A variant that can be bought.

    Attributes:
        sku: The shop's number for it.
        name: ``Fjord blue, M``: its options, separated by commas where there are several.
        option: What tells variants apart: ``colour``, ``size``, ``length`` …
    """

    sku: str
    name: Text
    option: str = ""


@dataclass(frozen=True)
class Product:
    """What the shop lists about a product. A ``None`` is not listed, and nothing is said of it.

    Attributes:
        category: The shop's name of its category.
        weight_g: Weight in grams.
        warranty_years: The warranty as it holds for this product, exceptions included.
        final_sale: It can neither be returned nor exchanged.
        sealed: Why it may only come back unopened, as a sentence.
    """

    id: str
    title: Text
    category: Text
    currency: str
    choices: tuple[Choice, ...]
    specs: tuple[Spec, ...] = ()
    care: Text = field(default_factory=dict)
    weight_g: int | None = None
    warranty_years: int | None = None
    final_sale: bool = False
    sealed: Text | None = None


@dataclass(frozen=True)
class Shelf:
    """A variant as it is now: price, and pieces that can be bought."""

    price: Decimal
    available: int


class Products(Protocol):
    """The shop's products."""

    async def catalogue(self) -> Sequence[Product]:
        """All products. The same object until something changed: what is made of it is kept."""

    async def shelf(self, product: str) -> Mapping[str, Shelf]:
        """Price and stock by SKU, live, never cached; empty for an unknown product.

        Raises:
            ShopUnavailable: The shop does not answer.
        """
