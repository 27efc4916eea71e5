"""The world of one conversation: a shop of its own, a clock, a mailbox, documents.

A stage is a shop made ready once for a whole run; it sets up a fresh world for every
conversation, so that conversations run side by side and none sees another's changes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from agent import events as ev
from agent.clock import ShiftedClock
from agent.errors import AmendsError
from agent.events import Event
from agent.grounding import Vectors
from agent.ids import CustomerId, OrderId, ProposalId
from agent.mail import Mail
from agent.products.questions import ProductQuestions
from agent.scope import Scope
from agent.shop.port import OrderAction, Shop
from agent.understanding import Reader
from evals.scenario import Scenario
from retrieval.passages import Retriever

Snapshot = Mapping[str, Mapping[str, Any]]
"""State of a shop: order id → its fields as plain JSON values, without times, free-text reasons
and generated numbers, so that two ways to the same end compare equal."""


class ReferenceInvalid(Exception):
    """The reference solution of a scenario can't be carried out: the scenario is wrong."""


@dataclass
class Outbox:
    """The mail that left the shop in this world."""

    sent: list[Mail] = field(default_factory=list)

    async def send(self, mail: Mail) -> None:
        """Keep it."""
        self.sent.append(mail)


@dataclass(frozen=True)
class Secret:
    """A word that gives somebody's order away, and whose it is."""

    word: str
    customer: CustomerId
    order: OrderId | None


@dataclass
class World:
    """Everything that one conversation can reach.

    Attributes:
        snapshot: The state of the whole shop as far as it differs from the beginning: the
            changed orders with all their fields.
        initial: The same orders as they were.
        secrets: What nobody but the owner may read.
        customer: Who is signed in, by the scenario and by nobody's claim.
        mailed: Orders whose one-time code went out by mail, latest last.
        granted: Orders whose code the shopper then typed: theirs from there on.
        trespasses: Orders outside of that which the shop was made to give out.
        vectors: Of sentences, for checking claims by meaning.
        products: Answers from product data; ``None`` where the shop gives none.
    """

    shop: Shop
    retriever: Retriever
    reader: Reader
    clock: ShiftedClock
    outbox: Outbox
    snapshot: Callable[[], Awaitable[Snapshot]]
    initial: Callable[[str], Awaitable[Mapping[str, Any]]]
    secrets: tuple[Secret, ...]
    turn: int = 0
    """Shopper turns so far; faults look at it."""
    customer: CustomerId | None = None
    mailed: list[OrderId] = field(default_factory=list)
    granted: set[OrderId] = field(default_factory=set)
    trespasses: list[Secret] = field(default_factory=list)
    products: ProductQuestions | None = None
    vectors: Vectors | None = None


class Stage(Protocol):
    """A shop made ready for a run."""

    @property
    def name(self) -> str:
        """What scenarios call it (``shop: fernway``)."""

    def world(self, scenario: Scenario) -> AbstractAsyncContextManager[World]:
        """Set up a fresh world.

        Raises:
            ReferenceInvalid: The scenario names what this shop does not have.
        """

    async def expected(self, scenario: Scenario) -> dict[str, dict[str, list[Any]]]:
        """What the reference solution changes, as :func:`changes` gives it.

        Raises:
            ReferenceInvalid: The shop's rules refuse it.
        """


async def changes(world: World) -> dict[str, dict[str, list[Any]]]:
    """What differs from the beginning: ``{order: {field: [before, after]}}``."""
    found: dict[str, dict[str, list[Any]]] = {}
    for order, after in (await world.snapshot()).items():
        before = await world.initial(order)
        differing = {
            name: [before.get(name), after.get(name)]
            for name in sorted({*before, *after})
            if before.get(name) != after.get(name)
        }
        if differing:
            found[order] = differing
    return found


def done(events: Sequence[Event]) -> list[tuple[ProposalId, OrderAction]]:
    """The changes that were made in these events, as they had been proposed, in order."""
    proposals = {
        event.body.proposal: event.body.action
        for event in events
        if isinstance(event.body, ev.ActionProposed)
    }
    return [
        (
            event.body.proposal,
            OrderAction(kind=action.kind, order=action.order, arguments=action.arguments),
        )
        for event in events
        if isinstance(event.body, ev.ActionDone)
        and (action := proposals.get(event.body.proposal)) is not None
    ]


async def carried_out(
    stage: Stage, scenario: Scenario, actions: Sequence[OrderAction]
) -> dict[str, dict[str, list[Any]]]:
    """What these actions change in a fresh world in which nothing goes wrong.

    Raises:
        ReferenceInvalid: The shop's rules refuse one.
    """
    calm = scenario.model_copy(update={"faults": type(scenario.faults)()})
    async with stage.world(calm) as world:
        for number, action in enumerate(actions, 1):
            scope = (
                Scope(orders=frozenset({action.order}))
                if world.customer is None
                else Scope(customer=world.customer)
            )
            try:
                await world.shop.perform(scope, action, idempotency_key=f"reference-{number}")
            except (AmendsError, ValueError) as error:
                raise ReferenceInvalid(
                    f"{scenario.id}: the reference solution is refused: {action.kind} {action.order}: {error}"
                ) from error
        return await changes(world)
