"""ECom-Bench's tasks as scenarios.

- The goal that a strong model would play is the set's prose (persona and intents), unchanged.
- The simulated shopper has one wish for each intent, in its words turned into the first person and
  without the notes in brackets. An intent that asks for one of the product's four actions ends
  with that change, by the order that the task expects; changes that no intent claims become
  wishes of their own, named by order number, so here the shopper knows more than in the set.
- An intent that asks for anything else is over with the next answer, whatever it says: what had to
  be told and looked up is judged over the whole conversation.
- The shopper is signed in, as the set's own assistant is told the user's id.
- A picture is not shown: its address is all that the shopper sends, so these tasks are reported
  apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError

from agent import events as ev
from agent.errors import AmendsError
from agent.events import Event
from agent.ids import CustomerId, OrderId
from agent.scope import Scope
from agent.shop.port import ActionKind, OrderAction
from evals.benchmarks.report import DataInvalid
from evals.importers.task import (
    ANY_ANSWER,
    ImportedTask,
    Search,
    Shape,
    differences,
    invalid,
    read_json,
    tasks_file,
)
from evals.scenario import Area, Change, Expect, Handoff, Scenario, Shopper, Temper, Topic, Wish
from evals.shops.ecom import NAME, NOW, EcomShop, product_document
from evals.shops.ecom_tools import TOOLS, Db, NotThere, read_db
from evals.world import Snapshot


class Call(Shape):
    """A tool call that the task expects."""

    name: str
    arguments: dict[str, Any]


class _Metadata(Shape):
    outputs: list[str] = Field(default_factory=list)
    actions: list[Call] = Field(default_factory=list)
    searches: list[Call] = Field(default_factory=list)


class Task(Shape):
    """A task as the set has it."""

    task_id: int | str
    needs_image: bool = False
    user_id: str
    instruction: str
    metadata: _Metadata


def read_tasks(path: Path) -> tuple[Db, list[Task]]:
    """Read a tasks file, or a folder's, and the ``data`` folder beside it.

    Raises:
        DataInvalid: One of them is missing or of another shape; the message names the field.
    """
    file = tasks_file(path)
    values = read_json(file)
    if not isinstance(values, list) or not values:
        raise DataInvalid(f"{file}: a list of tasks is needed")
    db = read_db(file.with_name("data"))
    tasks: dict[str, Task] = {}
    for place, value in enumerate(values):
        try:
            task = Task.model_validate(value)
        except ValidationError as error:
            raise invalid(file, error, str(place)) from error
        if str(task.task_id) in tasks:
            raise DataInvalid(f"{file}, field {place}.task_id: {task.task_id} is used twice")
        if task.user_id not in db.users:
            raise DataInvalid(f"{file}, field {place}.user_id: not in users_info.json")
        tasks[str(task.task_id)] = task
    return db, list(tasks.values())


def scenarios(path: Path) -> list[ImportedTask]:
    """Every task of a file or folder; raises ``DataInvalid``."""
    db, tasks = read_tasks(path)
    return [import_task(task, db) for task in tasks]


def import_task(task: Task, db: Db) -> ImportedTask:
    """One task as a scenario; raises ``DataInvalid`` when it is about what the data does not have."""
    state = expected_state(task, db)
    changes, why_not = _solution(task, db, state)
    scenario = Scenario(
        id=f"ecom-{re.sub(r'[^a-z0-9_.-]', '-', str(task.task_id).lower())}",
        about="；".join(_intents(task.instruction))[:160] or f"task {task.task_id}",
        area=_area(task),
        language="zh",
        shop=NAME,
        now=NOW,
        shopper=Shopper(
            customer=task.user_id,
            goal=task.instruction.strip(),
            temper=_temper(task.instruction),
            knows=_knows(task, db),
            wishes=tuple(_wishes(task, db)),
        ),
        expect=Expect(
            changes=() if why_not else changes,
            told=tuple((output,) for output in task.metadata.outputs),
            handoff=Handoff(needed="allowed"),
        ),
    )
    searches = tuple(Search(call.name, call.arguments) for call in task.metadata.searches)
    return ImportedTask(scenario, state, not why_not, why_not, searches, task.needs_image)


def expected_state(task: Task, db: Db) -> Snapshot:
    """The shop after the expected actions.

    Raises:
        DataInvalid: One names a tool, an order or a product that is not there.
    """
    for call in task.metadata.actions:
        if call.name not in TOOLS:
            raise DataInvalid(f"task {task.task_id}: no tool {call.name}")
        try:
            db = TOOLS[call.name](db, **call.arguments)
        except (NotThere, TypeError) as error:
            raise DataInvalid(f"task {task.task_id}: {call.name} can't be called so: {error}") from error
    return db.snapshot()


# ---- what the product's actions can say --------------------------------------------------------


def _changes(task: Task, db: Db) -> Iterator[Change | str]:
    """Each expected action as a change, or why it is none; what comes with another is left out."""
    for call in task.metadata.actions:
        values = call.arguments
        order = db.orders.get(values.get("order_id", ""))
        match call.name, values.get("action"):
            case "manage_order", "取消" if order is not None:
                yield Change(kind="cancel", order=values["order_id"], arguments={"reason": ""})
            case "manage_order", "修改" if order is not None and not values.get("phone_number"):
                place = order["收货地址"]
                address = {
                    "recipient": place["收件人姓名"],
                    "line1": values["address"],
                    "line2": place["区县"],
                    "city": place["城市"],
                    "region": place["省份"],
                    "postal_code": "000000",
                    "country": "CN",
                }
                yield Change(kind="change_address", order=values["order_id"], arguments=address)
            case "manage_return", _ if order is not None:
                lines = [number for number, _ in enumerate(order["订单商品列表"], 1)]
                yield Change(
                    kind="return", order=values["order_id"], arguments={"lines": lines, "reason": ""}
                )
            case "manage_exchange", "换货" if order is not None:
                items = [item["商品ID"] for item in order["订单商品列表"]]
                line = items.index(values["original_product_id"]) + 1
                swap = {"lines": [line], "sku": values["exchange_product_id"], "reason": ""}
                yield Change(kind="exchange", order=values["order_id"], arguments=swap)
            case "manage_ecard", "退款":
                continue  # with a cancellation or a return; alone it shows in the state
            case name, action:
                yield f"{name} {action}" if action else name


def _solution(task: Task, db: Db, state: Snapshot) -> tuple[tuple[Change, ...], str]:
    """The expected actions in the product's, and why that is not possible; carried out to be sure."""
    shop = EcomShop(db)
    changes: list[Change] = []
    missing: list[str] = []
    for number, change in enumerate(_changes(task, db)):
        if isinstance(change, str):
            missing.append(change)
            continue
        action = OrderAction(kind=change.kind, order=OrderId(change.order), arguments=change.arguments)
        try:
            shop.apply(Scope(customer=CustomerId(task.user_id)), action, idempotency_key=str(number))
        except AmendsError as error:
            return (), f"{change.kind}: the shop's rules refuse it ({error})"
        changes.append(change)
    if missing:
        return (), "no such action: " + ", ".join(dict.fromkeys(missing))
    if differences(shop.snapshot(), state):
        paid_back = any(call.name == "manage_ecard" for call in task.metadata.actions)
        return (), "no such action: manage_ecard 退款" if paid_back else "another state"
    return tuple(changes), ""


