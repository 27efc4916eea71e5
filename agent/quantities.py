"""Figures in text, in one form: amounts, durations, measures, dates, times, codes.

``1,000`` equals ``1000``, ``三十天`` equals ``30 days`` and ``30-day``, ``2-4`` equals ``2 to 4``.
Units are compared as kinds with a factor, so that ``1 year`` equals ``12 months``; a business
day stays another thing than a day. Spans refer to the text as given to :func:`figures`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Literal

Bound = Literal["", "min", "max"]
"""``min``: "from", "at least", "over"; ``max``: "up to", "within", "under"."""


@dataclass(frozen=True)
class Quantity:
    """A number with its unit kind.

    Attributes:
        low: The value, or the lower end of a range, in the kind's base unit.
        high: The upper end; equals ``low`` for a single value.
        unit: Kind such as ``EUR``, ``percent``, ``day``, ``business day``; empty for a bare number.
        bound: Whether the text makes it a minimum or a maximum.
    """

    low: Decimal
    high: Decimal
    unit: str
    bound: Bound
    start: int
    end: int

    @property
    def is_range(self) -> bool:
        """Whether it has two ends."""
        return self.low != self.high


@dataclass(frozen=True)
class Date:
    """A calendar day or month; parts the text leaves out are ``None``."""

    year: int | None
    month: int
    day: int | None
    start: int
    end: int

    def agrees(self, other: Date) -> bool:
        """Whether every part of this date is stated by ``other``, and the same."""
        pairs = ((self.year, other.year), (self.month, other.month), (self.day, other.day))
        return all(mine is None or mine == theirs for mine, theirs in pairs)


@dataclass(frozen=True)
class Figures:
    """Every figure of a text. ``codes`` are order numbers, SKUs, e-mails, long digit runs."""

    quantities: tuple[Quantity, ...] = ()
    dates: tuple[Date, ...] = ()
    times: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()


_SMALL: tuple[str, ...] = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
)
_SMALL += ("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {word: value for value, word in enumerate(_SMALL)}
_WORDS |= {word: 20 + 10 * place for place, word in enumerate(_TENS)}
_HAN = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_HAN_PLACES = {"十": 10, "百": 100, "千": 1000}

# Base unit and factor by spelling. The longest spelling wins.
_UNITS: dict[str, tuple[str, Decimal]] = {}
for _kind, _factor, _spellings in (
    ("EUR", "1", "euros|euro|eur|€|欧元"),
    ("USD", "1", "dollars|dollar|usd|us$|$|美元|美金"),
    ("GBP", "1", "pounds sterling|gbp|£|英镑"),
    ("CNY", "1", "yuan|rmb|cny|¥|人民币|元|块钱|块"),
    ("percent", "1", "per cent|percent|%|个百分点"),
    ("second", "1", "seconds|second|secs|sec|秒钟|秒"),
    ("minute", "1", "minutes|minute|mins|min|分钟"),
    ("minute", "60", "hours|hour|hrs|hr|h|个小时|小时|个钟头"),
    ("day", "1", "calendar days|calendar day|days|day|个自然日|自然日|天|日"),
    ("business day", "1", "business days|business day|working days|working day|workdays|workday"),
    ("business day", "1", "个工作日|工作日|个工作天|工作天"),
    ("day", "7", "weeks|week|个星期|星期|个礼拜|礼拜|周"),
    ("month", "1", "months|month|个月|月"),
    ("month", "12", "years|year|yrs|yr|年"),
    ("millimetre", "1", "millimetres|millimeters|millimetre|millimeter|mm|毫米"),
    ("millimetre", "10", "centimetres|centimeters|centimetre|centimeter|cm|厘米|公分"),
    ("millimetre", "1000", "metres|meters|metre|meter|m|米"),
    ("millimetre", "1000000", "kilometres|kilometers|kilometre|kilometer|km|公里|千米"),
    ("inch", "1", "inches|inch|英寸"),
    ("inch", "12", "feet|foot|ft|英尺"),
    ("gram", "1", "grammes|grams|gram|g|克"),
    ("gram", "1000", "kilograms|kilogram|kilos|kilo|kgs|kg|千克|公斤"),
    ("gram", "500", "斤"),
    ("ounce", "1", "ounces|ounce|oz|盎司"),
    ("ounce", "16", "lbs|lb"),
    ("millilitre", "1", "millilitres|milliliters|millilitre|milliliter|ml|毫升"),
    ("millilitre", "1000", "litres|liters|litre|liter|l|升"),
    ("celsius", "1", "degrees celsius|degrees c|°c|℃|摄氏度|degrees|degree|度"),
    ("fahrenheit", "1", "degrees fahrenheit|°f|℉|华氏度"),
    ("watt", "1", "watts|watt|w|瓦"),
    ("watt hour", "1", "wh|瓦时"),
    ("milliampere hour", "1", "mah|毫安时|毫安"),
    ("volt", "1", "volts|volt|v|伏"),
    ("lumen", "1", "lumens|lumen|lm|流明"),
    ("denier", "1", "denier"),
    ("person", "1", "persons|person|people|人"),
    ("pair", "1", "pairs|pair|双"),
    ("time", "1", "times|次"),
    ("tenth of the price", "1", "折"),
    ("star", "1", "stars|star|星"),
    (
        "",
        "1",
        "items|item|pieces|piece|pcs|件|个|条|顶|位|张|根|层|款|种|只|把|本|套|盒|瓶|罐|支|袋|箱|卷"
        "|片|枚|副|台|份|名|家|组|节|项|档|道",
    ),
):
    for _spelling in _spellings.split("|"):
        _UNITS[_spelling] = (_kind, Decimal(_factor))

_LATIN_UNITS = sorted((u for u in _UNITS if u[-1].isascii() and u[-1].isalpha()), key=len, reverse=True)
_OTHER_UNITS = sorted((u for u in _UNITS if u not in _LATIN_UNITS), key=len, reverse=True)
_UNIT = (
    "(?:(?:" + "|".join(map(re.escape, _LATIN_UNITS)) + r")(?![A-Za-z])"
    "|" + "|".join(map(re.escape, _OTHER_UNITS)) + ")"
)
_DIGITS = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_WORD_NUMBER = (
    "(?:(?:"
    + "|".join(_SMALL[1:13])
    + ") (?:hundred|thousand)|(?:"
    + "|".join(_TENS)
    + ")(?:[- ](?:"
    + "|".join(_SMALL[1:10])
    + "))?|a hundred|one hundred|"
    "(?:" + "|".join(sorted(_SMALL, key=len, reverse=True)) + "))(?![A-Za-z])"
)
_HAN_NUMBER = "[零〇一二两三四五六七八九十百千半]+"
_NUMBER = rf"(?:{_DIGITS}|(?<![A-Za-z]){_WORD_NUMBER}|{_HAN_NUMBER})"
_CURRENCY = r"(?:us\$|eur|usd|gbp|cny|rmb|€|\$|£|¥)"
_TO = r"\s*(?:-|–|—|−|~|～|to|and|bis|至|到|或者|或|or)\s*"
# A Han character may stand right before a figure, so `\w` will not do as its border.
_QUANTITY = re.compile(
    rf"(?<![A-Za-z0-9_.])(?P<before>{_CURRENCY}\)?\s?:?\s*)?(?P<minus>(?<![A-Za-z0-9_)\u4e00-\u9fff])[-−–]"
    rf"|零下)?(?P<low>{_NUMBER})(?:[\s-]{{0,2}}(?P<unit1>{_UNIT}))?"
    rf"(?:(?P<to>{_TO})(?P<before2>{_CURRENCY}\s?)?(?P<minus2>[-−–]"
    rf"|零下)?(?P<high>{_NUMBER})(?:[\s-]{{0,2}}(?P<unit2>{_UNIT}))?)?",
    re.IGNORECASE,
)
_ARTICLE = re.compile(
    r"\b(?:within|for|after|in|takes|under|over)\s+(an?)\s+(?=(?:business |working )?(?:year|month|week|day"
    r"|hour|minute)\b)",
    re.IGNORECASE,
)
_PERCENT_HAN = re.compile(rf"百分之(?P<value>{_DIGITS}|[零一二三四五六七八九十百]+)")

_MONTHS: tuple[str, ...] = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
)
_MONTHS += ("november", "december")
_MONTH = "|".join([*_MONTHS, *(m[:3] for m in _MONTHS), "sept"])
_DATES = (
    re.compile(r"(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})(?:T[\d:]+Z?)?"),
    re.compile(r"(?P<y>\d{4})[/.](?P<m>\d{1,2})[/.](?P<d>\d{1,2})"),
    re.compile(r"(?:(?P<y>\d{4})\s*年\s*)?(?P<m>\d{1,2})\s*月(?!份?内)\s*(?:(?P<d>\d{1,2})\s*[日号]|份)?"),
    re.compile(
        rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<mon>{_MONTH})\b\.?(?:,?\s+(?P<y>\d{{4}})\b)?",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b(?P<mon>{_MONTH})\b\.?\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\b(?!\d|:)(?:,?\s+(?P<y>\d{{4}})\b)?",
        re.IGNORECASE,
    ),
    re.compile(rf"\b(?P<mon>{_MONTH})\b\.?\s+(?P<y>\d{{4}})\b", re.IGNORECASE),
)
_CLOCK = re.compile(
    r"(?P<pre>上午|下午|晚上|晚|早上|凌晨|中午)?\s*(?<![\d:])(?P<h>\d{1,2})"
    r"(?:(?::|：)(?P<min>\d{2})(?!\d)(?:\s*(?P<ap>[ap])\.?m\b\.?)?|\s*(?P<ap2>[ap])\.?m\b\.?"
    r"|\s*点(?!\d)(?:(?P<half>半)|(?P<min2>\d{1,2})分?)?)",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|https?://\S+|www\.\S+|[\w-]+\.(?:com|net|org|example|cn|de)\b", re.ASCII
)
_PHONE = re.compile(r"\+\d[\d ()-]{6,}\d|\b\d{3,4}-\d{3,4}-\d{3,4}\b")
_CODE = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z-]*\d)[A-Za-z]+[A-Za-z0-9]*(?:-[A-Za-z0-9]+)*(?![A-Za-z0-9])")
_LONG = re.compile(r"(?<![\d.,])\d{6,}(?![\d.,]\d)")

_MIN_BEFORE = re.compile(
    r"(?:at least|from|over|above|more than|minimum(?: of)?|min\.?|exceed(?:s|ing)?|no less than"
    r"|not less than"
    r"|starting at|starts at|after|至少|不少于|不低于|最少|超过|高于|满|起码)\s*(?:the\s)?(?:人民币)?\s*\Z",
    re.IGNORECASE,
)
_MAX_BEFORE = re.compile(
    r"(?:up to|at most|within|under|below|less than|maximum(?: of)?|max\.?|no more than|not more than"
    r"|no later than|by|最多|至多|不超过|不高于|低于|少于|不到|最长|最晚)\s*(?:the\s)?(?:人民币)?\s*\Z",
    re.IGNORECASE,
)
_MIN_AFTER = re.compile(
    r"\s*(?:or more|or above|and above|and over|and more|or over|以上|之后|以后|后|起|\+)", re.IGNORECASE
)
_MAX_AFTER = re.compile(
    r"\s*(?:or less|or fewer|or under|and under|以内|之内|以下|内(?!置|帐|部|衬|胆|层))", re.IGNORECASE
)


def parse_number(text: str) -> Decimal | None:
    """The value of digits, an English number word or a Chinese numeral; ``None`` for other text."""
    word = text.strip().lower()
    try:
        return Decimal(word.replace(",", ""))
    except InvalidOperation:
        pass
    if (big := re.fullmatch(r"(\w+) (hundred|thousand)", word)) is not None:
        return Decimal(_WORDS.get(big[1], 1) * (100 if big[2] == "hundred" else 1000))
    if word == "半":
        return Decimal("0.5")
    parts = re.split(r"[- ]", word)
    if all(part in _WORDS for part in parts):
        return Decimal(sum(_WORDS[part] for part in parts))
    return _han_number(word)


def _han_number(text: str) -> Decimal | None:
    total, digit = 0, None
    if not text or any(char not in _HAN and char not in _HAN_PLACES for char in text):
        return None
    if not any(char in _HAN_PLACES for char in text):
        # 二零二六: digit by digit.
        return Decimal("".join(str(_HAN[char]) for char in text))
    for char in text:
        if char in _HAN:
            digit = _HAN[char]
        else:
            total += (1 if digit is None else digit) * _HAN_PLACES[char]
            digit = None
    return Decimal(total + (digit or 0))


def _blank(text: str, start: int, end: int) -> str:
    return text[:start] + "\0" * (end - start) + text[end:]


def _bound(text: str, start: int, end: int) -> Bound:
    before = text[max(0, start - 24) : start]
    after = text[end : end + 12]
    if _MIN_BEFORE.search(before) or _MIN_AFTER.match(after):
        return "min"
    if _MAX_BEFORE.search(before) or _MAX_AFTER.match(after):
        return "max"
    return ""


def _dates(text: str) -> tuple[list[Date], str]:
    found: list[Date] = []
    for pattern in _DATES:
        for match in pattern.finditer(text):
            parts = match.groupdict()
            if parts.get("mon"):
                month = [m[:3] for m in _MONTHS].index(parts["mon"][:3].lower()) + 1
                # "may 3" is a date, "may return" is not: the pattern already asks for a number.
            else:
                month = int(parts["m"])
            day = int(parts["d"]) if parts.get("d") else None
            year = int(parts["y"]) if parts.get("y") else None
            if not 1 <= month <= 12 or (day is not None and not 1 <= day <= 31):
                continue
            found.append(Date(year, month, day, match.start(), match.end()))
            text = _blank(text, match.start(), match.end())
    return found, text


def _times(text: str) -> tuple[list[str], str]:
    found: list[str] = []
    for match in _CLOCK.finditer(text):
        hour = int(match["h"])
        minute = 30 if match["half"] else int(match["min"] or match["min2"] or 0)
        mark = (match["ap"] or match["ap2"] or "").lower()
        late = mark == "p" or match["pre"] in ("下午", "晚上", "晚")
        if late and hour < 12:
            hour += 12
        elif mark == "a" and hour == 12:
            hour = 0
        if hour > 24 or minute > 59:
            continue
        found.append(f"{hour:02d}:{minute:02d}")
        text = _blank(text, match.start(), match.end())
    return found, text


def _codes(text: str) -> tuple[list[str], str]:
    found: list[str] = []
    for pattern in (_ADDRESS, _PHONE, _CODE, _LONG):
        for match in pattern.finditer(text):
            token = match.group().rstrip(".,;")
            if pattern is _CODE and re.fullmatch(rf"{_CURRENCY}\d+", token, re.IGNORECASE):
                continue
            found.append(re.sub(r"[\s()]", "", token).lower())
            text = _blank(text, match.start(), match.end())
    return found, text


def _convert(raw: str, unit: str | None, *, negative: bool) -> tuple[Decimal, str] | None:
    value = parse_number(raw)
    if value is None:
        return None
    kind, factor = _UNITS[unit.lower()] if unit else ("", Decimal(1))
    # Only temperatures go below zero here; elsewhere the sign is a dash.
    sign = -1 if negative and kind in ("celsius", "fahrenheit") else 1
    return sign * value * factor, kind


def _usable(raw: str, unit: str | None) -> bool:
    """A lone 一 or "one" is seldom a count: words below two need a unit, Chinese ones always."""
    if raw[0].isdigit():
        return True
    if raw[0].isascii():
        return bool(unit) or raw.lower() not in ("one", "zero")
    if not unit:
        return False
    return raw != "一" or unit == "件" or _UNITS[unit.lower()][0] not in ("", "time", "person")


def _quantities(text: str) -> list[Quantity]:
    text = _PERCENT_HAN.sub(lambda m: f"{m['value']}%".ljust(len(m.group())), text)
    text = _ARTICLE.sub(lambda m: m.group().replace(f" {m[1]} ", " 1" + " " * len(m[1]), 1), text)
    found: list[Quantity] = []
    at = 0
    while match := _QUANTITY.search(text, at):
        low, high, end = match["low"], match["high"], match.end()
        unit1 = match["unit1"] or (match["before"] or "").strip(" :)").lower() or None
        unit2 = match["unit2"] or (match["before2"] or "").strip().lower() or None
        joined = bool(high) and _usable(high, unit2 or unit1)
        if joined and re.fullmatch(r"\s*(?:and|or|或|或者)\s*", match["to"], re.IGNORECASE):
            # "2 and 4 days" is a range only after "between"; otherwise two figures.
            joined = text[max(0, match.start() - 9) : match.start()].lower().endswith("between ")
        if high and not joined:
            end = match.end("unit1") if match["unit1"] else match.end("low")
        at = max(end, match.start() + 1)
        unit = (unit2 or unit1) if joined else unit1
        if not _usable(low, unit):
            continue
        first = _convert(low, unit1 or unit, negative=bool(match["minus"]))
        second = _convert(high, unit, negative=bool(match["minus2"])) if joined else first
        if first is None or second is None:
            continue
        if first[1] != second[1] or second[0] < first[0]:
            second = first
            at = match.end("unit1") if match["unit1"] else match.end("low")
        found.append(
            Quantity(first[0], second[0], second[1], _bound(text, match.start(), end), match.start(), end)
        )
    return _share_units(text, found)


def _share_units(text: str, found: list[Quantity]) -> list[Quantity]:
    """``600 / 250 / 80 lm`` states three brightnesses: the last unit goes for all."""
    for at in range(len(found) - 2, -1, -1):
        this, following = found[at], found[at + 1]
        if not this.unit and re.fullmatch(r"\s*/\s*", text[this.end : following.start]):
            raw = parse_number(re.sub(r"[^\d.]", "", text[following.start : following.end]))
            factor = following.low / raw if raw else Decimal(1)
            found[at] = replace(this, low=this.low * factor, high=this.high * factor, unit=following.unit)
    return found


def figures(text: str) -> Figures:
    """Every figure of ``text``. Wide digits and full-width signs count like narrow ones."""
    text = text.translate(_NARROW)
    # Dates go first (2026-03-01 is not a range), then codes, so that FW-104233 is not a number.
    dates, rest = _dates(text)
    codes, rest = _codes(rest)
    times, rest = _times(rest)
    return Figures(tuple(_quantities(rest)), tuple(dates), tuple(times), tuple(codes))


# One character to one character, so that spans stay true.
_NARROW = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)} | {0x3000: 0x20, 0xFFE5: 0xA5, 0xA0: 0x20}
