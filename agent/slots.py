"""What can be read off a message with certainty: order, e-mail, code, lines, topics.

Values are what the shopper wrote, not what a shop would call it. What is unclear is left out;
the turn then asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent.ids import OrderId
from agent.understanding import Said

EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−－_"), "-")
_SIX = re.compile(r"(?<![\w.,+/-])\d{6}(?![\w/-]|[.,]\d)", re.ASCII)
_NOT_ORDER_BEFORE = re.compile(
    r"(?:zip|post(?:al)?\s?code|postcode|plz|邮编|邮政编码|电话|手机|尾号|coupon|promo|discount|voucher"
    r"|优惠码|€|\$|£|¥)"
    r"[\s\w]{0,12}[:：#]?\s*\Z",
    re.IGNORECASE,
)
_NOT_ORDER_AFTER = re.compile(r"\s*(?:eur|euro|usd|dollar|元|欧|块|%|km|mm|pcs)", re.IGNORECASE)
_CODE_WORD = re.compile(
    r"(?<!zip )(?<!postal )(?<!post )\bcode\b|验证码|校验码|动态码|\bOTP\b|\bPIN\b", re.IGNORECASE
)
_ORDER_WORD = re.compile(r"\border\b|\bnumber\b|订单|单号", re.IGNORECASE)
_ONE_TIME = re.compile(r"\b(?:code|otp|pin)\b|验证码|校验码", re.IGNORECASE)


_CORRECTS = re.compile(
    r"\b(?:no,? wait|wait,? no|oh wait|hold on|i mea?nt?|i mean|sorry|oops|actually|scratch that|correction"
    r"|rather|wrong (?:one|number|order)|typo|not that one)\b|^\W*(?:no|nope)\b(?! (?:rush|hurry|problem))|\b(?:no|nope)\b\W*\Z"
    r"|等等|等一下|等下|不对|不是|打错|写错|发错了|说错|弄错|搞错|应该是|更正|抱歉|不好意思|哦不",
    re.IGNORECASE,
)
"""Words between two order numbers that take the first one back."""
_PRODUCT_BEFORE = re.compile(
    r"(?:\b(?:product|item|sku)|商品|产品)\s?(?:id|number|no\.?|编号|号)?\s*(?:[:：#]|为|是|is\b)?\s*\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class OrderNumbers:
    """How a shop writes its order numbers: ``FW-104233`` is the lead ``FW-`` and six digits.

    Attributes:
        lead: What stands before the digits; empty when there is nothing.
        digits: How many there are.
    """

    lead: str = "FW-"
    digits: int = 6

    def written(self, digits: str) -> OrderId:
        """The number as the shop writes it."""
        return OrderId(f"{self.lead}{digits}")

    def named(self, text: str) -> re.Match[str] | None:
        """The first number in ``text`` that is marked as one by the letters before it."""
        letters = re.sub(r"[\W_]+", "", self.lead)
        if not letters:
            return None
        pattern = rf"(?<![A-Za-z0-9]){re.escape(letters)}\s?-?\s?#?(\d{{{self.digits}}})(?!\d)"
        return re.search(pattern, text, re.IGNORECASE)

    def bare(self, text: str) -> Iterable[re.Match[str]]:
        """Digits alone, as many as an order number has."""
        return re.finditer(rf"(?<![\w.,+/-])\d{{{self.digits}}}(?![\w/-]|[.,]\d)", text, re.ASCII)


def straighten(text: str) -> str:
    """Every kind of dash as ``-``."""
    return text.translate(_DASHES)


def email(text: str) -> str | None:
    """The first e-mail address, lower case."""
    match = EMAIL.search(text)
    return match.group().rstrip(".").lower() if match else None


def order_and_code(
    text: str, earlier: Sequence[Said] = (), numbers: OrderNumbers | None = None
) -> tuple[OrderId | None, str | None]:
    """The order number and the one-time code of a message.

    ``FW-104233``, ``fw104233`` and ``FW 104233`` are orders; of several the first, unless the
    shopper corrects it by the next ("no wait, FW-104277"). Six bare digits are a code beside a
    code word or alone after the assistant asked for one; otherwise, where order numbers have six
    digits, an order number, unless something beside them says that they are a price, a postcode
    or the like. Where they have more or fewer, so many bare digits are one, unless they are said
    to be a product.
    """
    numbers = numbers or OrderNumbers()
    text = EMAIL.sub(" ", straighten(text))
    named = numbers.named(text)
    while named is not None and (other := numbers.named(text[named.end() :])) is not None:
        # "FW-104233, no wait, FW-104277" names the second; "FW-104233 and FW-104277" the first.
        if not _CORRECTS.search(text[named.end() : named.end() + other.start()]):
            break
        text = text[: named.start()] + " " * len(named[0]) + text[named.end() :]
        named = numbers.named(text)
    order = numbers.written(named[1]) if named else None
    code: str | None = None
    rest = text if named is None else text[: named.start()] + " " * len(named[0]) + text[named.end() :]
    for match in _SIX.finditer(rest):
        before, after = rest[max(0, match.start() - 28) : match.start()], rest[match.end() :][:20]
        if _NOT_ORDER_BEFORE.search(before) or _NOT_ORDER_AFTER.match(after):
            continue
        alone = not re.sub(r"[\W_]+", "", rest.replace(match.group(), "")) and named is None
        beside = _nearest(before, after)
        if (beside or (_asked_for(earlier) if alone else "order")) == "code":
            code = code or match.group()
        elif order is None and numbers.digits == len(match.group()):
            order = numbers.written(match.group())
    if order is None and numbers.digits != 6:
        order = _bare_order(rest, numbers)
    return order, code


def also_named(text: str, order: OrderId, numbers: OrderNumbers | None = None) -> tuple[OrderId, ...]:
    """Order numbers beside ``order`` that a message names, marked as such, and does not take back."""
    numbers = numbers or OrderNumbers()
    text, found = EMAIL.sub(" ", straighten(text)), dict[OrderId, None]()
    while (named := numbers.named(text)) is not None:
        text = text[named.end() :]
        after = numbers.named(text)
        if after is None or not _CORRECTS.search(text[: after.start()]):
            found[numbers.written(named[1])] = None
    return tuple(one for one in found if one != order)


def _bare_order(text: str, numbers: OrderNumbers) -> OrderId | None:
    for match in numbers.bare(text):
        before, after = text[max(0, match.start() - 28) : match.start()], text[match.end() :][:20]
        if any(pattern.search(before) for pattern in (_NOT_ORDER_BEFORE, _PRODUCT_BEFORE)):
            continue
        if not _NOT_ORDER_AFTER.match(after):
            return numbers.written(match.group())
    return None


def _nearest(before: str, after: str) -> str:
    """``code`` or ``order`` by the closest word before the digits, else right after them."""
    codes = [match.end() for match in _CODE_WORD.finditer(before)]
    orders = [match.end() for match in _ORDER_WORD.finditer(before)]
    if codes or orders:
        return "code" if max(codes, default=-1) > max(orders, default=-1) else "order"
    return (
        "code"
        if re.match(r"\s*(?:is|was|是)?\s*(?:the|my|我的)?\s*(?:code|验证码)", after, re.IGNORECASE)
        else ""
    )


def _asked_for(earlier: Sequence[Said]) -> str:
    """What the assistant asked for last: a code or an order number."""
    for line in [line for line in reversed(earlier) if line.who != "shopper"][:3]:
        if _ONE_TIME.search(line.text):
            return "code"
        if _ORDER_WORD.search(line.text):
            return "order"
    return "order"


# ---- what to do with which item --------------------------------------------------------------

_ORDINALS = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4}
_ORDINALS |= {"fifth": 5, "5th": 5, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5}
_PLACE = r"#?(?:1?\d|20)(?!\d|\s*(?:days?|weeks?|months?|years?|times?|%|€|\$|eur|天|周|年|个?月|次))"
_AND_PLACE = rf"(?:\s*(?:,|、|，|&|\band\b|和|跟)\s*(?:and\s+)?{_PLACE})"
_LINE = re.compile(
    r"\b(?:line|item|position|number|no\.?|#)s?\s?#?(\d{1,2})\b"
    r"|\bthe (first|second|third|fourth|fifth|1st|2nd|3rd|4th|5th)(?: (?:one|item|product|line))?\b"
    r"|第\s?([一二三四五\d])\s?(?:件|个|项|样|双|条|行)",
    re.IGNORECASE,
)
_ALL = re.compile(
    r"\b(?:everything|all (?:of (?:it|them)|items|the items)|both(?: of them| items)?|the whole order"
    r"|entire order)\b"
    r"|整单|全部|全都|都要退|都退|都换|两(?:件|双|个)都|所有(?:的)?商品",
    re.IGNORECASE,
)
_QUANTITY = re.compile(
    r"\b(\d{1,2}|one|two|three|four|five)\s+(?:of (?:them|these|those)|pieces?|pairs?|items?|pcs)\b"
    r"|(?<!第)(\d{1,2}|[二两三四五])\s?个(?!月|工作|小时)|(?<!第)(\d{1,2}|[一二两三四五])\s?(?:件|双|条|顶|只)",
    re.IGNORECASE,
)
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5} | {
    k: v for k, v in _ORDINALS.items() if len(k) == 1
}

_REASONS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (code, re.compile(pattern, re.IGNORECASE))
    for code, pattern in (
        (
            "wrong_item",
            r"\bwrong (?:item|product|article|thing|one|size sent|colou?r sent)\b|\bnot what i ordered\b"
            r"|\bsent me (?:the|a) wrong\b|发错|寄错|不是我(?:买|订|要)的|货不对板",
        ),
        (
            "damaged",
            r"\b(?:arrived|came|was|is|are|were) (?:\w+ )?(?:torn|damaged|broken|ripped|cracked|dented"
            r"|scratched|crushed)\b"
            r"|\b(?:torn|ripped|cracked|dented|has a (?:hole|tear|crack))\b|破(?:了|的|损|洞)|裂(?:了|开)"
            r"|压(?:扁|坏)|划痕|撕(?:破|裂)|有个?洞",
        ),
        (
            "faulty",
            r"\b(?:faulty|defective|doesn'?t work|does not work|not working|stopped working|malfunction\w*"
            r"|leaks?|leaking|broke|broken)\b"
            r"|坏(?:了|的)|故障|不能用|用不了|漏(?:水|气|油)|打不着|开线|有问题|质量问题|失灵|不亮",
        ),
        ("too_small", r"\btoo (?:small|tight|short|narrow)\b|太(?:小|紧|短|窄)|偏小|小了|穿不下"),
        ("too_large", r"\btoo (?:big|large|loose|long|wide)\b|太(?:大|松|长|宽|肥)|偏大|大了"),
        ("not_as_described", r"\bnot as (?:described|pictured|shown)\b|\blooks? different\b"
                             r"|\bdifferent from the (?:photo|picture)|与描述不符|和(?:图片"
                             r"|描述).{0,4}不(?:一样|符)|有色差"),
        ("late", r"\btoo late\b|\btakes? too long\b|\barrived late\b|太慢|来不及|太晚|等太久"),
        ("cheaper", r"\bcheaper\b|更便宜|便宜了"),
        ("by_mistake", r"\b(?:by (?:mistake|accident)|accidentally|ordered twice|wrong one)\b|下错|拍错"
                       r"|买错|买重|重复下单|选错|点错"),
        ("not_needed", r"\b(?:no longer need|don'?t need|do not need|changed? my mind|don'?t (?:like"
                       r"|want))\b|不需要|用不上|不想要|不喜欢|改主意|不要了"),
    )
)  # fmt: skip
_BECAUSE = re.compile(
    r"\b(?:because|since|as it|as the|cause|bc)\b\s+(?P<en>[^.!?\n;]{3,120})|(?:因为"
    r"|由于)(?P<zh>[^。！？\n；，,]{2,60})",
    re.IGNORECASE,
)

_COLOURS = (
    "black|white|grey|gray|red|blue|green|yellow|orange|brown|purple|pink|beige|sand|olive|navy|teal|khaki"
    "|moss|rust"
    "|charcoal|graphite|burgundy|turquoise"
)
_COLOUR_ZH = "深灰|浅灰|苔绿|墨绿|藏青|卡其|军绿|天蓝|宝蓝|酒红|橄榄|沙|黑|白|灰|红|蓝|绿|黄|橙|棕|紫|粉|米"
_SIZE = (
    r"(?:XXS|XS|S|M|L|XL|XXL|XXXL|2XL|3XL|small|medium|large|long|regular|short|(?:3[4-9]|4[0-9])(?:\.5)?)"
)
_VARIANT = re.compile(
    rf"(?P<colour>\b(?:{_COLOURS})\b)|(?P<colour_zh>(?:{_COLOUR_ZH})(?=色|的|款|[，。\s]|$))"
    rf"|(?:\bsize\s+|尺码\s?)(?P<size>{_SIZE})\b|(?<![A-Za-z0-9'’])(?P<size2>XXXL|XXL|XXS|XS|XL|2XL|3XL"
    rf"|(?-i:[SML])|(?:3[4-9]|4[0-9])(?:\.5)?)(?![A-Za-z0-9'’]|\s?%)"
    rf"|(?P<length>加长|常规款|短款|长款)",
    re.IGNORECASE,
)
_ARTICLE = re.compile(
    r"\b(?:item|article|sku|variant)(?:\s+(?:number|no\.?)|\s*#)?\s*:?\s*(?=[\w-]*\d)([\w-]{4,})"
    r"|(?:货号|款号)\s*[:：]?\s*([A-Za-z\d-]{4,})",
    re.IGNORECASE,
)
"""A number that shops give to a variant. One of up to three digits may be a line of the order."""
_WANTED = re.compile(
    r"\b(?:for|to|into|want|need|get|have|instead)\b(?:\s+(?:a|an|the|it|one|them|in|size|pair|of))*\s*$"
    r"|(?:换成?|改成?|要|换个|换大|换小|成)\s*$",
    re.IGNORECASE,
)
_UNWANTED = re.compile(
    r"(?:\binstead of|\bnot(?: the)?|\bgot (?:the|a)|\bfrom(?: the)?|不要|不是|原来是?"
    r"|把)(?: size)?\s*(?:a |the )?$",
    re.IGNORECASE,
)

_OBJECT = re.compile(
    r"\b(?:return|returning|exchange|swap|replace|cancel|send back|send|give back|refund(?: for)?|about|is"
    r"|does|did|has|for|with|of|wash|where is"
    r"|where are|are|do)\s+(?:the|my|this|these|that|those"
    r"|our)\s+(?P<en>(?:[a-z-]+\s+){0,3}?[a-z-]{3,})(?=\s+(?:back|from|for|i|that|which|to|in|because|since"
    r"|as|is|are|was|and|please|come|have|has|still|waterproof|with|run|fit|bought)\b|[.,!?;]|$)",
    re.IGNORECASE,
)
_THINGS = [
    "tent",
    "shelter",
    "tarp",
    "jacket",
    "coat",
    "boot",
    "boots",
    "shoe",
    "shoes",
    "sandals",
    "backpack",
    "pack",
    "bag",
    "mat",
    "stove",
    "lantern",
    "headlamp",
    "lamp",
    "torch",
    "bottle",
    "filter",
    "trousers",
    "pants",
    "shirt",
    "socks",
    "fleece",
    "vest",
    "gloves",
    "hat",
    "poles",
    "pole",
    "cartridge",
    "cooker",
    "pot",
    "knife",
    "compass",
    "power-bank",
    "towel",
    "kit",
    "hammock",
    "pillow",
    "liner",
    "mug",
    "flask",
    "rope",
    "gaiters",
    "cap",
    "shorts",
    "leggings",
    "duffel",
    "tarp",
]
_THING = re.compile(r"\b(" + "|".join(sorted(set(_THINGS), key=len, reverse=True)) + r")s?\b", re.IGNORECASE)
_THING_ZH = re.compile(
    "帐篷|天幕|冲锋衣|雨衣|外套|夹克|羽绒服|抓绒|背包|睡袋|防潮垫|垫子|炉头|炉子|气炉|气罐|营地灯|露营灯"
    "|头灯|手电|水壶|水瓶|滤水器|裤子|长裤"
    "|徒步鞋|登山鞋|靴子|鞋子|凉鞋|袜子|手套|帽子|登山杖|充电宝|毛巾|急救包|吊床|枕头|锅具|锅|杯子|地布"
    "|衬衫|T恤|马甲|燃料瓶|指南针"
)


def details(text: str, names: Sequence[Sequence[str]] = (), last_assistant: str = "") -> dict[str, str]:
    """Slots about what to do with which item: line, quantity, reason, product, variant."""
    found: dict[str, str] = {}
    if _ALL.search(text):
        found["line"] = "all"
    elif numbers := _lines(text, bool(last_assistant)):
        found["line"] = ",".join(map(str, numbers))
    if (match := _QUANTITY.search(text)) is not None:
        raw = (match[1] or match[2] or match[3]).lower()
        found["quantity"] = str(_NUMBERS.get(raw) or int(raw))
    found |= _reason(text)
    if product := _product(text, names):
        found["product"] = product
    if variant := _variant(text):
        found["variant"] = variant
    # A quick reply repeats words of the list it answers.
    words = bare(text)
    if 2 <= len(words) <= 80 and last_assistant and words.lower() in last_assistant.lower():
        found["product"] = found["variant"] = words
    return found


def _lines(text: str, answering: bool) -> list[int]:
    """Places in an order that are named: "item 2", "the first and the third", "1, 3" as an answer to a list."""
    if answering and re.fullmatch(rf"\W*(?:{_PLACE}{_AND_PLACE}*)\W*", text, re.IGNORECASE):
        return [int(number) for number in re.findall(r"\d+", text)]
    found: list[int] = []
    end = 0
    for match in _LINE.finditer(text):
        if found and not re.fullmatch(
            r"[\s,、，]*(?:and|&|和|跟|还有)?\s*", text[end : match.start()], re.IGNORECASE
        ):
            break  # "the first is fine, the second is torn": of several the first, as of orders
        raw = (match[1] or match[2] or match[3]).lower()
        more = re.match(rf"{_AND_PLACE}+", text[match.end() :], re.IGNORECASE) if match[1] else None
        found += [_ORDINALS.get(raw) or int(raw), *map(int, re.findall(r"\d+", more[0] if more else ""))]
        end = match.end() + (more.end() if more else 0)
    return list(dict.fromkeys(found))


def bare(text: str) -> str:
    """A message without what ends a sentence."""
    return text.strip(" .。!！")


def _reason(text: str) -> dict[str, str]:
    """``reason`` in the shopper's words and, where it is of a known sort, ``reason_code``."""
    code, words = "", ""
    for name, pattern in _REASONS:
        if (match := pattern.search(text)) is not None:
            code = name
            words = _sentence_around(text, match.start())
            break
    if (match := _BECAUSE.search(text)) is not None:
        words = (match["en"] or match["zh"]).strip(" ,，")
    found = {"reason": words[:160]} if words else {}
    return found | ({"reason_code": code} if code else {})