# ---- what had to be looked up ------------------------------------------------------------------

_ABOUT: Final[Mapping[str, tuple[str, ...]]] = {
    "get_product_info_tool": ("info",),
    "compare_products_info_tool": ("info",),
    "get_gift_info_tool": ("gift",),
    "get_auxiliary_materials_info_tool": ("materials",),
    "get_installation_service_info_tool": ("installation",),
    "get_repair_info_tool": ("repair",),
    "get_fault_code_info_tool": ("faults",),
}
"""Which document of a product a search is about."""


def searched(events: Sequence[Event], search: Search) -> bool:
    """Whether a conversation looked up what ``search`` asks for.

    The product has no tools to call; what it looked up shows in what it read: order facts of the
    order, or a passage of the document. Looking at a gift card's balance or at the record of a
    review is not possible, and never counts.
    """
    values = search.arguments
    passages = {
        passage.document: passage.text
        for event in events
        if isinstance(event.body, ev.PassagesFound)
        for passage in event.body.passages
    }
    if search.name in _ABOUT:
        products = values.get("product_ids") or [values.get("product_id", "")]
        wanted = [product_document(product, topic) for product in products for topic in _ABOUT[search.name]]
        code = str(values.get("fault_code", ""))
        return all(document in passages and code in passages[document] for document in wanted)
    if search.name == "get_discount_info_tool":
        return "ecom/discount.zh" in passages
    if search.name == "manage_ecard_tool" and values.get("action") == "信息查询":
        return "京东E卡" in passages.get("ecom/rules.zh", "")
    order = values.get("order_id", "")
    facts = {
        fact.name
        for event in events
        if isinstance(event.body, ev.OrderFactsRead)
        for fact in event.body.facts
        if fact.order == order
    }
    if search.name == "get_logistics_info_tool":
        return any(name.startswith(("shipment.", "tracking.", "state")) for name in facts)
    if search.name == "manage_order_tool":
        return bool(facts & {"state", "items"})
    if search.name == "manage_exchange_tool":
        return "eligibility.exchange" in facts or _exchange_ruled(events, order)
    return False


def _exchange_ruled(events: Sequence[Event], order: str) -> bool:
    """Whether the shop was asked about an exchange of ``order``: it is before every question about one."""
    for event in events:
        asked = event.body.asks if isinstance(event.body, ev.AnswerSent) else None
        asked = event.body.action if isinstance(event.body, ev.ActionProposed) else asked
        if asked is not None and asked.kind == "exchange" and asked.order == order:
            return True
    return False


