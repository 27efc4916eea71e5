"""Answers that their passages support or not: what ``tools/fit_grounding.py`` learns and measures on.

From ``finetune/data/shops``: written answers (supported) and written wrong ones, and, seeded, answers
made wrong by rule: another figure, another product or name, no for yes, the opposite word, an invented
clause, a wider scope, the answer to another question.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from agent import wording
from agent.grounding import Source
from retrieval.vectors import Vectors

SEED = 20260411
AMONG = 4
"""Passages an answer is checked against, as many as a turn retrieves."""
RULES_EACH = 2
"""Rules by which each written answer is made wrong."""


@dataclass(frozen=True)
class Example:
    """An answer to ``question`` from ``sources``; ``how`` it came about: ``written`` or a rule's name."""

    language: str
    shop: str
    question: str
    sources: tuple[Source, ...]
    text: str
    supported: bool
    how: str


@dataclass(frozen=True)
class _Asked:
    source: Source
    asks: Sequence[str]
    answers: Sequence[str]
    wrong: Sequence[str]


def examples(folder: Path, vectors: Vectors) -> Iterator[Example]:
    """Every shop of ``folder``, in both languages."""
    for path in sorted(folder.glob("*.yaml")):
        shop = yaml.safe_load(path.read_text(encoding="utf-8"))
        for language in ("en", "zh"):
            yield from _of_shop(shop, language, vectors)


def _passages(shop: dict[str, Any], language: str) -> Iterator[_Asked]:
    for part in (*shop["products"], *shop["policies"]):
        for number, passage in enumerate(part.get("passages", [part])):
            name = f"{part.get('id') or part['topic']}-{number}"
            title = f"{part['title'][language]} {passage['heading'][language]}"
            yield _Asked(
                Source(name, passage["text"][language], title),
                *(passage[key][language] for key in ("asks", "answers", "wrong")),
            )


def _of_shop(shop: dict[str, Any], language: str, vectors: Vectors) -> Iterator[Example]:
    chance = random.Random(f"{SEED} {shop['id']} {language}")  # noqa: S311  # examples, not secrets
    asked = list(_passages(shop, language))
    products = [part["title"][language] for part in shop["products"]]
    stored = vectors.of([f"{one.source.title}. {one.source.text}" for one in asked])
    for at, one in enumerate(asked):
        near = np.argsort(-(stored @ vectors.of([one.asks[0]])[0]))
        others = [int(n) for n in near if n != at]
        chosen = [one, *(asked[n] for n in others[: AMONG - 1])]
        chance.shuffle(chosen)
        sources = tuple(each.source for each in chosen)

        def example(text: str, how: str, *, supported: bool = False, number: int = 0) -> Example:
            question = one.asks[number % len(one.asks)]  # noqa: B023
            return Example(language, shop["id"], question, sources, text, supported, how)  # noqa: B023

        for number, answer in enumerate(one.answers):
            yield example(answer, "written", supported=True, number=number)
            known = " ".join(f"{source.title} {source.text}" for source in sources)
            made = [(how, rule(answer, known, products, language, chance)) for how, rule in _RULES.items()]
            made = [(how, text) for how, text in made if text and text != answer]
            for how, text in chance.sample(made, min(RULES_EACH, len(made))):
                yield example(text, how, number=number)
        for answer in one.wrong:
            yield example(answer, "written")
        # Of passages that were not found, so that nothing here can support it.
        other = asked[chance.choice(others[AMONG + 2 :])]
        yield example(chance.choice(other.answers), "another answer")


# ---- rules -----------------------------------------------------------------------------------

