"""tau2-bench's retail tasks as scenarios.

What is the set's own, and what is ours:

- The goal that a strong model would play is the set's prose, unchanged.
- The simulated shopper is a state machine and needs wishes. They are made from the write actions
  that the task expects: it knows the outcome it wants, down to order number and item, where the
  set tells its user in prose and lets it find out. That is easier for the assistant than the
  set's own user; whoever reads the figures must be told (``retail_tasks`` does).
- What must be told (``communicate_info``) becomes a last wish, in the words of the reason for
  the call turned into the first person.
- Wishes that no action of ours and no known words fulfil are over with the next answer.
- The set has the user name an e-mail address or name and zip code; the product knows customers
  by a signed token. The shopper is signed in as the user that the task is about.
- ``nl_assertions`` are not judged: nobody is there to read them. The README of the set asks for
  database state and required communication.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from agent.errors import AmendsError
from agent.ids import CustomerId, OrderId
from agent.scope import Scope
from agent.shop.port import OrderAction
from evals.benchmarks.report import DataInvalid
from evals.importers.task import ANY_ANSWER, ImportedTask, Shape, differences, invalid, read_json, tasks_file
from evals.scenario import Area, Change, Expect, Handoff, Scenario, Shopper, Temper, Topic, Wish
from evals.shops.tau2 import NAME, NOW, Tau2Shop
from evals.shops.tau2_tools import TOOLS, Db, ToolRefused, Values, original_payment, read_db
from evals.world import Snapshot


class Action(Shape):
    """A tool call of the reference solution."""

    name: str
    arguments: dict[str, Any]


class Instructions(Shape):
    """What the set tells its user."""

    reason_for_call: str
    known_info: str | None = None
    unknown_info: str | None = None
    task_instructions: str | None = None


class _Story(Shape):
    instructions: Instructions | str


class _Criteria(Shape):
    actions: list[Action] | None = None
    communicate_info: list[str] | None = None


class Task(Shape):
    """A task as the set has it."""

    id: str
    user_scenario: _Story
    evaluation_criteria: _Criteria

    @property
    def story(self) -> Instructions:
        """What its user is told."""
        told = self.user_scenario.instructions
        return told if isinstance(told, Instructions) else Instructions(reason_for_call=told)

    @property
    def actions(self) -> list[Action]:
        """Every tool call of the reference solution."""
        return self.evaluation_criteria.actions or []

    @property
    def writes(self) -> list[Action]:
        """Those that change the database."""
        return [action for action in self.actions if action.name in TOOLS]

    @property
    def told(self) -> list[str]:
        """What the assistant must have said."""
        return self.evaluation_criteria.communicate_info or []


def read_tasks(path: Path) -> tuple[Db, list[Task]]:
    """Read a tasks file, or a folder's, and the ``db.json`` beside it.

    Raises:
        DataInvalid: One of them is missing or of another shape; the message names the field.
    """
    file = tasks_file(path)
    values = read_json(file)
    if not isinstance(values, list) or not values:
        raise DataInvalid(f"{file}: a list of tasks is needed")
    tasks: dict[str, Task] = {}
    for place, value in enumerate(values):
        try:
            task = Task.model_validate(value)
        except ValidationError as error:
            raise invalid(file, error, str(place)) from error
        if task.id in tasks:
            raise DataInvalid(f"{file}, field {place}.id: {task.id} is used twice")
        tasks[task.id] = task
    return read_db(file.with_name("db.json")), list(tasks.values())


def scenarios(path: Path) -> list[ImportedTask]:
    """Every task of a file or folder; raises ``DataInvalid``."""
    db, tasks = read_tasks(path)
    return [import_task(task, db) for task in tasks]


def import_task(task: Task, db: Db) -> ImportedTask:
    """One task as a scenario.

    Raises:
        DataInvalid: It is about nobody in the database, or calls a tool as it can't be called.
    """
    state = expected_state(task, db)
    user = _user(task, db)
    changes, why_not = _solution(task, db, user, state)
    wishes = tuple(_wishes(task, db))
    scenario = Scenario(
        id=f"tau2-{re.sub(r'[^a-z0-9_.-]', '-', task.id.lower())}",
        about=_short(task.story.reason_for_call),
        area=_area(task),
        language="en",
        shop=NAME,
        now=NOW,
        shopper=Shopper(
            customer=user,
            goal=_goal(task.story),
            temper=_temper(task.story),
            knows=_knows(task, db, user, wishes),
            wishes=wishes,
        ),
        expect=Expect(
            changes=() if why_not else changes,
            told=tuple(wordings(info) for info in task.told),
            handoff=Handoff(needed="yes" if _transfers(task) else "allowed"),
        ),
    )
    return ImportedTask(scenario, state, not why_not, why_not)


def expected_state(task: Task, db: Db) -> Snapshot:
    """The shop after the reference solution.

    A call that its tool refuses changes nothing and the next one is made, as in the set's own
    evaluation.

    Raises:
        DataInvalid: A tool is called with arguments that it does not take.
    """
    for action in task.writes:
        try:
            db = TOOLS[action.name](db, **action.arguments)
        except ToolRefused:
            continue
        except (TypeError, AttributeError, KeyError) as error:
            raise DataInvalid(f"task {task.id}: {action.name} can't be called so: {error}") from error
    return db.snapshot()


# ---- what the product's actions can say --------------------------------------------------------


@dataclass(frozen=True)
class _Unsaid(Exception):
    """No action of the product says this."""

    why: str


def _solution(task: Task, db: Db, user: str, state: Snapshot) -> tuple[tuple[Change, ...], str]:
    """The reference solution in the product's actions, and why that is not possible.

    What was translated is carried out on a fresh shop, so that a task only counts as expressible
    when the product's actions do lead to the expected state.
    """
    shop = Tau2Shop(db)
    changes: list[Change] = []
    for number, action in enumerate(task.writes):
        try:
            TOOLS[action.name](shop.db, **action.arguments)
        except ToolRefused:
            continue
        try:
            change = _change(action, shop.db)
            shop.apply(
                Scope(customer=CustomerId(user)),
                OrderAction(kind=change.kind, order=OrderId(change.order), arguments=change.arguments),
                idempotency_key=str(number),
            )
        except _Unsaid as unsaid:
            return (), f"{action.name}: {unsaid.why}"
        except AmendsError as error:
            return (), f"{action.name}: the shop's rules refuse it ({error})"
        changes.append(change)
    if differences(shop.snapshot(), state):
        return (), "the product's actions lead to another state"
    return tuple(changes), ""


def _change(action: Action, db: Db) -> Change:
    values = action.arguments
    if action.name in ("modify_user_address", "modify_pending_order_payment"):
        raise _Unsaid("no such action")
    order = db.order(values["order_id"])
    if "payment_method_id" in values and values["payment_method_id"] != original_payment(order):
        raise _Unsaid("by another payment method than the order's")
    number = values["order_id"]
    match action.name:
        case "cancel_pending_order":
            return Change(kind="cancel", order=number, arguments={"reason": values["reason"]})
        case "return_delivered_order_items":
            lines = _line_numbers(order, values["item_ids"])
            return Change(kind="return", order=number, arguments={"lines": lines, "reason": ""})
        case "modify_pending_order_address":
            address = {
                "recipient": _full_name(db.user(order["user_id"])),
                "line1": values["address1"],
                "line2": values["address2"],
                "city": values["city"],
                "region": values["state"],
                "postal_code": values["zip"],
                "country": values["country"],
            }
            return Change(kind="change_address", order=number, arguments=address)
        case _:
            wanted = set(values["new_item_ids"])
            if len(wanted) != 1:
                raise _Unsaid("different variants for several items at once")
            lines = _line_numbers(order, values["item_ids"])
            swap = {"lines": lines, "sku": wanted.pop(), "reason": ""}
            return Change(kind="exchange", order=number, arguments=swap)


def _line_numbers(order: Values, item_ids: Sequence[str]) -> list[int]:
    left = [item["item_id"] for item in order["items"]]
    found = []
    for item in item_ids:
        place = left.index(item)
        left[place] = ""
        found.append(place + 1)
    return sorted(found)


# ---- who shops ---------------------------------------------------------------------------------


def _user(task: Task, db: Db) -> str:
    """The user that a task is about: by the orders it changes, by what it looks up, by its prose."""
    for action in task.actions:
        values = action.arguments
        if values.get("user_id") in db.users:
            return str(values["user_id"])
        if action.name in TOOLS and values.get("order_id") in db.orders:
            return str(db.orders[values["order_id"]]["user_id"])
        for user, known in db.users.items():
            if "email" in values and values["email"].lower() == known["email"].lower():
                return user
            if "zip" in values and _is_at(known, values.get("first_name"), values.get("last_name"), values):
                return user
    prose = f"{task.story.known_info or ''} {task.story.reason_for_call}"
    for action in task.actions:
        if action.arguments.get("order_id") in db.orders:
            return str(db.orders[action.arguments["order_id"]]["user_id"])
    for user, known in db.users.items():
        if user in prose or known["email"] in prose:
            return user
    for user, known in db.users.items():
        if _full_name(known).lower() in prose.lower() and known["address"]["zip"] in prose:
            return user
    raise DataInvalid(f"task {task.id}: it is about no user of the database")


def _is_at(known: Values, first: object, last: object, values: Mapping[str, Any]) -> bool:
    name = known["name"]
    return (
        str(first).lower() == name["first_name"].lower()
        and str(last).lower() == name["last_name"].lower()
        and str(values["zip"]) == str(known["address"]["zip"])
    )


def _full_name(user: Values) -> str:
    return f"{user['name']['first_name']} {user['name']['last_name']}"


_SWEARS: Final = re.compile(r"\b(?:angry|furious|swear|upset|frustrated|mad at)\b", re.IGNORECASE)
_HURRIES: Final = re.compile(
    r"\b(?:impatient|in a rush|urgent\w*|as soon as possible|busy|rude)\b", re.IGNORECASE
)
_MOCKS: Final = re.compile(r"\bsarcastic\w*\b", re.IGNORECASE)


def _temper(story: Instructions) -> Temper:
    prose = f"{story.reason_for_call} {story.task_instructions or ''}"
    if _MOCKS.search(prose):
        return "sarcastic"
    if _SWEARS.search(prose):
        return "angry"
    return "impatient" if _HURRIES.search(prose) else "calm"


def _goal(story: Instructions) -> str:
    parts = (story.reason_for_call, story.known_info, story.unknown_info, story.task_instructions)
    return "\n".join(part.strip() for part in parts if part and part.strip(" ."))


def _short(text: str) -> str:
    first = re.split(r"(?<=[.!?])\s", text.strip(" ."), maxsplit=1)[0]
    return first if len(first) <= 160 else f"{first[:157]}..."


def _transfers(task: Task) -> bool:
    return any(action.name == "transfer_to_human_agents" for action in task.actions)


def _area(task: Task) -> Area:
    kinds = {action.name for action in task.writes}
    if _transfers(task):
        return "person"
    if len(task.writes) > 1 or (kinds and task.told):
        return "multi"
    if kinds & {"return_delivered_order_items", "exchange_delivered_order_items"}:
        return "returns"
    if not kinds and any(action.name == "get_product_details" for action in task.actions):
        return "products"
    return "orders"


# ---- what they want ----------------------------------------------------------------------------


def _wishes(task: Task, db: Db) -> Iterator[Wish]:
    for action in task.writes:
        yield _wish(action, db)
        try:  # what the next one is about may be what this one leaves behind
            db = TOOLS[action.name](db, **action.arguments)
        except ToolRefused:
            continue
    reason = first_person(task.story.reason_for_call)
    for info in task.told:
        yield Wish(say=tuple(dict.fromkeys((_question(reason), reason))), told=wordings(info))
    if _transfers(task):
        yield Wish(say=(reason,), told=ANY_ANSWER)
        yield Wish(say=("I want to talk to a person.",))
    elif not task.writes and not task.told:
        yield Wish(say=(reason,), told=ANY_ANSWER)


def _wish(action: Action, db: Db) -> Wish:
    values = action.arguments
    number = str(values.get("order_id", ""))
    match action.name:
        case "cancel_pending_order":
            why = "I ordered it by mistake" if "mistake" in values["reason"] else "I no longer need it"
            return Wish(
                say=(f"Please cancel my order {number}, {why}.", f"I want to cancel {number} because {why}."),
                done="cancel",
                order=number,
            )
        case "return_delivered_order_items":
            items = _named(db, number, values["item_ids"])
            names, others = _apart(db, number, values["item_ids"])
            return Wish(
                say=(
                    f"I would like to return the {items} from order {number}.",
                    f"Please send me a return label for order {number}: the {items}.",
                ),
                done="return",
                order=number,
                shows=names,
                hides=others,
            )
        case "exchange_delivered_order_items" | "modify_pending_order_items":
            wanted = _swapped(db, number, values["item_ids"], values["new_item_ids"])
            return Wish(
                say=(
                    f"In order {number} I would like to exchange {wanted}.",
                    f"Please exchange {wanted} (order {number}).",
                ),
                done="exchange",
                order=number,
                shows=tuple(values["new_item_ids"]),
            )
        case "modify_pending_order_address":
            address = _line(values, db)
            return Wish(
                say=(
                    f"Please change the delivery address of order {number} to {address}",
                    f"The new address of order {number} is: {address}",
                ),
                done="change_address",
                order=number,
            )
        case "modify_user_address":
            return Wish(
                say=(f"Please change the default address in my profile to {_line(values, db)}",),
                told=ANY_ANSWER,
            )
        case _:
            return Wish(
                say=(f"I want to pay order {number} with another payment method from my profile.",),
                told=ANY_ANSWER,
                order=number,
            )


def _line(values: Mapping[str, Any], db: Db) -> str:
    """An address in one line, as the assistant asks for it."""
    user = values.get("user_id") or db.order(values["order_id"])["user_id"]
    parts = (_full_name(db.user(user)), values["address1"], values["address2"], values["city"])
    return ", ".join([*(part for part in parts if part), f"{values['state']} {values['zip']}", "USA"])


def _named(db: Db, order_id: str, item_ids: Sequence[str]) -> str:
    """Items by name; with their options only where the order has another of that name."""
    items = {item["item_id"]: item for item in db.order(order_id)["items"]}
    alike = Counter(item["name"] for item in items.values())
    names = []
    for item in (items[one] for one in item_ids if one in items):
        options = f" ({', '.join(item['options'].values())})" if alike[item["name"]] > 1 else ""
        names.append(f"{item['name']}{options}")
    return " and the ".join(names)


def _apart(db: Db, order_id: str, item_ids: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the items meant, and of the order's others that share no name with them."""
    items = db.orders.get(order_id, {}).get("items", ())
    meant = {item["name"] for item in items if item["item_id"] in item_ids}
    return tuple(sorted(meant)), tuple(sorted({item["name"] for item in items} - meant))