# ---- who shops, and what they want -------------------------------------------------------------

_INTENT: Final = re.compile(
    r"<意图[一二三四五六七八九十]+>(.*?)<[\\/]意图[一二三四五六七八九十]+>", re.DOTALL
)
_NOTE: Final = re.compile(r"[（(][^（）()]*(?:禁止|注意|不会|如果客服)[^（）()]*[）)]")
_ASKED: Final[tuple[tuple[ActionKind, re.Pattern[str]], ...]] = (
    ("cancel", re.compile(r"取消")),
    ("exchange", re.compile(r"换货|换一个|换成|更换")),
    ("return", re.compile(r"退货|退掉")),
    ("change_address", re.compile(r"(?:修改|更改|改).{0,8}地址|地址.{0,4}改")),
)
_NAMES: Final[Mapping[ActionKind, str]] = {
    "cancel": "取消订单{}",
    "return": "把订单{}退货",
    "exchange": "给订单{}换货",
    "change_address": "修改订单{}的收货地址",
}


def _intents(instruction: str) -> list[str]:
    """The intents, without notes to the player."""
    found = []
    for text in _INTENT.findall(instruction):
        while (plain := _NOTE.sub("", text)) != text:
            text = plain
        found.append(" ".join(text.split()))
    return [text for text in found if text]


_SAID: Final = (
    (r"^(?:然后|最后|之后|此外|同时|现在|于是)，?", ""),
    (r"(?:会|将)?(?:让|要求|希望|请)客服", "请你"),
    (r"(?:你)?会?向客服提出(换货|退货|价保)申请", r"我要申请\1"),
    (r"想?向客服(?:咨询|询问)", "想问"),
    (r"客服", "\0"),
    (r"(?<!请)你(?!们)", "我"),
    (r"我会(?=咨询|询问)", "我想"),
    (r"我(?:我|请你)", lambda match: match[0][1:]),
    ("\0", "你"),
)


def first_person(text: str) -> str:
    """An instruction ("你想退货") as the shopper would say it ("我想退货")."""
    for pattern, words in _SAID:
        text = re.sub(pattern, words, text)
    return text


def _wishes(task: Task, db: Db) -> Iterator[Wish]:
    changes = [change for change in _changes(task, db) if isinstance(change, Change)]
    for intent in _intents(task.instruction):
        kind = next((kind for kind, pattern in _ASKED if pattern.search(intent)), None)
        change = next((change for change in changes if change.kind == kind), None)
        say = (first_person(intent),)
        if change is None:
            yield Wish(say=say, told=ANY_ANSWER)
            continue
        changes.remove(change)
        yield Wish(say=say, done=change.kind, order=change.order)
    for change in changes:
        say = (f"请帮我{_NAMES[change.kind].format(change.order)}",)
        yield Wish(say=say, done=change.kind, order=change.order)


def _knows(task: Task, db: Db) -> dict[Topic, str]:
    """What the prose tells them: the order number if it is one, a new address, their name."""
    found: dict[Topic, str] = {"name": db.users[task.user_id]["用户姓名"]}
    named = [
        number for number in re.findall(r"(?<!\d)\d{10,12}(?!\d)", task.instruction) if number in db.orders
    ]
    if len(set(named)) == 1:
        found["order"] = named[0]
    exchanged = {
        call.arguments["exchange_product_id"]
        for call in task.metadata.actions
        if call.name == "manage_exchange" and call.arguments.get("action") == "换货"
    }
    if len(exchanged) == 1:
        found["variant"] = exchanged.pop()
    for call in task.metadata.actions:
        order = db.orders.get(call.arguments.get("order_id", ""))
        if call.name == "manage_order" and call.arguments.get("action") == "修改" and order:
            place = order["收货地址"]
            where = "".join(place[part] for part in ("省份", "城市", "区县"))
            found["address"] = f"收件人{place['收件人姓名']}，中国{where}{call.arguments.get('address', '')}"
    return found


def _temper(instruction: str) -> Temper:
    match = re.search(r"<情绪>(.*?)<", instruction, re.DOTALL)
    mood = match[1] if match else ""
    if re.search(r"易怒|愤怒(?!或)|不满|激动|生气", mood) and not re.search(r"没有|即使", mood):
        return "angry"
    return "impatient" if re.search(r"急躁|烦躁|焦急|不耐烦", mood) and "没有" not in mood else "calm"


def _area(task: Task) -> Area:
    calls = [call for call in task.metadata.actions if call.name != "manage_ecard"]
    if len(calls) > 1:
        return "multi"
    if calls:
        return "returns" if calls[0].name in ("manage_return", "manage_exchange") else "orders"
    return "products"
