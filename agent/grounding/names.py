"""Proper names of a claim, and whether a text states them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from agent import wording
from agent.quantities import Figures, figures

# "Arbor 3": a name with its number, unless the number has a unit of its own.
MODEL = re.compile(
    r"(?<![\w'’])([A-Z][A-Za-z]+) (\d{1,4}(?:\.\d+)?)(?![\d,:]|\.\d|\s?-|\s+[a-z]+s\b"
    r"|\s?[%°€$天个件年月日元欧公克米])"
)
_CAPITALISED = re.compile(r"(?<![\w'’])[A-Z][A-Za-z]+(?:['’]s)?(?![\w-]*\d)")
NOT_A_NAME = wording.words(
    """i monday tuesday wednesday thursday friday saturday sunday january february march april may june july
    august september october november december mr mrs ms dr yes no please sorry thank thanks eur usd gbp cny pdf
    faq also however it you your we our the this that if when for to in on at and or but once after before
    standard express order orders"""
)
_NAMES_ZH = re.compile(
    "顺丰|中通|圆通|申通|韵达|极兔|京东|菜鸟|邮政|支付宝|微信|银联|花呗|淘宝|天猫|拼多多|抖音|快手"
    "|中国|香港|澳门|台湾|德国|法国|英国|美国|日本|韩国|西班牙|意大利|荷兰|瑞士|奥地利|挪威|加拿大|澳大利亚"
    "|欧盟|欧洲|亚洲"
    "|北京|上海|广州|深圳|杭州|成都|柏林|巴黎|伦敦|尼龙|涤纶|聚酯|羽绒|棉|羊毛|铝合金|铝|钛|碳纤维|不锈钢"
    "|钢|皮革|橡胶"
    "|红色|蓝色|绿色|黑色|白色|黄色|灰色|橙色|紫色|粉色|棕色|周[一二三四五六日天]|星期[一二三四五六日天]"
)
"""Names a Chinese sentence does not mark by itself: carriers, payments, places, stuffs, colours."""


_ADDRESS = re.compile(r"[\w.+-]+@[\w.-]+|https?://\S+", re.ASCII)


def figures_of_claim(text: str) -> Figures:
    """Figures of a claim; the 2 of "Arbor 2" belongs to a name, which is looked up as one."""
    models = [match.span(2) for match in MODEL.finditer(text) if match[1].lower() not in NOT_A_NAME]
    found = figures(text)
    kept = tuple(q for q in found.quantities if not any(a <= q.start < b for a, b in models))
    return replace(found, quantities=kept)


def names(text: str) -> Iterable[str]:
    """Proper names: capitalised words inside English text, Latin words and known names in Chinese."""
    text = _ADDRESS.sub(" ", text)
    chinese = re.search("[\u4e00-\u9fff]", text)
    for match in MODEL.finditer(text):
        if match[1].lower() not in NOT_A_NAME:
            yield f"{match[1]} {match[2]}".lower()
    for match in _NAMES_ZH.finditer(text):
        yield match.group()
    if chinese:
        for match in re.finditer(r"(?<![\w-])[A-Za-z]{3,}(?![A-Za-z]*-?\d)", text, re.ASCII):
            if match.group().lower() not in NOT_A_NAME:
                yield match.group().lower()
        return
    for match in _CAPITALISED.finditer(text):
        word = re.sub(r"['’]s$", "", match.group()).lower()
        opens = not re.search(r"\w", text[: match.start()]) or text[: match.start()].rstrip()[-1:] in ":.!?"
        follows_name = re.match(r"\s+[A-Z0-9]", text[match.end() :])
        if word not in NOT_A_NAME and (not opens or (follows_name and word not in wording.STOP)):
            yield word


def stated(name: str, text: str) -> bool:
    """Whether a name stands in ``text`` (lower case) as a whole: "arbor 2" is not in "arbor 23"."""
    if not name.isascii():
        return name in text
    return bool(re.search(rf"(?<![a-z0-9]){re.escape(name)}(?:s|['’]s)?(?![a-z0-9]|\.\d)", text))
