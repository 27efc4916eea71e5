"""What kind of answer a question wants, and whether a text holds one of that kind.

"How heavy is it" is answered by a weight. A sentence about the same thing without any weight
is no answer, however similar it is. (Li and Roth, "Learning Question Classifiers", 2002, call
these the answer types; the quantities of shops are few enough for patterns.)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

Sort = Literal[
    "weight", "length", "duration", "amount", "volume", "heat", "power", "count", "colour", "place"
]


def _compiled(patterns: Mapping[Sort, str]) -> dict[Sort, re.Pattern[str]]:
    return {sort: re.compile(pattern, re.IGNORECASE) for sort, pattern in patterns.items()}


_ASKED = _compiled(
    {
        "weight": r"\bheav(?:y|ier)|\bweigh|\bhow many (?:kilos?|kgs?|grams?|pounds?|lbs?|ounces?|oz)\b|\bhow light\b"
        r"|多重|重量|几斤|几公斤|多少(?:克|公斤|千克|斤|g|kg)|[轻重]多少",
        "length": r"\bhow (?:long (?:is|are)|tall|wide|big|large|high|thick|deep|far|small)\b|\bdimensions?\b|\bmeasure"
        r"|\bdiameter|\bheight|\bwidth|\bdepth|\bhow many (?:cm|centimet|inch|met|feet)|\bwhat (?:is the )?sizes?\b"
        r"|\bthe size\b|多长(?!时间)|多高|多宽|多大|多厚|多深|尺寸|大小|直径|多少(?:厘米|毫米|米|cm)",
        "duration": r"\bhow (?:long|soon|fast|quick|often|many (?:\w+ )?(?:days?|weeks?|months?|years?|hours?|minutes?))\b"
        r"|\b(?:until|by|since) when\b|\bwhen\b|\bdeadline|\bwhat time\b|\bexpir|\bperiod\b"
        r"|多久|多长时间|[几多]少?个?(?:天|小时|工作日|个月|月|年|周|星期|分钟|点)|什么时候|何时|期限|几号|保质期",
        "amount": r"\b(?:cost|price|fee|fees|charged?|free|expensive|cheaper|pay|surcharge)\b"
        r"|\bhow much (?:is|are|for|do i|will i|would)\b|多少钱|几块|几欧|运费|费用|收费|花钱|要钱|免费|付钱|贵|邮费|价",
        "volume": r"\bcapacity|\bvolume\b|\bhow many (?:ml|lit|gallon|cups?|quart)|\bhold\b|容量|几升|多少(?:毫升|升|ml)",
        "heat": r"\bdegrees?\b|\btemperature|\bhow (?:hot|cold|warm)\b|几度|多少度|温度|度数",
        "power": r"\bwatt|\bvolt|\bamps?\b|\bmah\b|\blumen|\bhow bright|\bbattery|电池|几瓦|瓦数|流明|毫安|电压|多亮",
        "count": r"\bhow many\b|\bnumber of\b|几[个件次种只条双片颗块根把]|多少[个件次种只条双片颗块根把]",
        "colour": r"\bcolou?rs?\b|颜色|什么色|哪些色",
        "place": r"\bwhere\b|\bwhich (?:country|countries|address)\b|\baddress\b|哪里|哪儿|在哪|哪个国家|哪国|地址|哪些国家",
    }
)
_HELD = _compiled(
    {
        "weight": r"\d ?(?:kgs?|g|grams?|kilos?|kilograms?|lbs?|pounds?|oz|ounces?)\b|\bweighs?\b|\d ?(?:克|公斤|千克|斤)",
        "length": r"\d ?(?:cm|mm|m|km|in|inch|inches|ft|feet|foot|met(?:re|er)s?|['\"”])(?![a-z])|\d ?[x×] ?\d"
        r"|\d ?(?:厘米|毫米|米|公分|寸)",
        "duration": r"(?:\d|\b(?:one|two|three|four|five|six|seven|ten|a|an|few|several)) ?-?(?:business |working |calendar )?"
        r"(?:days?|weeks?|months?|years?|yrs?|hours?|hrs?|h|minutes?|mins?|seconds?)\b|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day"
        r"|\d ?(?:am|pm)\b|\b\d{1,2}:\d\d\b|[\d一二两三四五六七八九十半] ?个?(?:天|小时|工作日|月|年|周|星期|分钟|点|日)|终身|lifetime",
        "amount": r"(?:€|\$|£|¥|EUR|USD) ?\d|\d ?(?:€|eur|euros?|usd|dollars?|yuan|%)|\bfree\b|\bno (?:charge|fee|cost)"
        r"|\d ?(?:欧|元|块|美元)|免费|不收费|不收",
        "volume": r"\d ?(?:ml|l|lit(?:re|er)s?|gal|gallons?|cups?|quarts?|fl)\b|\d ?(?:毫升|升)",
        "heat": r"\d ?(?:°|degrees?|℃|度)",
        "power": r"\d ?(?:w|watts?|v|volts?|a|amps?|mah|wh|lm|lumens?|lux)\b|\bbatter|\d ?(?:瓦|伏|流明|毫安)|电池",
        "count": r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|pair|single|both)\b|[一二两三四五六七八九十][个件次种只条双片颗块根把]",
        "colour": r"\b(?:black|white|red|blue|green|gr[ae]y|brown|pink|purple|yellow|orange|silver|gold|beige|navy|tan|cream)\b"
        r"|[黑白红蓝绿灰棕粉紫黄橙银金米][色白灰蓝绿]?",
        "place": r"\b(?:germany|france|austria|china|usa|america|europe|eu|switzerland|country|countries|address|street|warehouse|made in)\b"
        r"|国家|地址|仓库|欧盟|[德法英美中奥瑞]国|大陆|产于|产自",
    }
)


def sorts(question: str) -> frozenset[Sort]:
    """The sorts of answer that would do; empty when the words do not tell."""
    found = {sort for sort, pattern in _ASKED.items() if pattern.search(question)}
    if "count" in found and len(found) > 1:
        found.discard("count")  # "how many days" wants a duration
    if "weight" in found:
        found.discard("amount")  # "how much does it weigh"
    return frozenset(found)


def holds(text: str, wanted: frozenset[Sort]) -> bool:
    """Whether a text has an answer of one of these sorts."""
    return any(_HELD[sort].search(text) for sort in wanted)
