"""What the pages share: the desk of one server, and one person's open page."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

from nicegui import Client, background_tasks

from agent.errors import ShopError
from agent.ids import ConversationId, CustomerId, Language
from agent.shop.port import ShopRecords
from retention.insight import InsightFold
from serving.desk.board import Board, Row
from serving.desk.figures import Figures
from serving.desk.reader import LogReader
from serving.desk.staff import Door, Staff
from serving.desk.words import Words
from serving.services import Services

SIGNED_IN_HOURS = 12
"""A sign-in lasts a working day."""
NAMES_SECONDS = 60.0
"""A customer the shop did not know is not asked for again before."""


class Names:
    """Customers' names, remembered."""

    def __init__(self, records: ShopRecords, clock: Callable[[], datetime]) -> None:
        self._records = records
        self._clock = clock
        self._names: dict[CustomerId, tuple[str, str]] = {}
        self._asked: datetime | None = None

    async def learn(self, ids: Iterable[CustomerId | None]) -> None:
        """Make sure these names are known, if the shop answers."""
        if all(one is None or one in self._names for one in ids):
            return
        now = self._clock()
        if self._asked and now - self._asked < timedelta(seconds=NAMES_SECONDS):
            return
        self._asked = now
        with contextlib.suppress(ShopError):
            self._names = {one.id: (one.name, one.email) for one in await self._records.customers()}

    def name(self, id: CustomerId) -> str:
        """The customer's name, or the id while it is unknown."""
        return self._names.get(id, (str(id), ""))[0]

    def email(self, id: CustomerId) -> str:
        """The customer's address, empty while it is unknown."""
        return self._names.get(id, ("", ""))[1]

    def of(self, row: Row, words: Words) -> str:
        """Who the shopper of a conversation is."""
        return self.shopper(row.customer, row.id, words)

    def shopper(self, customer: CustomerId | None, conversation: ConversationId, words: Words) -> str:
        """A customer's name, or a visitor's with the end of the conversation's id."""
        return self.name(customer) if customer else words("who.visitor", tag=conversation[-4:])


@dataclass
class Desk:
    """The desk of one server: its services and the folds all pages read."""

    services: Services
    door: Door = field(init=False)
    board: Board = field(default_factory=Board)
    insight: InsightFold = field(default_factory=InsightFold)
    figures: Figures = field(default_factory=Figures)
    reader: LogReader = field(init=False)
    names: Names = field(init=False)
    visits: list[Visit] = field(default_factory=list)

    def __post_init__(self) -> None:
        services = self.services
        self.door = Door(services.settings.desk.users, services.clock)
        self.reader = LogReader(services.log, services.bus, (self.board, self.insight, self.figures))
        self.names = Names(services.records, services.clock)

    def signed_in(self, user: MutableMapping[str, Any]) -> Staff | None:
        """Who a session belongs to; nobody once it has ended or the person is gone."""
        who, until = user.get("staff"), user.get("until")
        if not isinstance(who, str) or not isinstance(until, str):
            return None
        if datetime.fromisoformat(until) <= self.services.clock():
            return None
        return self.door.staff(who)

    def sign_in(self, user: MutableMapping[str, Any], staff: Staff) -> None:
        """Begin a session."""
        user["until"] = (self.services.clock() + timedelta(hours=SIGNED_IN_HOURS)).isoformat()
        user["staff"] = staff.id

    def sign_out(self, user: MutableMapping[str, Any]) -> None:
        """End a session; every page it has open goes to the sign-in."""
        user.pop("staff", None)
        user.pop("until", None)
        for visit in [visit for visit in self.visits if visit.user is user]:
            visit.leave()


@dataclass(eq=False)
class Visit:
    """One open page of a signed-in person."""

    desk: Desk
    client: Client
    user: MutableMapping[str, Any]
    staff: Staff
    words: Words
    zone: tzinfo = UTC
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def open(self) -> None:
        """Note it as open until its browser goes away."""
        self.desk.visits.append(self)
        self.client.on_delete(self._close)

    def _close(self) -> None:
        if self in self.desk.visits:
            self.desk.visits.remove(self)
        for task in self._tasks:
            task.cancel()

    def keep(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run ``work`` beside the page, and no longer than it is open."""
        self._tasks = [one for one in self._tasks if not one.done()]
        task: asyncio.Task[None] = background_tasks.create(work, name=name)
        self._tasks.append(task)
        return task

    def allowed(self) -> bool:
        """Whether the session still is this person's; if not, the page goes to the sign-in."""
        if self.desk.signed_in(self.user) == self.staff:
            return True
        self.leave()
        return False

    def leave(self) -> None:
        """Send the page to the sign-in."""
        self._close()
        self.client.open("/desk/login")

    async def arrive(self) -> None:
        """Wait for the browser and learn its clock; one that does not say keeps UTC."""
        await self.client.connected()
        with contextlib.suppress(TimeoutError):
            offset = await self.client.run_javascript("return -new Date().getTimezoneOffset()", timeout=5)
            self.zone = timezone(timedelta(minutes=int(offset or 0)))

    def now(self) -> datetime:
        """The time."""
        return self.desk.services.clock()

    def time(self, at: datetime) -> str:
        """A time as the person's clock shows it."""
        return self.words.time(at, now=self.now(), zone=self.zone)


def chosen_language(user: MutableMapping[str, Any], accepted: str) -> Language:
    """The language chosen before, else the browser's first one that is ours."""
    if (chosen := user.get("language")) in {"en", "zh"}:
        return "zh" if chosen == "zh" else "en"
    for wish in accepted.lower().split(","):
        if wish.strip().startswith("zh"):
            return "zh"
        if wish.strip().startswith("en"):
            return "en"
    return "en"
