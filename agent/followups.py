"""The question a message asks, made to stand alone for retrieval."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from agent.slots import EMAIL
from agent.understanding import Said

_GREETING = re.compile(
    r"^\W*(?:(?:hi|hello|hey|good (?:morning|afternoon|evening|day)|dear (?:team|sir|madam)|hallo)(?: there"
    r"| team| all)?\b[\s,.!:;–-]*"
    r"|(?:您好|你好|亲|嗨|哈喽|早上好|下午好|晚上好|请问一下|请问|问一下|想问一下"
    r"|在吗)[\s,，.。!！:：~～呀啊]*)+",
    re.IGNORECASE,
)
_COURTESY = re.compile(
    r"(?:[,.!\s]|\b)(?:please|pls|plz|thank you(?: (?:so|very) much)?|thanks(?: in advance| a lot)?|thx"
    r"|cheers)[\s.!,]*$"
    r"|[,，。！!\s]*(?:谢谢(?:你|您|啦|了)?|多谢|麻烦(?:你|您)?(?:了)?|感谢)[。！!~～\s]*$",
    re.IGNORECASE,
)
_ORDER = re.compile(
    r"(?:\b(?:for|of|in|from|with)\s+)?(?:\b(?:my )?order\s+|订单号?\s?)?\b[A-Z]{2,3}-?\d{6}\b", re.IGNORECASE
)
_POINTS_BACK = re.compile(
    r"\b(?:it|its|it's|they|them|their|that|this|these|those|that one|this one|the other one|one|ones|he"
    r"|she|same|there)\b"
    r"|它|他们|她|这个|那个|这款|那款|这种|那种|这些|那些|这件|那件|这双|那双|其他(?:颜色|尺码)|同款"
    r"|上面|刚才",
    re.IGNORECASE,
)
_OPENS_LIKE_ONE = re.compile(
    r"^\W*(?:and|or|but|what about|how about|what if|in|for|with|why|how so|how come|since when|and if"
    r"|is there|which one)\b"
    r"|^\W*(?:那|那么|还有|如果|要是|为什么|哪个)|呢[?？。!！\s]*$",
    re.IGNORECASE,
)
_LONGEST_EN, _LONGEST_ZH = 9, 16
"""Words, or Han characters, of a message that may lean on an earlier one."""


def clean(text: str) -> str:
    """``text`` without greetings, courtesies, order numbers and e-mail addresses."""
    text = _ORDER.sub(" ", EMAIL.sub(" ", text))
    text = _COURTESY.sub("", _GREETING.sub("", " ".join(text.split())))
    return re.sub(r"\s+([,.!?;:])", r"\1", " ".join(text.split())).strip(" ,，")


def is_follow_up(text: str) -> bool:
    """Whether a message is short and points back ("and for the blue one?", 它防水吗)."""
    han = len(re.findall("[\u4e00-\u9fff]", text))
    words = len(re.findall(r"[A-Za-z0-9'’-]+", text))
    short = han <= _LONGEST_ZH if han else words <= _LONGEST_EN
    return short and bool(_POINTS_BACK.search(text) or _OPENS_LIKE_ONE.search(text))


def standalone(text: str, earlier: Sequence[Said], product_of: Callable[[str], str]) -> str:
    """The question for retrieval.

    A follow-up gets the last product named before it, by either side, else the shopper's last
    question in front; unless it names a product itself.

    Args:
        text: The message.
        earlier: Lines before it, oldest first.
        product_of: Finds the product a line names, or an empty string.
    """
    question = clean(text) or " ".join(text.split())
    if not is_follow_up(question) or product_of(question):
        return question
    for line in reversed(earlier):
        if product := product_of(line.text):
            return f"{product}: {question}"
    for line in reversed(earlier):
        before = clean(line.text)
        if line.who == "shopper" and len(before) > 3:
            return f"{before} {question}" if not is_follow_up(before) else question
    return question
