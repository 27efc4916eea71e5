"""The demo shop's products, read from ``products/*.yaml`` into types.

What the store and answers about attributes need is read here; descriptions are documents and go
to retrieval.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agent.ids import Language

T = TypeVar("T")


def _in_both_languages(text: dict[Language, str]) -> dict[Language, str]:
    if set(text) != {"en", "zh"}:
        raise ValueError("needs both en and zh")
    return text


Text = Annotated[dict[Language, str], AfterValidator(_in_both_languages)]
"""A text in both languages."""


class Record(BaseModel):
    """Base of what is read from the shop's files: frozen; keys the store has no use for are skipped."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Variant(Record):
    """One thing on the shelf: a colour, size or length of a product."""

    sku: str
    name: Text
    stock: int = Field(ge=0)
    price: Decimal | None = Field(None, gt=0, decimal_places=2)
    """Only where it differs from the product's."""
    option: str = ""
    """What tells the product's variants apart: ``colour``, ``size`` …"""


class SpecRow(Record):
    """A row of a product's specifications."""

    name: Text
    value: Text


class Category(Record):
    """A group of products; products of ``products/tents.yaml`` are in ``tents``."""

    id: str
    title: Text


class Product(Record):
    """A product with its variants."""

    id: str
    title: Text
    price: Decimal = Field(gt=0, decimal_places=2)
    final_sale: bool = False
    return_only_sealed: str | None = None
    """Why it may only come back unopened: a key of the rules' ``sealed_only``."""
    variants: tuple[Variant, ...] = Field(min_length=1)
    category: str = ""
    """Id of its category: the name of its file."""
    specs: tuple[SpecRow, ...] = ()
    care: Text | None = None
    weight_g: int | None = Field(None, gt=0)
    warranty_years: int | None = Field(None, ge=0)

    def price_of(self, variant: Variant) -> Decimal:
        """The variant's price: its own, or the product's."""
        return variant.price or self.price


@dataclass(frozen=True)
class Catalogue:
    """All products, in file order."""

    products: tuple[Product, ...]

    def items(self) -> Iterator[tuple[Product, Variant]]:
        """Every variant with its product."""
        for product in self.products:
            for variant in product.variants:
                yield product, variant


class _Loader(yaml.SafeLoader):
    """YAML with the booleans of its version 1.2: ``NO`` is Norway, not false."""


_Loader.yaml_implicit_resolvers = {
    sign: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for sign, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), list("tf"))


def read_yaml(path: Path, kind: type[T]) -> T:
    """Read a YAML file as ``kind``.

    Raises:
        ValueError: The file is missing, no YAML, or not of that kind; the message names it.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506  (a SafeLoader)
        return TypeAdapter(kind).validate_python(content)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{path}: {where}: {first['msg']}") from None


def read_catalogue(folder: Path) -> Catalogue:
    """Read ``folder/products/*.yaml``.

    Raises:
        ValueError: A file is broken, there are no products, or an id or SKU occurs twice.
    """
    products: list[Product] = []
    for path in sorted((folder / "products").glob("*.yaml")):
        in_file: tuple[Product, ...] = read_yaml(path, tuple[Product, ...])
        products.extend(product.model_copy(update={"category": path.stem}) for product in in_file)
    catalogue = Catalogue(tuple(products))
    if not products:
        raise ValueError(f"{folder / 'products'}: no products")
    _refuse_twins("product", [product.id for product in products])
    _refuse_twins("SKU", [variant.sku for _, variant in catalogue.items()])
    return catalogue


def read_categories(folder: Path) -> dict[str, Text]:
    """Titles of the categories in ``folder/categories.yaml`` by id; raises ``ValueError`` if broken."""
    found: tuple[Category, ...] = read_yaml(folder / "categories.yaml", tuple[Category, ...])
    return {category.id: category.title for category in found}


def _refuse_twins(what: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{what} {name} occurs twice")