def _swapped(db: Db, order_id: str, item_ids: Sequence[str], new_item_ids: Sequence[str]) -> str:
    order = db.order(order_id)
    product = {item["item_id"]: item["product_id"] for item in order["items"]}
    parts = []
    for old, new in zip(item_ids, new_item_ids, strict=False):
        variant = db.products.get(product.get(old, ""), {}).get("variants", {}).get(new)
        options = ", ".join(variant["options"].values()) if variant else "another one"
        parts.append(f"the {_named(db, order_id, [old])} for {options} (item {new})")
    return " and ".join(parts)


def _knows(task: Task, db: Db, user: str, wishes: Sequence[Wish]) -> dict[Topic, str]:
    """What they answer when asked. What differs from wish to wish is left out: it stands in the wish."""
    found: dict[Topic, str] = {"email": db.users[user]["email"], "name": _full_name(db.users[user])}
    orders = {wish.order for wish in wishes if wish.order}
    if len(orders) == 1:
        found["order"] = orders.pop()
    several: dict[Topic, set[str]] = {"items": set(), "variant": set(), "address": set(), "reason": set()}
    for action in task.writes:
        values = action.arguments
        if "item_ids" in values and values["order_id"] in db.orders:
            items = db.orders[values["order_id"]]["items"]
            whole = len(values["item_ids"]) == len(items) > 1
            several["items"].add("all of them" if whole else _bare(items, values["item_ids"]))
        several["variant"].update(values.get("new_item_ids", ()))
        if "address1" in values:
            several["address"].add(_line(values, db))
        if "reason" in values:
            several["reason"].add(values["reason"])
    return found | {topic: next(iter(ones)) for topic, ones in several.items() if len(ones) == 1}


