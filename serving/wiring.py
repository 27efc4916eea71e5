"""The one function that puts the product together from its settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from fastapi import FastAPI

from agent.conversations import Conversations
from agent.gate import WriteGate
from agent.identity import ConversationKeys, CustomerTokens
from agent.ids import Language
from agent.live import LocalBus
from agent.log_live import LiveLog
from agent.log_sql import SqlLog
from agent.migrations import migrate
from agent.model import LanguageModel
from agent.model_langchain import LangchainModel
from agent.mood_e5 import E5Mood
from agent.products.listed import ListedProducts, read_products
from agent.products.port import Product as ShopProduct
from agent.products.questions import ProductQuestions
from agent.proof import OrderProof
from agent.shop.demo import open_demo_shop
from agent.turn_run import Ports
from agent.turns import Turns
from agent.understand_e5 import E5Reader
from agent.understand_model import ModelReader
from agent.understanding import Reader
from retention.policy import ThresholdOffers
from retrieval.chroma import ChromaPassageIndex
from retrieval.passages import Embedder
from retrieval.retriever import PassageRetriever
from serving.app import create_app
from serving.clock import Clock, shop_clock
from serving.desk import mount_desk
from serving.embedding import open_embedder
from serving.followup import Followup
from serving.mailbox import DemoMailbox
from serving.services import Services
from serving.settings import NO_ADAPTER, Settings


@dataclass(frozen=True)
class Product:
    """Everything that runs, ready to be served."""

    app: FastAPI
    services: Services
    turns: Turns
    index: ChromaPassageIndex
    followup: Followup


def shop_names(folder: Path) -> dict[Language, str]:
    """The shop's name in each language, from its ``shop.yaml``."""
    name = yaml.safe_load((folder / "shop.yaml").read_text(encoding="utf-8"))["name"]
    return {"en": str(name["en"]), "zh": str(name["zh"])}


def product_names(folder: Path) -> list[list[str]]:
    """The titles of each product in every language, so that a product named is understood."""
    return _titles(read_products(folder))


def _titles(products: Sequence[ShopProduct]) -> list[list[str]]:
    return [list(product.title.values()) for product in products]


def open_index(
    settings: Settings, embedder: Embedder, *, folder: str = "chroma", rebuild: bool = False
) -> ChromaPassageIndex:
    """The passage index the settings name (``folder``: of an embedded one); it opens on first use."""
    if settings.retrieval.chroma_url:
        return ChromaPassageIndex(embedder, url=settings.retrieval.chroma_url, rebuild=rebuild)
    return ChromaPassageIndex(embedder, folder=settings.data / folder, rebuild=rebuild)


def open_model(
    settings: Settings, url: str, *, adapter: str | None = None, served_as: str = ""
) -> LangchainModel:
    """The language model at ``url``.

    Args:
        settings: Which model, with which limits.
        url: Base address of its server.
        adapter: What its adapter is called in events; the settings' name when not given.
        served_as: The name to ask the server for, when it is neither the adapter's nor the model's.
    """
    if adapter is None:
        adapter = "" if settings.model.adapter == NO_ADAPTER else settings.model.adapter
    return LangchainModel(
        base_url=url,
        model=settings.model.name,
        api_key=settings.model.api_key,
        adapter=adapter,
        served_as=served_as,
        first_token_seconds=settings.model.first_token_seconds,
        total_seconds=settings.model.total_seconds,
    )


@asynccontextmanager
async def running(
    settings: Settings,
    *,
    model: LanguageModel,
    model_metrics: Callable[[], str] = lambda: "",
    clock: Clock | None = None,
    index: ChromaPassageIndex | None = None,
) -> AsyncIterator[Product]:
    """Open everything, run the turns and the follow-up, and close it all in reverse.

    Raises:
        LogUnavailable, IndexUnavailable: The database or the index cannot be opened.
    """
    settings.data.mkdir(parents=True, exist_ok=True)
    clock = clock or shop_clock(settings)
    async with AsyncExitStack() as stack:
        await asyncio.to_thread(migrate, settings.log_url)
        store = SqlLog(settings.log_url, clock=clock)
        stack.push_async_callback(store.close)
        bus = LocalBus()
        log = LiveLog(store, bus)
        shop = await open_demo_shop(
            settings.shop.folder, settings.data / "shop.db", clock=clock, today=settings.shop.day
        )
        stack.push_async_callback(shop.close)
        embedder = open_embedder(settings.retrieval)
        index = index or open_index(settings, embedder)
        await asyncio.to_thread(index.open)
        stack.callback(index.close)
        retriever = PassageRetriever(index, today=lambda: clock().date())
        mailbox = DemoMailbox(settings.data / "mailbox.db", clock)
        secret = await asyncio.to_thread(settings.signing_secret)
        gate = WriteGate(clock)
        conversations = Conversations(log, gate, clock)
        products = read_products(settings.shop.folder)
        reader: Reader = E5Reader(embedder.embed_query, embedder.embed_passages, names=_titles(products))
        if settings.model.understands:
            reader = ModelReader(model, reader)
        turns = Turns(
            log,
            bus,
            Ports(
                reader=reader,
                mood=E5Mood(embedder.embed_query),
                retriever=retriever,
                shop=shop,
                model=model,
                gate=gate,
                proof=OrderProof(shop, mailbox, secret=secret, clock=clock),
                clock=clock,
                answerable=settings.retrieval.answerable,
                vectors=index.vectors,
                products=ProductQuestions(ListedProducts(products, shop.shelf)),
                passages=settings.retrieval.passages,
                max_tokens=settings.model.max_tokens,
            ),
        )
        followup = Followup(
            log=log,
            bus=bus,
            conversations=conversations,
            records=shop,
            policy=ThresholdOffers.from_limits(
                monthly_budget=settings.retention.monthly_budget,
                threshold=settings.retention.threshold,
                holdout=settings.retention.holdout,
                secret=secret,
            ),
            clock=clock,
            idle_minutes=settings.idle_minutes,
        )
        services = Services(
            settings=settings,
            log=log,
            bus=bus,
            conversations=conversations,
            tokens=CustomerTokens(settings.shop.token_secret.get_secret_value()),
            keys=ConversationKeys(secret),
            shop=shop,
            records=shop,
            retriever=retriever,
            model=model,
            clock=clock,
            shop_name=shop_names(settings.shop.folder),
            mailbox=mailbox if settings.demo else None,
            checks={"log": log.ready, "index": index.ready, "model": model.ready},
            model_metrics=model_metrics,
        )
        app = create_app(services)
        mount_desk(app, services, secret=secret)
        await turns.start()
        stack.push_async_callback(turns.stop)
        await followup.start()
        stack.push_async_callback(followup.stop)
        yield Product(app=app, services=services, turns=turns, index=index, followup=followup)
