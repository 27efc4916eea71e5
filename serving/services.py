"""What the server is made of, wired elsewhere and handed in whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from agent.conversations import Conversations
from agent.identity import ConversationKeys, CustomerTokens
from agent.ids import Language
from agent.live import Bus
from agent.log import ConversationLog
from agent.model import LanguageModel
from agent.shop.port import Shop, ShopRecords
from retrieval.passages import Retriever
from serving.mailbox import DemoMailbox
from serving.settings import Settings

Check = Callable[[], Awaitable[None]]
"""Returns when a part can serve, raises with the reason when it cannot."""


@dataclass(frozen=True)
class Services:
    """Everything the shopper's side of the server uses. The log must be the live one."""

    settings: Settings
    log: ConversationLog
    bus: Bus
    conversations: Conversations
    tokens: CustomerTokens
    keys: ConversationKeys
    shop: Shop
    records: ShopRecords
    retriever: Retriever
    model: LanguageModel
    clock: Callable[[], datetime]
    shop_name: Mapping[Language, str]
    mailbox: DemoMailbox | None = None
    """The demo's mailbox; ``None`` where mail really goes out."""
    checks: Mapping[str, Check] = field(default_factory=dict)
    """What ``/readyz`` asks, by part: ``log``, ``index``, ``model``."""
    model_metrics: Callable[[], str] = lambda: ""
    """Address of the present model server's Prometheus page, empty when there is none."""


def services(connection: HTTPConnection) -> Services:
    """Return the services of the application that serves this request or socket."""
    return cast("Services", connection.app.state.services)


ServicesDep = Annotated[Services, Depends(services)]
"""Annotation by which a route gets the services."""