def _sentence_around(text: str, at: int) -> str:
    cuts = [match.end() for match in re.finditer(r"[.!?。！？;；,，\n]\s*|\s+(?:and|so|but)\s+", text)]
    start = max((cut for cut in cuts if cut <= at), default=0)
    end = min((cut for cut in cuts if cut > at), default=len(text))
    return re.sub(r"[\s.!?。！？;；,，]+$|\s+(?:and|so|but)\s*$", "", text[start:end]).strip()


def _product(text: str, names: Sequence[Sequence[str]]) -> str:
    """A product named: words that belong to one product's titles alone, else the thing meant."""
    lowered = text.lower()
    for length in (4, 3, 2):
        for titles in names:
            for part in (part for title in titles for part in _parts(title, length)):
                if part in lowered and _of_one(part, names):
                    return part
    if (match := _THING_ZH.search(text)) is not None:
        # 炉子 is 炉 in every title; 帐篷 stays.
        word = match.group()
        return word[:-1] if word.endswith("子") and len(word) == 2 else word
    if (match := _OBJECT.search(text)) is not None:
        head = match["en"].split()[-1].lower()
        if (thing := _THING.fullmatch(head)) is not None:
            return thing[1].lower().rstrip("s")
    if (match := _THING.search(text)) is not None:
        return (
            match[1].lower().removesuffix("s") if match[1].lower() not in ("gaiters",) else match[1].lower()
        )
    return ""


