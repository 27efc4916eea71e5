"""What the shop says when it has changed an order: reference numbers and sentences."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from agent.ids import Language, OrderId
from agent.shop.port import Address
from agent.shop.rules import ShopRules, money

Sentences = Mapping[Language, str]
Paper = Literal["CA", "RT", "AC"]
"""Cancellation, return or exchange label, address change."""


def reference(paper: Paper, order: OrderId, number: int = 1) -> str:
    """The shop's own number: ``RT-104233-1`` is the first label of order ``FW-104233``."""
    return f"{paper}-{order.rpartition('-')[2]}-{number}"


def cancelled(order: OrderId, refund: Decimal | None, payment_method: str, rules: ShopRules) -> Sentences:
    """The order is cancelled, and what is refunded."""
    if refund is None:
        return {
            "en": f"Order {order} is cancelled. It had not been paid, so there is nothing to refund.",
            "zh": f"订单 {order} 已取消。该订单尚未付款，无需退款。",
        }
    amount, days = money(refund, rules), rules.refund_business_days
    how_en, how_zh = rules.payment(payment_method, "en"), rules.payment(payment_method, "zh")
    return {
        "en": f"Order {order} is cancelled. {amount} will be refunded ({how_en}) within {days} "
        "business days.",
        "zh": f"订单 {order} 已取消，{amount} 将在 {days} 个工作日内原路退回（{how_zh}）。",
    }


def return_registered(label: str, refund: Decimal, *, free: bool, rules: ShopRules) -> Sentences:
    """The return is registered: its label, where to send it, and what will be refunded."""
    amount, fee, days = money(refund, rules), money(rules.return_fee, rules), rules.refund_business_days
    to_en, to_zh = rules.returns_address["en"], rules.returns_address["zh"]
    fee_en = f" The {fee} return fee is deducted already; faulty or wrong items go back free of charge."
    fee_zh = f"已扣除 {fee} 退货费，质量问题或发错货免收。"
    return {
        "en": f"Return {label} is registered. Put this number on the parcel and send it to: {to_en}. "
        f"{amount} will be refunded within {days} business days of its arrival.{'' if free else fee_en}",
        "zh": f"退货单 {label} 已登记。请在包裹上注明此编号并寄至：{to_zh}。"
        f"到仓后 {days} 个工作日内退款 {amount}。{'' if free else fee_zh}",
    }


def exchange_registered(label: str, wanted: Sentences, rules: ShopRules) -> Sentences:
    """The exchange is registered and the wanted variant set aside."""
    to_en, to_zh = rules.returns_address["en"], rules.returns_address["zh"]
    return {
        "en": f"Exchange {label} is registered, and {wanted['en']} is reserved for you. Put this number on "
        f"the parcel and send it to: {to_en}. The replacement leaves when it has arrived.",
        "zh": f"换货单 {label} 已登记，已为您预留{wanted['zh']}。请在包裹上注明此编号并寄至：{to_zh}。"
        "到仓后即寄出替换商品。",
    }


def address_changed(order: OrderId, address: Address) -> Sentences:
    """Where the order goes now."""
    return {
        "en": f"Order {order} now goes to {address.recipient}, {address.line1}, "
        f"{address.postal_code} {address.city}, {address.country}.",
        "zh": f"订单 {order} 的收货信息已改为：{address.recipient}，{address.country} {address.city} "
        f"{address.line1}，邮编 {address.postal_code}。",
    }