_NUMBER = re.compile(r"(?<![\w.,-])\d+(?:[.,]\d+)?(?![\w.,]*\d)")
_INVENTED = {
    "en": (
        "and we add a free gift to every parcel", "and you can also do this in any of our stores",
        "and a courier picks it up at your door", "as long as you show your loyalty card",
        "and it comes with a lifetime guarantee", "and members get double points",
        "which our customers rate 4.9 out of 5", "and you will get a text message first",
        "provided that you ordered by phone", "and the second one is half price",
        "but only on weekdays", "because it is made by hand in Italy", "and no signature is needed",
        "which takes about three weeks", "unless you paid by gift card", "and it has won several awards",
        "so you need not tell us beforehand", "and we call you the next morning",
        "as long as the manager agrees", "and it is the most popular one we sell",
        "and doctors recommend it", "and you may keep the old one", "but not during the sales",
        "and our partner shops do the same", "which is required by law",
    ),
    "zh": (
        "而且每单都送小礼物", "也可以到任意一家门店办理", "快递员会上门来取", "前提是出示会员卡", "并且终身保修",
        "会员还能拿双倍积分", "顾客评分高达 4.9 分", "我们会先给您发短信", "前提是电话下单", "第二件半价",
        "但仅限工作日", "因为是意大利手工制作的", "也不需要签字", "大概要等三个星期", "用礼品卡付款的除外",
        "还拿过好几个奖", "不用提前告诉我们", "第二天早上会给您打电话", "需要店长同意", "这也是店里卖得最好的一款",
        "医生也推荐使用", "旧的您可以留着", "但大促期间不行", "合作门店也一样", "这是法律规定的",
    ),
}  # fmt: skip
_OPPOSITES = {
    "en": (
        ("before", "after"), ("within", "after"), ("more", "less"), ("first", "last"), ("new", "used"),
        ("opened", "unopened"), ("free", "chargeable"), ("hot", "cold"), ("dry", "wet"), ("larger", "smaller"),
        ("inside", "outside"), ("indoor", "outdoor"), ("longer", "shorter"), ("full", "partial"),
        ("original", "another"), ("we pay", "you pay"), ("we cover", "you cover"), ("same", "different"),
        ("with", "without"), ("standard", "express"), ("lower", "higher"), ("up to", "at least"),
        ("machine", "hand"), ("both", "neither of the"), ("over", "under"), ("soft", "hard"),
    ),
    "zh": (
        ("之前", "之后"), ("以内", "以后"), ("免费", "收费"), ("可以", "不可以"), ("我们承担", "您承担"), ("原路", "另行"),
        ("包含", "不含"), ("全新", "二手"), ("未拆封", "已拆封"), ("室内", "室外"), ("更大", "更小"), ("工作日", "自然日"),
        ("以上", "以下"), ("至少", "最多"), ("支持", "不支持"), ("需要", "不需要"), ("国内", "境外"), ("自动", "手动"),
        ("防水", "不防水"), ("全额", "部分"), ("冷水", "热水"), ("标准", "加急"), ("都", "都不"),
    ),
}  # fmt: skip


def _figure(answer: str, known: str, products: Sequence[str], language: str, chance: random.Random) -> str:
    found = list(_NUMBER.finditer(answer))
    if not found:
        return ""
    match = chance.choice(found)
    value = float(match.group().replace(",", ""))
    scaled = [value * factor for factor in (0.5, 2, 3, 1.5)] + [value + 1, value + 5, value + 10]
    texts = [f"{n:.2f}" if "." in match.group() else f"{n:.0f}" for n in scaled]
    usable = [
        text for text in texts if text != "0" and not re.search(rf"(?<!\d){re.escape(text)}(?!\d)", known)
    ]
    return _put(answer, match.span(), chance.choice(usable)) if usable else ""


def _name(answer: str, known: str, products: Sequence[str], language: str, chance: random.Random) -> str:
    """Another product's name, or another of the names that shops of every kind have."""
    groups = [[product.split()[0] for product in products]] + [
        group.split("|")
        for group in (
            "PayPal|Klarna|Apple Pay|Visa|Mastercard|Alipay|WeChat Pay",
            "DHL|UPS|FedEx|DPD|GLS|Royal Mail|Evri",
            "Germany|France|Italy|Spain|Norway|Japan|Canada|Switzerland|Poland|Austria",
            "支付宝|微信支付|银联|花呗|信用卡|货到付款", "顺丰|中通|圆通|韵达|京东|邮政",
            "德国|法国|英国|日本|韩国|加拿大|澳大利亚|美国", "red|blue|green|black|white|grey",
            "红色|蓝色|绿色|黑色|白色|灰色", "email|post|phone|chat", "邮件|电话|短信|微信", "cotton|wool|leather|steel|plastic|oak",
            "纯棉|羊毛|真皮|不锈钢|塑料|橡木",
        )
    ]  # fmt: skip
    places = []
    for group in groups:
        for name in group:
            edge = r"\b" if name.isascii() else ""
            others = [other for other in group if other.lower() not in known.lower()]
            if others and (match := re.search(rf"{edge}{re.escape(name)}{edge}", answer)):
                places.append((match.span(), others))
    if not places:
        return ""
    span, others = chance.choice(places)
    return _put(answer, span, chance.choice(others))


