"""Content words of English and Chinese text, lightly normalised, and where it says no.

Only what comparing a sentence with its source needs: a light English stemmer, Chinese
character bigrams, a few words that mean the same in a shop, and negation.
"""

from __future__ import annotations

import re


def words(text: str) -> frozenset[str]:
    """The words of a list written as running text."""
    return frozenset(text.split())


STOP = words(
    """a an the this that these those there here it its they them their theirs he she his her we us our ours i me
    my mine you your yours is are was were be been being am do does did doing done have has had having will would
    shall should can could may might must of in on at to for from by with as into onto about than then so too very
    and or but if when while where which who whom whose what how why because also just only please such both each
    either any some all more most other another own same up down out off over under again further once during
    before after above below between through per via within without yes no not nor ok okay well let get got make
    made take takes taken need needs want wants simply always usually normally currently generally according based
    information policy note regarding include includes including included s t re ve ll d m won don doesn isn aren
    two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty sixty ninety
    wasn weren hasn haven hadn didn couldn shouldn wouldn cannot one ones us thing things way like gives give gave provides provide features feature come comes help sure happy"""
)
"""English words that carry no claim of their own. ``free``, ``never`` and the like are not here."""

_SAME = {
    "delivery": "shipping", "deliveries": "shipping", "postage": "shipping",
    "colour": "color", "colours": "color", "colors": "color",
    "buy": "purchase", "bought": "purchase", "buying": "purchase",
    "sent": "send", "paid": "pay", "payment": "pay", "payments": "pay", "kept": "keep", "bring": "send",
    "cost": "price", "costs": "price", "priced": "price", "fee": "price", "fees": "price", "charge": "price",
    "charges": "price", "charged": "price", "products": "item", "product": "item", "goods": "item",
    "articles": "item", "article": "item", "parcel": "package", "parcels": "package",
    "broken": "faulty", "defective": "faulty", "defect": "faulty", "defects": "faulty", "damaged": "faulty",
    "begin": "start", "begins": "start", "began": "start", "method": "way", "weighs": "weight", "weigh": "weight",
    "reimbursed": "refund", "reimburse": "refund", "shop": "store", "lasts": "last", "holds": "hold",
    "swap": "exchange", "arrival": "arrive", "arrives": "arrive", "arrived": "arrive", "reach": "arrive",
    "reaches": "arrive", "eligible": "can", "possible": "can", "allowed": "can", "able": "can", "accept": "can",
    "accepted": "can", "cancell": "cancel", "cancellation": "cancel", "canceled": "cancel", "cancelled": "cancel",
    "deduct": "price", "deducted": "price", "fully": "full", "used": "use", "using": "use", "uses": "use",
}  # fmt: skip
_SAME_ZH = (
    ("邮费", "运费"), ("快递费", "运费"), ("配送费", "运费"), ("支付", "付款"), ("质保", "保修"), ("产品", "商品"),
    ("物品", "商品"), ("货品", "商品"), ("免邮", "包邮"), ("免运费", "包邮"), ("送达", "到达"), ("送到", "到达"),
    ("抵达", "到达"), ("瑕疵", "质量问题"), ("缺陷", "质量问题"), ("退款至", "退回"), ("退还", "退回"), ("寄回", "退回"),
    ("更换", "换货"), ("调换", "换货"), ("购买", "下单"), ("尺寸", "尺码"), ("号码", "尺码"), ("快递", "配送"),
    ("寄送", "配送"), ("运送", "配送"), ("颜色", "色"),
)  # fmt: skip
_STOP_ZH = re.compile(
    "我们|已经|已|您的|你的|我的|他们|它们|这个|那个|这款|该款|该|您|你|我|它|的话|的|了|吗|呢|吧|啊|哦|呀"
    "|哈|哟|就是|就|也|都|还|"
    "请问|请|可以|能够|能|会|将|把|被|让|给|和|与|及|以及|或者|或|并且|并|且|在|于|从|到|由|对|为|是|有|之"
    "|其|此|那|这|"
    "需要|需|要|应|应该|如果|如|若|则|时|后|前|内|以内|之内|左右|大约|约|通常|一般|根据|按照|关于|政策"
    "|规定|亲|"
    "支持|进行|提供|享受|所有|任何|各|每|一个|一次|一下|哪些|什么|怎么|才|再|所|得|地|着|过|但是|但|不过"
    "|因此|所以|因为"
)
_WORD = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)?")
_HAN_RUN = re.compile(r"[\u4e00-\u9fff]+")
_NUMERAL = re.compile(
    r"(?:\d[\d.,]*\s*(?:个工作日|工作日|[天日周月年折次件双人条顶米克升元])"
    r"|[零〇一二两三四五六七八九十百千半]+(?=[个天日周月年折次件双人条顶米克升]))"
)


