"""The question a message asks, made to stand alone for retrieval."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from agent.slots import EMAIL
from agent.understanding import Said
from retrieval.concepts import concepts
from retrieval.expected import sorts

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
    r"|[,;]\s*(?:so|and|then) (?:what|how|when|who)\b"
    r"|^\W*(?:那|那么|还有|如果|要是|为什么|哪个)|[,，;；。]\s*那(?:么|你们?|该|要|怎么|咋)|呢[?？。!！\s]*$",
    re.IGNORECASE,
)
_NO_THING = re.compile(
    r"^\W*(?:(?:and|or|but|so|ok|okay)\W+)*(?:(?:what|how) about|and|or|in|for|with|to|the)\b"
    r"(?!.*\b(?:how|what(?! about)|when|where|which|who|why|is|are|was|were|do|does|did|can|could|will|would"
    r"|has|have|should|may|it|they|that|this)\b(?! about))"
    r"|^(?!.*(?:[多几吗]|怎么|什么|哪|能|可以|如何|为何)).*呢\W*$",
    re.IGNORECASE,
)
"""Asks about something else what was asked before: "what about the Arbor 3", 那三人的呢."""
_THE_SAME = re.compile(
    r"\b(?:the )?same (?:for|with|go)|\balso (?:for|apply)|也是?一样|(?:都|也)(?:是这样|适用)", re.IGNORECASE
)
"""Asks whether the answer before goes for something else too."""
_NUMBER = re.compile(r"(?<![\w.])\d+(?![\w.])")
_LONGEST_EN, _LONGEST_ZH = 12, 16
"""Words, or Han characters, of a message that may lean on an earlier one."""


def clean(text: str) -> str:
    """``text`` without greetings, courtesies, order numbers and e-mail addresses."""
    text = _ORDER.sub(" ", EMAIL.sub(" ", text))
    text = _COURTESY.sub("", _GREETING.sub("", " ".join(text.split())))
    return re.sub(r"\s+([,.!?;:])", r"\1", " ".join(text.split())).strip(" ,，")


def is_follow_up(text: str) -> bool:
    """Whether a message is short and points back ("and for the blue one?", 它防水吗)."""
    leans = _POINTS_BACK.search(text) or _OPENS_LIKE_ONE.search(text) or _THE_SAME.search(text)
    return _short(text) and bool(leans)


def is_elliptic(text: str) -> bool:
    """Whether a follow-up leaves out what it asks ("and the 3?"); "and the weight?" does not."""
    if not _short(text):
        return False
    own = concepts(text) or sorts(text)
    return bool(_THE_SAME.search(text) or (_NO_THING.search(text) and not own))


def _short(text: str) -> bool:
    han = len(re.findall("[\u4e00-\u9fff]", text))
    words = len(re.findall(r"[A-Za-z0-9'’-]+", text))
    return han <= _LONGEST_ZH if han else words <= _LONGEST_EN


def standalone(
    text: str,
    earlier: Sequence[Said],
    product_of: Callable[[str], str],
    title_of: Callable[[str], str] | None = None,
) -> str:
    """The question for retrieval.

    A follow-up gets the last product named before it, by either side, else the shopper's last
    question in front; unless it names a product itself. One that leaves out what it asks gets
    the shopper's last full question, about the product that it names itself.

    Args:
        text: The message.
        earlier: Lines before it, oldest first.
        product_of: Finds the product a line names, or an empty string.
        title_of: The same for the shop's own lines, which speak of many things in passing; by
            default ``product_of``.
    """
    title_of = title_of or product_of
    named = (
        product_of(line.text) if line.who == "shopper" else title_of(line.text) for line in reversed(earlier)
    )
    before = next(filter(None, named), "")
    question = clean(text) or " ".join(text.split())
    if is_elliptic(question) and (full := _completed(question, earlier, before, product_of)):
        return full
    if not is_follow_up(question) or product_of(question):
        return question
    if before:
        return f"{before}: {question}"
    for line in reversed(earlier):
        asked = clean(line.text)
        if line.who == "shopper" and len(asked) > 3:
            return f"{asked} {question}" if not is_follow_up(asked) else question
    return question


def _completed(question: str, earlier: Sequence[Said], before: str, product_of: Callable[[str], str]) -> str:
    """The shopper's last full question, asked about what ``question`` names; empty without one.

    ``before`` is the product that was named last.
    """
    lines = [clean(line.text) for line in earlier if line.who == "shopper"]
    asked = next((line for line in reversed(lines) if len(line) > 3 and not is_elliptic(line)), "")
    if not asked:
        return ""
    product = product_of(question) or _numbered(question, before, product_of)
    if product:
        # The other product's name would find the other product's pages.
        left_out = re.escape(product_of(asked) or before)
        rest = re.sub(rf"(?:\bthe\s+)?{left_out}", " ", asked, flags=re.IGNORECASE) if left_out else asked
        # A mere sort of thing (充电宝) says less than the message that names it.
        subject = product if product.isascii() else question
        return f"{subject}: {' '.join(rest.split())}"
    # "The three-person one" is of the same name, but not of the same number.
    family = "" if before in asked.lower() else " ".join(_NUMBER.sub(" ", before).split())
    return " ".join(filter(None, (f"{family}:" if family else "", asked, question)))


def _numbered(question: str, before: str, product_of: Callable[[str], str]) -> str:
    """The product before with the number of the question ("and the 3?"), when there is such a one."""
    number = _NUMBER.search(question)
    if number is None or not _NUMBER.search(before):
        return ""
    other = _NUMBER.sub(number.group(), before, count=1)
    return other if product_of(other) == other else ""