def _denied(answer: str, known: str, products: Sequence[str], language: str, chance: random.Random) -> str:
    swaps = (
        ((r"\bcannot\b|\bcan't\b", "can"), (r"\b(is|are|will|do|does|must) not\b", r"\1"),
         (r"\b(is|are|do|does)n't\b", r"\1"), (r"\bwon't\b", "will"), (r"\bno\b(?=\s[a-z])", "a"),
         (r"\bnot\b ", ""), (r"\b(can|is|are|will|must|may)\b(?! not)(?=\s[a-z])", r"\1 not"),
         (r"\b[Ww]e (?=[a-z])", "We do not "), (r"\b[Yy]ou (?=[a-z])", "you do not "))
        if language == "en"
        else (("不能|无法|不可以|不可", "可以"), ("没有", "有"), ("不是", "是"), ("无需|不用|不需要", "需要"),
              ("不(?=[支含收包提接需])", ""), ("(?<!不)可以|能(?=[退换用改取洗])", "不能"), ("(?<!不)会", "不会"),
              ("(?<!不)需要", "不需要"), ("(?<!没)有", "没有"), ("(?<!不)是", "不是"), ("(?<!不)支持", "不支持"))
    )  # fmt: skip
    usable = [(match, into) for pattern, into in swaps if (match := re.search(pattern, answer))]
    if wording.negations(answer):
        # Twice denied is no plain opposite: take a "no" away.
        usable = [(match, into) for match, into in usable if not wording.negations(into)]
    if not usable:
        return ""
    match, into = usable[0] if chance.random() < 0.6 else chance.choice(usable)
    return _put(answer, match.span(), match.expand(into))


def _opposite(answer: str, known: str, products: Sequence[str], language: str, chance: random.Random) -> str:
    usable = []
    for pair in _OPPOSITES[language]:
        for one, other in (pair, pair[::-1]):
            edge = r"\b" if language == "en" else ""
            if match := re.search(rf"{edge}{one}{edge}", answer):
                usable.append((match.span(), other))
    if not usable:
        return ""
    span, other = chance.choice(usable)
    return _put(answer, span, other)


def _invented(answer: str, known: str, products: Sequence[str], language: str, chance: random.Random) -> str:
    body, stop = answer[:-1], answer[-1]
    comma = "，" if language == "zh" else ", " if chance.random() < 0.5 else " "
    return f"{body}{comma}{chance.choice(_INVENTED[language])}{stop}"


def _wider(answer: str, known: str, products: Sequence[str], language: str, chance: random.Random) -> str:
    if language == "en":
        tail = chance.choice(
            ("for every product", "in every case", "at any time", "for all customers", "whatever the reason")
        )
        return f"{answer[:-1]} {tail}{answer[-1]}"
    head = chance.choice(("任何情况下，", "所有商品", "不管什么原因，", "任何时候", "所有订单"))
    return f"{head}{answer}"


def _put(text: str, span: tuple[int, int], other: str) -> str:
    return f"{text[: span[0]]}{other}{text[span[1] :]}"


_Rule = Callable[[str, str, Sequence[str], str, random.Random], str]
_RULES: dict[str, _Rule] = {
    "another figure": _figure,
    "another name": _name,
    "no for yes": _denied,
    "opposite word": _opposite,
    "invented clause": _invented,
    "wider scope": _wider,
}
