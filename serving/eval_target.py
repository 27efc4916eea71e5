"""A running server as the target of an evaluation: spoken to over the public protocol.

What the shopper can't see (mood, passages, packets) is read from the server's own log, and
the shop's end state from its store, so both must be reachable from here: run the command
with the server's settings.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx

from agent import events as ev
from agent.errors import AmendsError
from agent.events import Event
from agent.ids import ConversationId, CustomerId
from agent.log import ConversationLog
from agent.log_sql import SqlLog
from agent.shop.demo import open_demo_shop
from agent.shop.port import Customer, ShopRecords
from evals.leaks import leaks
from evals.records import Leak
from evals.scenario import Press, Say, Scenario, Step
from evals.shoppers.port import Wire
from evals.shops.store import TODAY, all_secrets, plain
from evals.target import Encounter, keep
from evals.world import Secret
from serving.settings import Settings
from serving.terminal import VISITOR, ChatFailed, TerminalShopper, is_near, sign_in

OTHER_LOG = "the server's log is not the one the settings name: set AMENDS_DATA or AMENDS_LOG__URL as the server has them"
BUTTONS = {"confirm": "/yes", "decline": "/no", "person": "/person"}


class NotThisServer(AmendsError):
    """The server's log or store isn't the one these settings name."""

    code = "eval.other_server"


class ServerAway(AmendsError):
    """Nothing answers at the address, or it answers no more."""

    code = "eval.server_away"


class NotFromOutside(AmendsError):
    """A shopper did what can't be done over the public protocol."""

    code = "eval.not_from_outside"


class RemoteChannel:
    """One conversation over the public protocol."""

    def __init__(self, shopper: TerminalShopper, heard: list[Wire]) -> None:
        self._shopper = shopper
        self._heard = heard
        self.pressed: list[str] = []
        """Proposals whose button the shopper pressed."""

    @property
    def conversation(self) -> ConversationId:
        """See the port."""
        return ConversationId(self._shopper.conversation)

    async def do(self, step: Step) -> None:
        """See the port; raises ``TimeoutError`` when the server did not answer."""
        try:
            match step:
                case Say():
                    text = step.texts[0]
                    await self._shopper.do(f"/{text}" if text.startswith("/") else text)
                case Press():
                    if step.press == "confirm" and (proposed := self._shopper.view.proposal) is not None:
                        self.pressed.append(proposed["proposal"])
                    await self._shopper.do(BUTTONS[step.press])
                case _:
                    raise NotFromOutside(f"{step} can't be done from outside")
        except ChatFailed as failed:
            raise TimeoutError(str(failed)) from failed

    async def heard(self, after: int) -> list[Wire]:
        """See the port."""
        return [event for event in self._heard if event["seq"] > after]


class RemoteEncounter:
    """A conversation with a running server."""

    def __init__(
        self,
        target: RemoteTarget,
        channel: RemoteChannel,
        customer: CustomerId | None,
        before: Mapping[str, Any],
    ) -> None:
        self._target = target
        self._customer = customer
        self._before = before
        self._events: list[Event] = []
        self.channel = channel

    async def events(self) -> list[Event]:
        """See the port; the conversation is copied into the run's log once it is over."""
        if not self._events:
            events = await self._target.log.read(self.channel.conversation)
            if not events:
                raise NotThisServer(OTHER_LOG)
            await keep(self._target.folder, events)
            self._events = events
        return self._events

    async def changes(self) -> dict[str, dict[str, list[Any]]]:
        """See the port: of the customer's own orders."""
        after = await self._target.orders(self._customer)
        return {
            order: {name: [self._before[order][name], fields[name]] for name in differing}
            for order, fields in after.items()
            if (differing := [name for name in fields if fields[name] != self._before[order][name]])
        }

    async def confirmed(self, events: Sequence[Event]) -> dict[str, dict[str, list[Any]]]:
        """See the port: the changes to the orders that were changed by the conversation's own word."""
        done = {event.body.order for event in events if isinstance(event.body, ev.ActionDone)}
        return {order: change for order, change in (await self.changes()).items() if order in done}

    def leaks(self, events: Sequence[Event]) -> tuple[Leak, ...]:
        """See the port."""
        return leaks(self._target.secrets, events, customer=self._customer)

    @property
    def pressed(self) -> Sequence[str]:
        """See the port."""
        return self.channel.pressed


