"""The demo store's tables. Amounts are whole cents, instants UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
)
from sqlalchemy.types import TypeDecorator

VERSION = 1
"""Kept in the file (``PRAGMA user_version``): a store of another version is not opened."""


class Money(TypeDecorator[Decimal]):
    """An amount, exact: whole cents in the database, ``Decimal`` with two places outside."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        """To cents; an amount finer than that raises ``ValueError``."""
        if value is None:
            return None
        cents = value * 100
        if cents != int(cents):
            raise ValueError("an amount has two decimal places at most")
        return int(cents)

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        """From cents."""
        return None if value is None else Decimal(value).scaleb(-2)


class Instant(TypeDecorator[datetime]):
    """An aware instant; SQLite keeps it without a zone, always UTC."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC without a zone."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From UTC without a zone."""
        return None if value is None else value.replace(tzinfo=UTC)


metadata = MetaData()

customers = Table(
    "customers",
    metadata,
    Column("id", String, primary_key=True),
    Column("email", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("language", String, nullable=False),
    Column("joined", Date, nullable=False),
    Column("country", String, nullable=False),
    CheckConstraint("email = lower(email)"),
)

variants = Table(
    "variants",
    metadata,
    Column("sku", String, primary_key=True),
    Column("product", String, nullable=False, index=True),
    Column("name_en", String, nullable=False),
    Column("name_zh", String, nullable=False),
    Column("price", Money, nullable=False),
    Column("available", Integer, CheckConstraint("available >= 0"), nullable=False),
    Column("reserved", Integer, CheckConstraint("reserved >= 0"), nullable=False),
)

orders = Table(
    "orders",
    metadata,
    Column("id", String, primary_key=True),
    Column("customer", ForeignKey("customers.id"), nullable=False),
    Column("state", String, nullable=False),
    Column("placed_at", Instant, nullable=False),
    Column("currency", String, nullable=False),
    Column("total", Money, nullable=False),
    Column("shipping", Money, nullable=False),
    Column("shipping_method", String, nullable=False),
    Column("payment_method", String, nullable=False),
    Column("recipient", String, nullable=False),
    Column("line1", String, nullable=False),
    Column("line2", String, nullable=False),
    Column("city", String, nullable=False),
    Column("region", String, nullable=False),
    Column("postal_code", String, nullable=False),
    Column("country", String, nullable=False),
    Column("cancelled_at", Instant),
    Index("orders_of_customer", "customer", "placed_at"),
)

order_lines = Table(
    "order_lines",
    metadata,
    Column("order", ForeignKey("orders.id"), primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("product", String, nullable=False),
    Column("sku", ForeignKey("variants.sku"), nullable=False),
    # Titles, prices and terms as they were when the order was placed.
    Column("title_en", String, nullable=False),
    Column("title_zh", String, nullable=False),
    Column("variant_en", String, nullable=False),
    Column("variant_zh", String, nullable=False),
    Column("quantity", Integer, CheckConstraint("quantity > 0"), nullable=False),
    Column("unit_price", Money, nullable=False),
    Column("final_sale", Boolean, nullable=False),
    Column("sealed", String),
)

shipments = Table(
    "shipments",
    metadata,
    Column("order", ForeignKey("orders.id"), primary_key=True),
    Column("parcel", Integer, primary_key=True),
    Column("carrier", String, nullable=False),
    Column("tracking_number", String, nullable=False, unique=True),
    Column("state", String, nullable=False),
    Column("shipped_at", Instant),
    Column("expected", Date),
    Column("delivered_at", Instant),
    Column("replacement", Boolean, nullable=False),
)

tracking_events = Table(
    "tracking_events",
    metadata,
    Column("order", String, primary_key=True),
    Column("parcel", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("place", String, nullable=False),
    Column("text_en", String, nullable=False),
    Column("text_zh", String, nullable=False),
    ForeignKeyConstraint(["order", "parcel"], ["shipments.order", "shipments.parcel"]),
)

refunds = Table(
    "refunds",
    metadata,
    Column("order", ForeignKey("orders.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("amount", Money, nullable=False),
    Column("method", String, nullable=False),
    Column("issued_at", Instant, nullable=False),
    Column("settled_at", Instant),
    Column("reason", String, nullable=False),
)

returns = Table(
    "returns",
    metadata,
    Column("id", String, primary_key=True),
    Column("order", ForeignKey("orders.id"), nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("requested_at", Instant, nullable=False),
    Column("exchange_for", ForeignKey("variants.sku")),
)

return_lines = Table(
    "return_lines",
    metadata,
    Column("return", ForeignKey("returns.id"), primary_key=True),
    Column("order", String, nullable=False),
    Column("line", Integer, primary_key=True),
    Column("quantity", Integer, CheckConstraint("quantity > 0"), nullable=False),
    ForeignKeyConstraint(["order", "line"], ["order_lines.order", "order_lines.line"]),
    Index("return_lines_of_order", "order", "line"),
)

actions = Table(
    "actions",
    metadata,
    # One row per idempotency key, written in the transaction of the change itself.
    Column("key", String, primary_key=True),
    Column("order", ForeignKey("orders.id"), nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("fingerprint", String, nullable=False),
    Column("result", String, nullable=False),
    Column("done_at", Instant, nullable=False),
)