def title(text: str, names: Sequence[Sequence[str]]) -> str:
    """A product called by the beginning of its title, as a shop calls it: "Arbor 2", not "tent"."""
    lowered = text.lower()
    for length in (4, 3, 2):
        for titles in names:
            for part in (next(iter(_parts(title, length)), "") for title in titles):
                if part and part in lowered and _of_one(part, names):
                    return part
    return ""


def _of_one(part: str, names: Sequence[Sequence[str]]) -> bool:
    """Whether the titles of just one product hold ``part``."""
    return sum(any(part in title.lower() for title in titles) for titles in names) == 1


def _parts(name: str, length: int) -> Iterable[str]:
    """Runs of ``length`` words of a title (Han characters count singly), lower case."""
    words = re.findall(r"[a-z0-9][\w.-]*|[\u4e00-\u9fff]", name.lower())
    for start in range(len(words) - length + 1):
        run = words[start : start + length]
        yield ("" if all("\u4e00" <= word <= "\u9fff" for word in run) else " ").join(run)


def _variant(text: str) -> str:
    """The variant wanted: its article number, the one after "for"/换成 when several are named, or the only one."""
    if (match := _ARTICLE.search(text)) is not None:
        return match[1] or match[2]
    wanted: list[str] = []
    others: list[str] = []
    for match in _VARIANT.finditer(text):
        value = next(group for group in match.groups() if group)
        before = text[: match.start()]
        if _UNWANTED.search(before):
            continue
        (wanted if _WANTED.search(before) else others).append(value)
    if wanted:
        return wanted[-1]
    # "the green one": a colour beside the thing itself says which one, not what is wanted.
    return others[-1] if len(set(others)) == 1 or len(others) > 1 else ""


