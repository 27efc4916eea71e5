"""What the shop's data says about products, as sentences an answer can cite."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from agent.events import Citation, ProductFact
from agent.ids import Language
from agent.order_facts import money
from agent.products.attributes import Attribute, Comparison, core, states
from agent.products.port import Choice, Product, Shelf, Spec
from agent.products.variants import Picked, colours, options, sizes
from agent.products.words import plain
from agent.quantities import figures
from agent.texts import text
from retrieval.passages import Chunk, Found, Passage
from retrieval.words import sentences

SOURCES = 4
"""Facts given to an answer beside its passages."""
FEW = 5
"""Pieces up to which the number left is told."""
Shelves = Mapping[str, Mapping[str, Shelf]]
"""Product id → SKU → what is on the shelf."""


def cite(fact: ProductFact, ref: int) -> Citation:
    """The citation number ``ref`` of an answer, pointing to ``fact``."""
    return Citation(ref=str(ref), kind="product_fact", id=fact.id, title=fact.title, quote=fact.text)


def beside(facts: Sequence[ProductFact], found: Found, language: Language) -> Found:
    """Facts as sources before the passages found, at most ``SOURCES``.

    Each has the score of the best passage, and its sentences are as near as the nearest one.
    """
    score = max((passage.score for passage in found.passages), default=0.0)
    nearest = max(found.near.values(), default=0.0)
    sources = tuple(
        Passage(
            Chunk(
                id=fact.id,
                document=f"product:{fact.product}",
                source="product data",
                title=fact.title,
                heading="",
                text=fact.text,
                kind="product",
                language=language,
                version="",
                visibility="public",
                checksum="",
                product=fact.product,
            ),
            similarity=1.0,
            score=score,
        )
        for fact in facts[:SOURCES]
    )
    near = {told: nearest for source in sources for _, told in sentences(source.chunk.text)}
    return replace(found, passages=(*sources, *found.passages), near={**found.near, **near})


def recited(citations: Sequence[Citation], facts: Sequence[ProductFact]) -> list[Citation]:
    """Citations in which those that point to one of the facts say so."""
    known = {fact.id for fact in facts}
    return [one.model_copy(update={"kind": "product_fact"}) if one.id in known else one for one in citations]


class Teller:
    """Tells facts of products in one language.

    Args:
        language: Of the sentences.
        shelves: Live prices and stock of the products that will be asked about.
    """

    def __init__(self, language: Language, shelves: Shelves) -> None:
        self._language = language
        self._shelves = shelves

    def spec(self, product: Product, spec: Spec) -> ProductFact:
        """A specification as listed."""
        number = product.specs.index(spec) + 1
        return self._fact(
            product,
            f"spec.{number}",
            "product.spec",
            attribute=spec.name[self._language],
            value=_closed(spec.value[self._language]),
        )

    def tell(
        self, product: Product, attribute: Attribute, *, chosen: Sequence[Choice], question: str
    ) -> list[ProductFact]:
        """What the shop lists outside of specifications; empty when it lists nothing.

        Args:
            product: Asked about.
            attribute: Asked for.
            chosen: Variants named in the question; empty for none.
            question: The question.
        """
        match attribute.field:
            case "weight":
                return self._weight(product)
            case "price":
                return self._prices(product, chosen)
            case "warranty":
                return self._warranty(product)
            case "stock":
                return self._stock(product, chosen)
            case "colours" if found := colours(product, self._language):
                return [self._fact(product, "colours", "product.colours", values=self._list(found))]
            case "sizes" if found := sizes(product, self._language):
                return [self._fact(product, "sizes", "product.sizes", values=self._list(found))]
            case "care" if product.care:
                return [self._fact(product, "care", "product.care", value=product.care[self._language])]
            case "final_sale":
                return self._final_sale(product, question)
            case _:
                return []

    def compare(
        self, products: Sequence[Product], comparison: Comparison, allowed: Callable[[Product, Spec], bool]
    ) -> list[ProductFact]:
        """Which product is at the wanted end; empty when their figures can't be compared.

        Args:
            products: Two or more.
            comparison: By what.
            allowed: Whether a specification belongs to the part asked about.
        """
        figured = self._figures(products, comparison.attribute, allowed)
        if figured is None:
            return []
        best = (min if comparison.wins == "low" else max)(figure for figure, _ in figured)
        winners = [product for product, (figure, _) in zip(products, figured, strict=True) if figure == best]
        said = {p.id: _closed(value) for p, (_, value) in zip(products, figured, strict=True)}
        names = self._list([product.title[self._language] for product in products])
        comparative, superlative = comparison.words(self._language)
        ids = "+".join(product.id for product in products)
        winner = winners[0]
        if len(winners) == len(products):
            words = text("product.compare.equal", self._language, value=said[winner.id], titles=names)
        elif len(products) == 2:
            other = next(product for product in products if product is not winner)
            words = text(
                "product.compare.two",
                self._language,
                title=winner.title[self._language],
                adjective=comparative,
                value=said[winner.id],
                other=other.title[self._language],
                other_value=said[other.id],
            )
        else:
            words = text(
                "product.compare.many",
                self._language,
                count=len(products),
                adjective=superlative,
                title=self._list([product.title[self._language] for product in winners]),
                value=said[winner.id],
                titles=names,
            )
        name = f"compare.{comparison.attribute.name}"
        return [ProductFact(id=f"product:{ids}#{name}", product=ids, title=names, name=name, text=words)]

    def _figures(
        self, products: Sequence[Product], attribute: Attribute, allowed: Callable[[Product, Spec], bool]
    ) -> list[tuple[Decimal, str]] | None:
        """The figure of each product, with its words; ``None`` unless all state it alike."""
        own = [self._listed_figure(product, attribute) for product in products]
        if attribute.field and all(figure is not None for figure in own):
            return [figure for figure in own if figure is not None]
        if attribute.specs is None or attribute.unit is None:
            return None
        rows = [
            {
                core(spec.name["en"]): spec
                for spec in product.specs
                if states(attribute, spec) and allowed(product, spec)
            }
            for product in products
        ]
        for name in rows[0]:
            if all(name in row for row in rows):
                found = [self._spec_figure(row[name], attribute) for row in rows]
                if all(figure is not None for figure in found):
                    return [figure for figure in found if figure is not None]
        return None

    def _listed_figure(self, product: Product, attribute: Attribute) -> tuple[Decimal, str] | None:
        match attribute.field:
            case "weight" if product.weight_g is not None:
                return Decimal(product.weight_g), self._grams(product.weight_g)
            case "warranty" if product.warranty_years is not None:
                return Decimal(product.warranty_years), self._years(product.warranty_years)
            case "price" if self._shelves.get(product.id):
                # A product costs what its cheapest variant costs.
                least = min(shelf.price for shelf in self._shelves[product.id].values())
                return least, money(least, product.currency)
            case _:
                return None

    def _spec_figure(self, spec: Spec, attribute: Attribute) -> tuple[Decimal, str] | None:
        value = spec.value[self._language]
        found = [q for q in figures(plain(value)).quantities if q.unit == attribute.unit]
        if not found or (attribute.take == "one" and (len(found) > 1 or found[0].is_range)):
            return None
        return max(quantity.high for quantity in found), value

    def _weight(self, product: Product) -> list[ProductFact]:
        if product.weight_g is None:
            return []
        # Sizes that differ in weight say so beside their measures.
        rows = [
            spec
            for spec in product.specs
            if re.search(r"size|尺寸", " ".join(spec.name.values()), re.IGNORECASE)
            and any(quantity.unit == "gram" for quantity in figures(plain(spec.value["en"])).quantities)
        ]
        if rows:
            return [self.spec(product, spec) for spec in rows]
        return [self._fact(product, "weight", "product.weight", value=self._grams(product.weight_g))]

    def _prices(self, product: Product, chosen: Sequence[Choice]) -> list[ProductFact]:
        shelf = self._shelves.get(product.id, {})
        choices = [choice for choice in chosen or product.choices if choice.sku in shelf]
        if not choices:
            return []
        by_price: dict[Decimal, list[str]] = {}
        for choice in choices:
            by_price.setdefault(shelf[choice.sku].price, []).append(choice.name[self._language])
        every = {one.price for one in shelf.values()}
        value = self._list(
            [
                money(price, product.currency) + (self._bracket(names) if len(every) > 1 else "")
                for price, names in by_price.items()
            ]
        )
        return [self._fact(product, "price", "product.price", value=value)]

    def _warranty(self, product: Product) -> list[ProductFact]:
        if product.warranty_years is None:
            return []
        return [
            self._fact(product, "warranty", "product.warranty", value=self._years(product.warranty_years))
        ]

    def _stock(self, product: Product, chosen: Sequence[Choice]) -> list[ProductFact]:
        shelf = self._shelves.get(product.id, {})
        asked = [choice for choice in chosen or product.choices if choice.sku in shelf]
        there = [choice for choice in asked if shelf[choice.sku].available > 0]
        gone = [choice for choice in asked if choice not in there]
        facts: list[ProductFact] = []
        if len(there) == 1 and shelf[there[0].sku].available <= FEW:
            count = shelf[there[0].sku].available
            facts.append(
                self._fact(product, "stock", "product.stock.few", variant=self._choices(there), count=count)
            )
        elif there:
            facts.append(self._fact(product, "stock", "product.stock.in", variant=self._choices(there)))
        if gone:
            facts.append(self._fact(product, "stock.out", "product.stock.out", variant=self._choices(gone)))
        others = [
            choice
            for choice in product.choices
            if choice not in asked and choice.sku in shelf and shelf[choice.sku].available > 0
        ]
        if asked and not there and others:
            facts.append(
                self._fact(product, "stock.others", "product.stock.others", variants=self._choices(others))
            )
        return facts

    def absent(self, product: Product, asked: str) -> ProductFact:
        """That it does not come in ``asked``."""
        return self._fact(product, "stock.none", "product.stock.none", asked=asked)

    def absent_options(self, product: Product, picked: Picked) -> ProductFact:
        """That no variant has all of these options, given by their place and English name."""
        named = [(options(choice, "en"), options(choice, self._language)) for choice in product.choices]
        names = {
            own[place]: told[place]
            for place, those in sorted(picked.items())
            for own, told in named
            if place < len(own) and own[place] in those
        }
        return self.absent(product, self._list(list(names.values())))

    def _final_sale(self, product: Product, question: str) -> list[ProductFact]:
        if product.final_sale:
            return [self._fact(product, "final_sale", "product.final_sale")]
        if product.sealed is not None:
            value = product.sealed[self._language]
            return [self._fact(product, "sealed", "product.sealed", value=value)]
        if re.search(r"final[ -]sale|清仓", question, re.IGNORECASE):
            return [self._fact(product, "final_sale", "product.not_final_sale")]
        return []

    def _fact(self, product: Product, name: str, sentence: str, **values: object) -> ProductFact:
        title = product.title[self._language]
        return ProductFact(
            id=f"product:{product.id}#{name}",
            product=product.id,
            title=title,
            name=name,
            text=text(sentence, self._language, title=title, **values),
        )

    def _grams(self, grams: int) -> str:
        if grams < 1000:
            return text("product.weight.grams", self._language, grams=grams)
        kilograms = f"{Decimal(grams) / 1000:f}".rstrip("0").rstrip(".")
        return text("product.weight.kilograms", self._language, grams=grams, kilograms=kilograms)

    def _years(self, years: int) -> str:
        name = "product.warranty.year" if years == 1 else "product.warranty.years"
        return text(name, self._language, count=years)

    def _choices(self, choices: Sequence[Choice]) -> str:
        return self._list([choice.name[self._language] for choice in choices])

    def _bracket(self, names: Sequence[str]) -> str:
        listed = self._list(names)
        return f"（{listed}）" if self._language == "zh" else f" ({listed})"

    def _list(self, items: Sequence[str]) -> str:
        # Names with commas of their own need another mark between them.
        if any(re.search("[,，]", name) for name in items):
            return ("；" if self._language == "zh" else "; ").join(items)
        return ("、" if self._language == "zh" else ", ").join(items)


def _closed(value: str) -> str:
    return value.rstrip(" .。")
