"""Words that promise much: a source must have them too."""

from __future__ import annotations

import re

# Words that promise much: the source must have one of the same group.
TERMS: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<![-\w])(?<!feel )free\b(?!-)|complimentary|免费|包邮|免邮|免运费",
        r"\blifetime\b|\bforever\b|\bpermanent|终身|永久|终生",
        r"\bunlimited\b|无限",
        r"\bfull(?:y)? (?:refund|amount|price|reimburse)|\brefund(?:ed)? in full\b|全额|全款",
        r"\btoday\b|今天|今日|当天",
        r"\btomorrow\b|明天|次日|隔天",
        r"\bimmediate|\binstant|right away|straight away|立即|立刻|马上|即时",
        r"\bguarantee|\bpromise|保证|承诺|担保",
        r"\b(?:double|twice|triple)\b|双倍|两倍|三倍|加倍|翻倍",
        r"\bhalf\b|一半|半价",
        r"24/7|round the clock|全天候|24 ?小时(?:在线|服务)",
        r"\bvouchers?\b|\bcoupons?\b|\bgift cards?\b|\bstore credit\b|优惠券|代金券|礼品卡|礼券|余额",
        r"\bdiscount|% off|折扣|打折|优惠(?!券)|减价",
        r"\bcompensat|补偿|赔偿|赔付",
        r"\bin cash\b|现金",
        r"\bcard number|\bpassword|\bcvv\b|卡号|密码",
        r"\bweekends?\b|\bsaturday|\bsunday|周末|周六|周日|星期六|星期日|星期天",
        r"\bholidays?\b|节假日|假期",
        r"\b(?:worldwide|any country|all countries|every country)\b|全球|全世界|世界各地|任何国家",
        r"\bwithout (?:a )?(?:receipt|proof)|无需凭证|无需小票",
        r"\bimport|\bcustoms\b|\bdut(?:y|ies)\b|关税|清关",
    )
)
ADDED = re.compile(
    r"\balso\b|\btoo\b|\bas well\b|\bboth\b|\beither\b|\beven\b|也|都|还|均|同样|就算|不管|无论|不论",
    re.IGNORECASE,
)
"""Words that say of one thing what was said of another."""
EACH = re.compile(r"\beach\b|\bper (?:item|piece)\b|\bevery item\b|每件|每个商品|每一件", re.IGNORECASE)
UNIVERSAL = re.compile(
    r"\ball\b(?! you\b)|\bevery\b(?! other)|\balways\b|\bany ?time\b|所有|一律|全部|任何|任意|随时|总是",
    re.IGNORECASE,
)