def _bare(items: Sequence[Values], item_ids: Sequence[str]) -> str:
    return ", ".join(item["name"] for item in items if item["item_id"] in item_ids)


_TURNED: Final = (
    (r"\byou are\b", "I am"),
    (r"\byou're\b", "I'm"),
    (r"\byou've\b", "I've"),
    (r"\byou'd\b", "I'd"),
    (r"\byou'll\b", "I'll"),
    (r"\byourself\b", "myself"),
    (r"\byours\b", "mine"),
    (r"\byour\b", "my"),
    (r"\b(for|to|with|tell|tells|help|asks?|gives?|of|from) you\b", r"\1 me"),
    (r"\byou\b", "I"),
    (r"\bthe agent\b", "you"),
)


def first_person(text: str) -> str:
    """An instruction ("You want to return your lamp") as the shopper would say it."""
    for pattern, words in _TURNED:
        text = re.sub(pattern, words, text, flags=re.IGNORECASE)
    text = re.sub(r"(^|[.!?]\s+)(i'|[a-z])", lambda match: match[1] + match[2].capitalize(), text.strip(" ."))
    return text.strip()


_ASKS: Final = re.compile(
    r"\b(?:know|how much|how many|what|which|tracking|total|price|balance|ask|check|wonder|when)\b",
    re.IGNORECASE,
)


def _question(text: str) -> str:
    """The sentences of ``text`` that ask for something, or all of it."""
    sentences = re.split(r"(?<=[.!?])\s+", text)
    asking = [sentence for sentence in sentences if _ASKS.search(sentence)]
    return " ".join(asking or sentences)


def wordings(info: str) -> tuple[str, ...]:
    """How a fact may be worded: as it is, and a number with cents and with thousands set off."""
    found = [info]
    if re.fullmatch(r"\d+(?:\.\d+)?", info) and len(info.partition(".")[0]) < 8:
        cents = f"{float(info):.2f}"
        found += [f"{float(info):,.2f}", cents] if "." in info else [f"{int(info):,}"]
    return tuple(dict.fromkeys(found))