class RemoteTarget:
    """A running demo server, its log and its store. Use :func:`remote`."""

    def __init__(
        self,
        url: str,
        *,
        log: ConversationLog,
        records: ShopRecords,
        customers: Mapping[str, Customer],
        secrets: tuple[Secret, ...],
        day: date,
        folder: Path,
    ) -> None:
        self.log = log
        self.secrets = secrets
        self.folder = folder
        self._url = url
        self._records = records
        self._customers = customers
        self._day = day
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def skips(self, scenario: Scenario) -> str:
        """Scenarios that need a world of their own can't be held with a shared server."""
        if scenario.shop != "fernway" or scenario.now is not None or self._day != TODAY:
            return f"needs the shop as on {scenario.now or TODAY}: AMENDS_SHOP__DAY sets the day of a new data folder"
        if (customer := scenario.shopper.customer) != VISITOR and customer not in self._customers:
            return f"the server's shop has no customer {customer}"
        if scenario.faults != type(scenario.faults)():
            return "faults can't be injected from outside"
        if scenario.expect.changes:
            return "it would change the server's shop for the scenarios after it"
        if any(not isinstance(step, Say | Press) for step in scenario.shopper.script):
            return "a step can't be done from outside"
        if any(isinstance(step, Say) and len(step.texts) > 1 for step in scenario.shopper.script):
            return "a burst can't be sent by one terminal"
        return ""

    async def orders(self, customer: CustomerId | None) -> dict[str, dict[str, Any]]:
        """The state of a customer's orders."""
        if customer is None:
            return {}
        return {order.id: plain(order) for order in await self._records.orders_of(customer)}

    @asynccontextmanager
    async def _meet(self, scenario: Scenario) -> AsyncIterator[Encounter]:
        name = scenario.shopper.customer
        known = self._customers.get(name)
        async with self._locks[name] if known else asyncio.Lock():
            before = await self.orders(known.id if known else None)
            heard: list[Wire] = []
            shopper = TerminalShopper(
                self._url,
                sign_in=lambda: sign_in(self._url, known.email if known else VISITOR, scenario.language),
                emit=lambda event: heard.append(dict(event)),
            )
            try:
                async with shopper:
                    channel = RemoteChannel(shopper, heard)
                    yield RemoteEncounter(self, channel, known.id if known else None, before)
                    await shopper.close()
            except ChatFailed as failed:
                raise ServerAway(f"{self._url}: {failed}") from failed

    def meet(self, scenario: Scenario) -> AbstractAsyncContextManager[Encounter]:
        """See the port."""
        return self._meet(scenario)


@asynccontextmanager
async def remote(url: str, settings: Settings, folder: Path) -> AsyncIterator[RemoteTarget]:
    """Open the log and the store of the server at ``url``, which has these settings.

    Raises:
        ServerAway: Nothing answers there.
        NotThisServer: There is no store or no log where the settings say.
    """
    url = url.rstrip("/")
    await _answers(url)
    store = settings.data / "shop.db"
    if not store.exists():
        raise NotThisServer(f"{store} is missing: run this with the server's settings (AMENDS_DATA …)")
    if not settings.log.url and not (settings.data / "log.db").exists():
        raise NotThisServer(OTHER_LOG)
    log = SqlLog(settings.log_url, clock=lambda: datetime.now(UTC))
    shop = await open_demo_shop(settings.shop.folder, store, clock=lambda: datetime.now(UTC))
    try:
        customers = {str(customer.id): customer for customer in await shop.customers()}
        yield RemoteTarget(
            url,
            log=log,
            records=shop,
            customers=customers,
            secrets=await all_secrets(shop),
            day=settings.shop.day or datetime.now(UTC).date(),
            folder=folder,
        )
    finally:
        await shop.close()
        await log.close()


async def _answers(url: str) -> None:
    """Make sure that an Amends server is there before any conversation counts as lost."""
    try:
        async with httpx.AsyncClient(timeout=10.0, trust_env=not is_near(url)) as client:
            (await client.get(f"{url}/healthz")).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise ServerAway(
            f"no Amends server answers at {url} ({type(error).__name__}): start one with amends up, or correct --target"
        ) from None
