"""An address in a message, and the parts of it that are certain.

Western addresses are read from their commas and lines, Chinese ones from their own signs (省, 市, 区, 号).
A part that is not certain is left out, and then asked for.
"""

from __future__ import annotations

import re

_COUNTRIES = {
    "germany": "Germany", "deutschland": "Germany", "austria": "Austria", "switzerland": "Switzerland",
    "france": "France", "italy": "Italy", "spain": "Spain", "portugal": "Portugal", "netherlands": "Netherlands",
    "the netherlands": "Netherlands", "belgium": "Belgium", "luxembourg": "Luxembourg", "denmark": "Denmark",
    "sweden": "Sweden", "norway": "Norway", "finland": "Finland", "iceland": "Iceland", "ireland": "Ireland",
    "poland": "Poland", "czechia": "Czechia", "czech republic": "Czechia", "hungary": "Hungary", "greece": "Greece",
    "united kingdom": "United Kingdom", "uk": "United Kingdom", "great britain": "United Kingdom",
    "england": "United Kingdom", "scotland": "United Kingdom", "wales": "United Kingdom",
    "united states": "United States", "usa": "United States", "us": "United States", "canada": "Canada",
    "australia": "Australia", "new zealand": "New Zealand", "japan": "Japan", "china": "China",
    "mainland china": "China", "hong kong": "Hong Kong", "taiwan": "Taiwan", "singapore": "Singapore",
    "south korea": "South Korea",
    "德国": "德国", "奥地利": "奥地利", "瑞士": "瑞士", "法国": "法国", "意大利": "意大利", "西班牙": "西班牙",
    "荷兰": "荷兰", "比利时": "比利时", "丹麦": "丹麦", "瑞典": "瑞典", "挪威": "挪威", "英国": "英国",
    "美国": "美国", "加拿大": "加拿大", "澳大利亚": "澳大利亚", "日本": "日本", "韩国": "韩国", "新加坡": "新加坡",
    "中国": "中国", "波兰": "波兰", "芬兰": "芬兰",
}  # fmt: skip
_ADDRESS_START = re.compile(
    r"(?:\b(?:change|update|correct|set)\b[^\n]{0,60}?\baddress\b[^\n]{0,30}?\b(?:to|is)\b\s*:?"
    r"|\b(?:change|update|correct|set|switch) (?:it|this|that) to\b\s*:?"
    r"|\bnew (?:delivery |shipping )?address(?: is)?\s*:?"
    r"|\b(?:deliver|ship|send|redirect)\b[^\n]{0,40}?\bto\b\s*:?|\baddress\s*(?:is)?\s*:"
    r"|(?:改成|改为|改到|换成|寄到|送到|寄往|改寄(?:到)?|更改为|变更为|地址\s*[:：]?\s*(?:是|为|改成|改为"
    r"|改到|换成|更改为|变更为|修改为)?)\s*[:：]?)\s*",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"\s*(?:instead|please|pls|thanks?|thank you|谢谢|可以吗|行吗|吧|好吗)[\s.!,，。！?？]*$", re.IGNORECASE
)