def stem(word: str) -> str:
    """A light stem: plural, ``-ed``, ``-ing`` and a final ``e`` go; nothing clever."""
    word = _SAME.get(word, word)
    if len(word) > 4 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        if (
            len(word) > len(ending) + 2
            and word.endswith(ending)
            and re.search("[aeiou]", word[: -len(ending)])
        ):
            word = word[: -len(ending)]
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "ls":
                word = word[:-1]
            break
    word = word[:-3] if word.endswith("ction") else word
    word = word[:-1] if len(word) > 3 and word.endswith("e") else word
    return _SAME.get(word, word)


def content(text: str) -> frozenset[str]:
    """What ``text`` is about: stems of English words and bigrams of Chinese characters.

    Stop words, negators and figures are left out (these are compared by themselves).
    """
    lowered = text.lower().replace("’", "'")
    lowered = re.sub(r"\b(?:send|sent|sending|give|bring)\b((?:\s+\w+){0,3}?)\s+back\b", r"return\1", lowered)
    lowered = lowered.replace("money back", "refund").replace("free of charge", "free")
    plain = (word.split("'")[0] for word in _WORD.findall(lowered))
    found = {stem(word) for word in plain if len(word) > 1 and word not in STOP}
    found -= _DROPPED
    for run in han_runs(text):
        found |= {run[at : at + 2] for at in range(len(run) - 1)} if len(run) > 1 else {run}
    return frozenset(found)


def han_runs(text: str) -> list[str]:
    """Stretches of Chinese characters that carry content, in order."""
    if not _HAN_RUN.search(text):
        return []
    for old, new in _SAME_ZH:
        text = text.replace(old, new)
    text = _NOT_ZH.sub(" ", _NUMERAL.sub(" ", text))
    return _HAN_RUN.findall(_STOP_ZH.sub(" ", text))


_DROPPED = words("can day week month year hour minute business work eur euro percent unit")
"""Stems that a figure already carries, or that only frame a statement."""

# ---- negation ----------------------------------------------------------------------------

_NOT_NEGATION = re.compile(
    r"\bnot only\b|\bno (?:more|less|later|fewer) than\b|\bnot (?:more|less|later|fewer) than\b"
    r"|\bno problem\b"
    r"|\bno matter\b|\bdon'?t worry\b|\bwhether or not\b|\bno\.\s?\d|\bif not\b"
    r"|不过|不仅|不论|不管|不好意思|不超过|不少于|不低于|不高于|不同|不锈钢|不久|差不多|不用担心|无论|无线"
    r"|无缝|非常|没问题|别的"
    r"|别处|别家|别人|不当|不退换(?=的|商品|”|款)|未[\u4e00-\u9fff]{1,3}过|[未没](?:有)?(?:穿|使用|拆|开封"
    r"|用过)|不良|不适(?!用)|不慎|不足|不符|不满|不一致|不便|特别|分别|类别|级别|区别|性别|识别|个别|不断"
    r"|不止|未来|没事|无忧|不断|不得不",
    re.IGNORECASE,
)
_NOT_EN = re.compile(
    r"\b(?:not|no|never|none|neither|nor|cannot|unable|impossible|exclud\w*|except(?:ion|ions|ing|ed)?"
    r"|unavailable|unless|would have|refus\w*|reject\w*|prohibit\w*|forbidden|ineligible|void|voids|non"
    r"|nothing|nobody)\b"
    r"|n['’]t\b",
    re.IGNORECASE,
)
_NOT_ZH = re.compile(
    "不|没有|没|未|无法|无需|无|非|别|勿|除外|除了|除非|拒绝|禁止|严禁|不得|切勿|谢绝|拒收|除"
)
# "No extra charge" says free, not no.
_FREE = re.compile(
    r"\b(?:at no|no|without(?: any)?|not? any)\s+(?:(?:extra|additional|shipping|return|delivery"
    r"|further)\s+)+"
    r"(?:charge|charges|cost|costs|fee|fees)\b|\b(?:at no|without) (?:charge|cost)\b"
    r"|\b(?:don't|do not|won't|will not) (?:have to |need to )?pay (?:anything|any|for)\b"
    r"|不(?:用|需|收|要|另|额外)*(?:付|收|支付|收取|承担)?(?:任何)?(?:额外)?(?:运费|邮费|钱|手续费)"
    r"|(?:无需|无须|没有)(?:支付|承担|付)?(?:任何)?(?:额外)?(?:运费|费用|邮费|手续费)|零费用|免收",
    re.IGNORECASE,
)


def plain_free(text: str) -> str:
    """``text`` with "at no extra charge" and the like written as "free"/"免费"."""

    def word(match: re.Match[str]) -> str:
        return " free " if match.group().isascii() else "免费"

    return _FREE.sub(word, text)


def negations(text: str) -> int:
    """How many negating words ``text`` has ("not only", "no later than", 不仅 … do not count)."""
    text = _NOT_NEGATION.sub(" ", plain_free(text))
    return len(_NOT_EN.findall(text)) + len(_NOT_ZH.findall(text))
