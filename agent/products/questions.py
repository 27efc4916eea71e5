"""From a question to product facts, and whether they answer it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from agent.events import ProductFact
from agent.ids import Language
from agent.products.attributes import Attribute, Span, Wish, states, vocabulary
from agent.products.port import Choice, Product, Products, Spec
from agent.products.reading import GROUP, QuestionReader, Reading
from agent.products.variant_facts import VariantTeller
from agent.products.variants import colours, having, is_colour, is_size, names_colour, sizes
from agent.understanding import Said

TOLD = 8
"""Facts told at once; a question that gets more is left to the documents."""
_OF_THE_WHOLE = frozenset({"weight", "price", "care"})
"""Fields that say nothing about a part of a product."""


@dataclass(frozen=True)
class Known:
    """What product data says to a question.

    Attributes:
        facts: In the order they are asked for.
        outright: They answer the whole question, and are said as they are. Otherwise they are
            sources for an answer.
        missing: Title of the product of which the shop does not list what is asked, though it
            lists it for others, or for other parts. There are no facts then.
    """

    facts: tuple[ProductFact, ...] = ()
    outright: bool = False
    missing: str = ""


class ProductQuestions:
    """Answers questions from one shop's product data.

    Args:
        products: The shop's products.
        reader: Reads questions about their catalogue, where one is at hand; else it is made on first use.
    """

    def __init__(self, products: Products, *, reader: QuestionReader | None = None) -> None:
        self._products = products
        self._reader = reader or QuestionReader(())

    async def answer(
        self, question: str, language: Language, *, rewritten: str = "", earlier: Sequence[Said] = ()
    ) -> Known | None:
        """What product data says to ``question``; ``None`` when it isn't about an attribute of a product.

        Args:
            question: The message.
            language: Of the facts.
            rewritten: The question made to stand alone, when something did that.
            earlier: Lines before it, oldest first.

        Raises:
            ShopUnavailable: Price or stock was asked and the shop does not answer.
        """
        catalogue = await self._products.catalogue()
        if catalogue is not self._reader.products:
            self._reader = QuestionReader(catalogue)
        reading = self._reader.read(question, rewritten=rewritten, earlier=earlier)
        products = reading.products
        if not products or not reading.asks:
            return None
        comparing = reading.asked.comparison is not None and len(products) > 1
        if len(products) > GROUP and not comparing:
            return Known()
        live = {attribute.field for wish in reading.asked.wishes for attribute in wish.attributes}
        needed = products if live & {"price", "stock"} else ()
        shelves = {product.id: await self._products.shelf(product.id) for product in needed}
        return _Telling(reading, catalogue, VariantTeller(language, shelves), language).told()


@dataclass
class _Telling:
    """One answer in the making."""

    reading: Reading
    catalogue: Sequence[Product]
    teller: VariantTeller
    language: Language
    facts: dict[str, ProductFact] = field(default_factory=dict)
    complete: bool = True
    """Whether everything recognised in the question has a fact."""
    spans: list[Span] = field(default_factory=list)
    """What was recognised."""
    parts: tuple[str, ...] = ()
    """Parts asked about for which the shop lists what is asked, of any product."""

    def told(self) -> Known:
        """Collect the facts and judge whether they are the whole answer."""
        reading, products = self.reading, self.reading.products
        asked = reading.asked
        self.parts = tuple(part for part in asked.parts if self._listed_for(part))
        self.complete = not reading.named.unknown
        self.spans += [*reading.named.spans, *asked.spans, *(asked.parts[part] for part in self.parts)]
        self.spans += [span for one in reading.direct for span in one.spans]
        compared: Attribute | None = None
        if asked.comparison is not None:
            verdict = (
                self.teller.compare(products, asked.comparison, self._allowed) if len(products) > 1 else []
            )
            compared = asked.comparison.attribute if verdict else None
            self._add(verdict)
            # One product alone is to be compared with something that is not known, unless with itself.
            self.complete = self.complete and (len(products) > 1 or reading.among_variants)
        if len(products) <= GROUP:
            for product in products:
                self._tell(product, compared)
        left = reading.unexplained(self.spans, products)
        uncoloured = [product for product in products if not colours(product, "en")]
        if uncoloured and any(is_colour(word) for word in left):
            self.facts.clear()
        if not self.facts or len(self.facts) > TOLD:
            return self._nothing()
        left = [word for word in left if not self._absent(word)]
        return Known(tuple(self.facts.values()), outright=self.complete and not left)

    def _tell(self, product: Product, compared: Attribute | None) -> None:
        """Add the facts of one product."""
        asked = self.reading.asked
        picks, places = self.reading.options(product)
        self.spans += places
        chosen = having(product, picks)
        # "Wide" may be a part and a variant; the variant is meant where there is one.
        parts = [part for part, at in asked.parts.items() if not any(_overlap(at, place) for place in places)]
        direct = {
            one.spec: one.spans
            for one in self.reading.direct
            if one.product is product
            and self._allowed(product, one.spec)
            and not (compared is not None and states(compared, one.spec))
        }
        self._add([self.teller.spec(product, spec) for spec in direct])
        self.complete = self.complete and bool(asked.wishes or direct)
        told, seen = self._of_variants(product, chosen)
        self._add(told)
        for wish in asked.wishes:
            if compared in wish.attributes or any(attribute.field in seen for attribute in wish.attributes):
                continue
            told = self._wish(product, wish, direct, parts, chosen)
            if picks and not chosen and any(attribute.field == "stock" for attribute in wish.attributes):
                told.insert(0, self.teller.absent_options(product, picks))
            self.complete = self.complete and bool(told)
            self._add(told)

    def _of_variants(
        self, product: Product, chosen: Sequence[Choice]
    ) -> tuple[list[ProductFact], Collection[str]]:
        """How many variants there are and which costs least, and the fields that this answers."""
        asked = self.reading.asked
        fields = {attribute.field for wish in asked.wishes for attribute in wish.attributes}
        stocked = "stock" in fields
        told: list[ProductFact] = []
        seen: set[str] = set()
        for kind in ("colours", "sizes", "variants"):
            # A kind of product ("tents") has no variants of its own.
            if kind not in asked.counted | (fields & {"variants"}) or not self.reading.named.products:
                continue
            fact = self.teller.count(product, kind, chosen=chosen, stocked=stocked)
            if fact is not None:
                told.append(fact)
                seen |= {kind, "stock"}
        if self.reading.among_variants and asked.comparison is not None:
            verdict = self.teller.cheapest(product, asked.comparison, chosen=chosen, stocked=stocked)
            told += verdict
            seen |= {"price", "stock"} if verdict else set()
        return told, seen

    def _wish(
        self,
        product: Product,
        wish: Wish,
        direct: Mapping[Spec, Sequence[Span]],
        parts: Collection[str],
        chosen: Sequence[Choice],
    ) -> list[ProductFact]:
        """Facts for one wish: of the attributes that it may mean, each that is known."""
        found: list[ProductFact] = []
        for attribute in wish.attributes:
            rows = [
                spec for spec in product.specs if states(attribute, spec) and self._allowed(product, spec)
            ]
            rows = [spec for spec in rows if spec in direct] or rows
            if rows and attribute.field not in {"stock", "final_sale"}:
                found += [self.teller.spec(product, spec) for spec in rows]
            elif not parts or attribute.field not in _OF_THE_WHOLE:
                found += self.teller.tell(product, attribute, chosen=chosen, question=self.reading.text)
        own = [spec for spec, spans in direct.items() if any(_overlap(span, wish.span) for span in spans)]
        return found or [self.teller.spec(product, spec) for spec in own]

    def _nothing(self) -> Known:
        """No facts; whether that is because the shop lists it for others alone.

        Only where the list is the whole truth: a product comes in the variants it has, and where
        a figure is given for one part, it would be given for another.
        """
        if len(self.reading.products) != 1:
            return Known()
        product = self.reading.products[0]
        wished = [attribute for wish in self.reading.asked.wishes for attribute in wish.attributes]
        coloured = any(a.field == "stock" for a in wished) and names_colour(self.reading.text)
        if coloured or any(attribute.field == "colours" for attribute in wished):
            missing = not colours(product, "en")
        else:
            missing = bool(self.parts) and any(
                states(attribute, spec) for attribute in wished for spec in product.specs
            )
        return Known(missing=product.title[self.language] if missing else "")

    def _absent(self, word: str) -> bool:
        """Whether a word left over is a colour or size beside a question that lists those there are.

        A size that is not there is said to be none; a colour may go by another name.
        """
        fields = {attribute.field for wish in self.reading.asked.wishes for attribute in wish.attributes}
        if not fields & {"stock", "colours", "sizes"}:
            return False
        products = self.reading.products
        if is_size(word) and all(sizes(product, "en") for product in products):
            absent = [self.teller.absent(product, word) for product in products]
            self.facts = {fact.id: fact for fact in absent} | self.facts
            return True
        return is_colour(word)

    def _add(self, facts: Sequence[ProductFact]) -> None:
        self.facts.update({fact.id: fact for fact in facts})

    def _allowed(self, product: Product, spec: Spec) -> bool:
        """Whether a specification is one of the part asked about."""
        patterns = [vocabulary().parts[part] for part in self.parts]
        return all(any(pattern.search(name) for name in spec.name.values()) for pattern in patterns)

    def _listed_for(self, part: str) -> bool:
        pattern = vocabulary().parts[part]
        wished = [attribute for wish in self.reading.asked.wishes for attribute in wish.attributes]
        return any(
            any(pattern.search(name) for name in spec.name.values())
            and any(states(attribute, spec) for attribute in wished)
            for product in self.catalogue
            for spec in product.specs
        )


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]