_UNIT = re.compile(
    r"(?:apt|apartment|suite|ste|unit|flat|room|rm|floor|fl|building|bldg|box|lot|app|int|etg|wohnung|top)\b\.?"
    r"\s*#?\s*[\w/-]{1,6}|#\s?\w{1,6}|\d{1,2}(?:st|nd|rd|th) floor"
    r"|\d{1,2}\.?[ºª°](?: \w{1,6})?",
    re.IGNORECASE,
)
"""A flat within a house: a second line, never the street."""
_STATES = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|ND|OH"
    "|OK|OR|PA|RI|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY|DC|PR|AB|BC|MB|NB|NL|NS|NT|NU|ON|PE|QC|SK|YT|NSW|VIC|QLD"
    "|TAS|ACT"
)
"""Of the United States, Canada and Australia, as they are written before a postal code."""
_STATE_AND_CODE = re.compile(
    rf"\b(?P<region>{_STATES})\.?\s+(?P<code>\d{{5}}(?:-\d{{4}})?|\d{{4}}|[A-Z]\d[A-Z]\s?\d[A-Z]\d)\Z"
)
_STATE = re.compile(rf"(?:{_STATES})\.?")
_POSTAL = (
    _STATE_AND_CODE,
    re.compile(r"\b(?P<code>[A-Z]{1,2}\d[A-Z\d]?\s?\d[A-Z]{2})\b"),
    re.compile(r"\b(?P<code>[A-Z]\d[\dW]\s?[A-Z\d]{4})\b"),
    re.compile(r"\b(?P<code>\d{4}-\d{3})\b"),
    re.compile(r"\b(?P<code>\d{4}\s?[A-Z]{2})\b"),
    re.compile(r"\b(?P<code>(?:[A-Z]-)?\d{5,6}(?:-\d{4})?)\b"),
    re.compile(r"\b(?P<code>\d{4})\b(?=\s+[A-Z])"),
    re.compile(r"\b(?P<code>[A-Z]\d[A-Z]\s?\d[A-Z]\d)\b"),
    re.compile(r"(?<=[^\W\d] )(?P<code>\d{4})\Z"),
)
_STREET = re.compile(r"\d+\s?[a-zA-Z]?\s+[^\W\d]{2,}|[^\W\d]{3,}\.?\s+\d+\s?[a-zA-Z]?\b")
_STREET_END = re.compile(
    r"\b(?:street|st|avenue|ave|road|rd|lane|ln|drive|dr|boulevard|blvd|court|ct|square|sq|place|pl|terrace|way"
    r"|crescent|close|highway|hwy|parkway|pkwy|grove|gardens|row|quay|walk|hill)\.?\Z",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?!(?:my|our|his|her|their|the) )[^\W\d][\w.'’ -]{2,50}", re.IGNORECASE)
_HAN_CITY = re.compile(
    r"(?P<region>[\u4e00-\u9fff]{2,7}?(?:省|自治区))?\s*(?P<city>[\u4e00-\u9fff]{2,5}?(?:市|自治州|地区))\s*"
    r"(?P<rest>[\u4e00-\u9fff]{1,8}?(?:区|县|市|镇)?.*)"
)
_HAN_NAME = re.compile(r"(?:收件人|收货人|联系人|姓名)\s*[:：是为]?\s*(?P<name>[\u4e00-\u9fffA-Za-z·]{2,20})")
_HAN_POST = re.compile(r"(?:邮编|邮政编码)\s*[:：是]?\s*(?P<code>\d{5,6})|(?<!\d)(?P<bare>\d{6})(?!\d)")


def address(text: str) -> dict[str, str]:
    """An address in the message: ``address`` as written, and the parts that are certain.

    Keys as the change of address takes them: recipient, line1, line2, city, region, postal_code,
    country. Empty when nothing looks like an address.
    """
    starts = list(_ADDRESS_START.finditer(text))
    # The longest stretch after a lead-in that looks like one; without a lead-in the whole text.
    for body in [text[match.end() :] for match in starts] + [text]:
        written = _TAIL.sub("", body.strip(" \n:：,，。.")).strip(" \n,，。.")
        found = (
            _han_address(written) if re.search("[\u4e00-\u9fff]{4,}", written) else _latin_address(written)
        )
        if found:
            return {"address": written} | found
    return {}


def _latin_address(text: str) -> dict[str, str]:
    parts = [part.strip(" .") for part in re.split(r"[,;\n]+", text) if part.strip(" .")]
    found: dict[str, str] = {}
    if parts and parts[-1].lower() in _COUNTRIES:
        found["country"] = _COUNTRIES[parts.pop().lower()]
    street = next((n for n, part in enumerate(parts) if _is_street(part)), None)
    if street is None or len(parts[street]) > 60:
        return {}
    found["line1"] = parts[street]
    place, town = _town(parts, street)
    found |= place
    if "postal_code" not in found and "country" not in found and len(parts) < 2:
        return {}
    before = parts[:street]
    units = [before.pop()] if before and _UNIT.fullmatch(before[-1]) else []
    if second := ", ".join([*units, *parts[street + 1 : town]]):
        found["line2"] = second
    if len(before) == 1 and _NAME.fullmatch(before[0]) and len(before[0].split()) in (2, 3, 4):
        found["recipient"] = before[0]
    return found


def _is_street(part: str) -> bool:
    """A name with a number; ``10115 Berlin`` and ``Flat 2`` look like that and are none."""
    if not _STREET.search(part) or _UNIT.fullmatch(part) or _STATE_AND_CODE.search(part):
        return False
    match = _postal(part)
    leads = match is not None and match.start() == 0 and len(match["code"]) >= 4 and len(part.split()) <= 3
    return not leads or _STREET_END.search(part) is not None


def _town(parts: list[str], street: int) -> tuple[dict[str, str], int]:
    """City, region and postal code, and where the town begins: what stands before it is of the street."""
    others = (n for n in range(len(parts)) if n != street)
    at, match = next(((n, found) for n in others if (found := _postal(parts[n])) is not None), (None, None))
    if at is None or match is None:
        rest = (n for n in range(street + 1, len(parts)) if not _UNIT.fullmatch(parts[n]))
        town = next(rest, len(parts))
        return ({"city": parts[town]} if town < len(parts) else {}), town
    place = {"region": match.groupdict().get("region", ""), "postal_code": match["code"]}
    city = (parts[at][: match.start()] + parts[at][match.end() :]).strip(" -,")
    if not city and at - 1 > street and not place["region"] and _STATE.fullmatch(parts[at - 1]):
        at -= 1
        place["region"] = parts[at].rstrip(".")
    if not city and at - 1 > street:
        at -= 1
        city = parts[at]
    if not re.search(r"\d", city):
        place["city"] = city
    return {part: value for part, value in place.items() if value}, max(at, street + 1)


def _postal(part: str) -> re.Match[str] | None:
    return next((match for pattern in _POSTAL if (match := pattern.search(part)) is not None), None)


def _han_address(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    if (match := _HAN_POST.search(text)) is not None:
        found["postal_code"] = match["code"] or match["bare"]
        text = text[: match.start()] + "，" + text[match.end() :]
    if (match := _HAN_NAME.search(text)) is not None:
        found["recipient"] = match["name"]
        text = text[: match.start()] + "，" + text[match.end() :]
    text = re.sub(r"(?:电话|手机)?\s*[:：]?\s*1\d{10}", "，", text)
    for name, country in _COUNTRIES.items():
        if text.startswith(name):
            found["country"] = country
            text = text[len(name) :].lstrip(" ，,")
            break
    place = _HAN_CITY.search(text)
    if place is None:
        return {}
    line = re.split(r"[，,。；;\n]", place["rest"].strip())[0].strip()
    if not re.search(r"[路街道巷弄号村镇园楼栋苑座]|\d", line):
        return {}
    if place["region"]:
        found["region"] = place["region"]
    return found | {"city": place["city"], "line1": line}