# ---- risky topics --------------------------------------------------------------------------------

_TOPICS: Mapping[str, tuple[str, ...]] = {
    "legal": (
        r"\b(?:my |a |our |contact(?:ing)? (?:a|my) )?(?:lawyer|attorney|solicitor)s?\b",
        r"\b(?:sue|suing|legal action|take (?:you|this|it) to court|small claims|see you in court|lawsuit"
        r"|litigat\w+)\b",
        r"\b(?:consumer (?:protection|rights|court|association)|trading standards|ombudsman"
        r"|report(?:ing)? you to|chargeback)\b",
        r"\b(?:data protection authority|gdpr complaint|fraud(?:ulent)?|(?:go(?:ing)? to|call(?:ing)?"
        r"|inform) the police)\b",
        r"律师|起诉|法院|打官司|法律(?:途径|手段|责任)|12315|消协|消费者协会|消费者权益|工商局|市场监管"
        r"|报警|举报|维权|诈骗|仲裁",
    ),
    "safety": (
        r"\b(?:caught|catch(?:es)?|set|on|started a) fire\b(?! ?(?:proof|resistant))|\bexplod\w+"
        r"|\bblew up\b|\bburst into flames\b",
        r"\b(?:smell(?:s|ed)?|smelling) (?:of|like) gas\b|\bgas (?:leak\w*|is leaking)\b|\bleak(?:s|ed"
        r"|ing)? gas\b|\bcarbon monoxide (?:alarm|poisoning)",
        r"\belectric(?:al)? shock\b|\bgot shocked\b|\bshort.?circuit\w*|\boverheat(?:s|ed|ing)\b"
        r"|\b(?:started|began|is|was|kept) (?:to )?smok(?:e|ing)\b",
        r"\b(?:melted|sparks? (?:came|flew)|dangerous|nearly killed|almost killed|hazard)\b",
        r"着火|起火|冒烟|爆炸|炸了|漏气|煤气味|燃气味|触电|漏电|短路|烧起来|烧焦|过热|一氧化碳中毒|很危险"
        r"|太危险|安全隐患|差点(?:出事|死|没命)",
    ),
    "injury": (
        r"\b(?:injur(?:y|ies|ed)|bleeding|bled|hospital|emergency room|ambulance|stitches|broke my (?:arm"
        r"|leg|wrist|ankle|finger|nose))\b",
        r"\b(?:burn(?:ed|t)|cut|hurt|scalded|bruised|sprained) (?:my|his|her|our|their"
        r"|your) (?:\w+ )?(?:hand|hands|finger|fingers|arm|face|leg|foot|feet"
        r"|eye|eyes|head|back|knee|ankle|wrist|son|daughter|child|kid|wife|husband)\b|\b(?:burn(?:ed|t)|cut"
        r"|hurt) (?:myself|himself|herself)\b",
        r"\b(?:my|our) (?:son|daughter|child|kid|wife|husband|baby) (?:got|was|is"
        r"|has been) (?:\w+ )?(?:hurt|burn(?:ed|t)|injured|sick|poisoned)\b",
        r"\b(?:allergic reaction|rash all over|poisoned|concussion)\b",
        r"受伤|烫伤|烧伤|割伤|划伤了?(?:手|脸|腿|我)|流血|医院|急诊|骨折|扭伤|摔伤|过敏|中毒|住院"
        r"|缝(?:了)?.{0,2}针",
    ),
    "press": (
        r"\b(?:journalist|reporter|newspaper|tv station|media outlet)s?\b|\b(?:go(?:ing)?|talk|speak|turn"
        r"|tell|call) (?:to )?the (?:press|media)\b",
        r"\b(?:post|share|put|tell|expose|publish)\w*\b.{0,40}\b(?:twitter|facebook|instagram|tiktok|reddit"
        r"|youtube|trustpilot|social media|online for everyone)\b",
        r"\bgo(?:ing)? (?:viral|public)\b|\bexpose you\b",
        r"曝光(?!度|率|补偿)|媒体|记者|报社|电视台|发(?:到)?(?:微博|小红书|抖音|朋友圈|网上|知乎|B站)"
        r"|挂(?:到)?网上|上热搜",
    ),
    "leaving": (
        r"\b(?:never|not|won'?t|will not|wouldn'?t) (?:be )?(?:ever )?(?:buy(?:ing)?|order(?:ing)?"
        r"|shop(?:ping)?|com(?:e|ing) back|purchas(?:e|ing))\b(?:.{0,30}\b(?:again|here|from you|back"
        r"|anything)\b|\W*$)",
        r"\b(?:last time i|lost (?:me as )?a customer|losing a customer|tak(?:e|ing) my (?:business"
        r"|money) elsewhere|switch(?:ing)? to (?:another|a different|your competitor)"
        r"|(?:delete|close|cancel) my account|shop elsewhere|done with (?:you|this shop|fernway)|unsubscrib\w+)\b",
        r"(?:再也不|不会再|以后不|绝不再|再不).{0,10}?(?:买|来|光顾|下单|信)|去别家|换别家|注销(?:账号|账户|会员)|最后一次(?:买|在|光顾)|卸载|拉黑|失去(?:我|一个)(?:这个)?(?:顾客|客户)",
    ),
}  # fmt: skip
_DENIED = re.compile(
    r"(?:\b(?:not|no|never|nobody|no one|without|isn't|wasn't|don't|didn't|haven't|hasn't|won't|nothing)\b(?:\W+\w+){0,3}\W*"
    r"|(?:没有?|不会|不用|不想|不打算|无需|并未|未|不是|无人|没人|别)(?:人|要|去|被|任何|发生|造成|找|想)*)$",
    re.IGNORECASE,
)
_HYPOTHETICAL = re.compile(
    r"\b(?:is (?:it|there)|are there|can|could|would|does|do|will (?:it|the|this)|how (?:do|can) i (?:avoid|prevent))\b[^.!?]*$"
    r"|(?:会不会|会|是否|有没有|怎么(?:避免|防止)|如何(?:避免|防止))[^。！？]{0,10}$",
    re.IGNORECASE,
)
_ASKS = re.compile(r"[?？]|吗|呢")


def topics(text: str) -> tuple[str, ...]:
    """Risky topics that ``text`` raises, not those it denies or only asks about beforehand."""
    found: list[str] = []
    for topic, patterns in _TOPICS.items():
        for pattern in patterns:
            if any(_raised(text, match, topic) for match in re.finditer(pattern, text, re.IGNORECASE)):
                found.append(topic)
                break
    return tuple(found)


def _raised(text: str, match: re.Match[str], topic: str) -> bool:
    start = max(
        (m.end() for m in re.finditer(r"[.!?。！？;；\n]|,\s|，|\bbut\b|但", text[: match.start()])),
        default=0,
    )
    before = text[start : match.start()]
    if topic != "leaving" and _DENIED.search(before):
        return False
    if topic in ("safety", "injury"):
        end = re.search(r"[.!?。！？\n]", text[match.end() :])
        rest = text[match.end() : match.end() + end.end()] if end else text[match.end() :]
        # "Can it overheat?" asks; "It overheated, can I return it?" tells.
        return not (_HYPOTHETICAL.search(before) and _ASKS.search(rest))
    return True
