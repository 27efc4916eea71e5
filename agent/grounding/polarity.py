"""Whether a claim says no where its source says yes, or names the opposite."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent import wording
from agent.grounding.clauses import Clause
from agent.grounding.prepared import SourceSentence
from agent.grounding.query import Query

# Of each group at most one can be true of the same thing.
ANTONYMS: tuple[tuple[re.Pattern[str], ...], ...] = tuple(
    tuple(re.compile(member, re.IGNORECASE) for member in group)
    for group in (
        (r"(?<!un)\bopened\b|(?<![未没])(?:已)?(?:拆封|开封"
         r"|打开|拆开)", r"\bunopened\b|\bsealed\b|\bseal intact\b|封[盖签条]完好|[未没](?:有)?(?:拆封|开封"
                     r"|打开|拆开)"),
        (r"\bworn\b|穿过", r"\bunworn\b|未穿|没穿"),
        (r"\bused\b(?! to)|(?<!未)(?<!没)使用过|用过的", r"\bunused\b|\bnew\b|未使用|没用过|全新"),
        (r"\bbefore\b|\buntil\b|\bprior to\b|之前"
         r"|(?<=[货装款用达收包])前", r"\bafter\b|\bonce\b|之后|(?<=[货装款用达收])后"),
        (r"\b(?:order date|date of (?:the )?(?:order|purchase)|day of the order|after purchase"
         r"|of purchase)\b|(?:下单|购买)(?:之日|日期|当天)",
         r"\b(?:of|from|after|since) (?:the )?(?:delivery|receipt|arrival)\b|\bday of delivery\b|(?:签收"
         r"|收货|到货)(?:之日|日期|当天|后)"),
        (r"\bindoors?\b|室内|帐内|帐篷内", r"\boutdoors?\b|室外|户外"),
        (r"\bin stock\b|有货|现货", r"\bout of stock\b|\bsold out\b|缺货|无货|售罄"),
        (r"\bdomestic|国内|境内", r"\binternational|\boverseas\b|国际|海外|境外"),
        (r"\bweekdays?\b|\bmonday to friday\b|工作日|周一至周五", r"\bweekends?\b|周末"),
        (r"\bhand[- ]wash|手洗", r"\bmachine[- ]wash|机洗"),
        (r"\bstandard\b|标准", r"\bexpress\b|加急|特快|快速配送"),
        (r"\bhot\b|热水|高温", r"\bcold\b|\bcool\b|冷水|低温|凉水"),
        (r"\bcheaper\b|\blower\b|更便宜|更低", r"\bmore expensive\b|\bhigher\b|更贵|更高"),
        (r"\bwhen (?:you )?plac"
         r"|\bat checkout\b|下单时", r"\bwhen .{0,24}(?:ship|leave|dispatch)|(?:发货|离开仓库|出库)时"),
        (r"\blarger\b|\bbigger\b|大一[号码]", r"\bsmaller\b|小一[号码]"),
        (r"\bmore\b|\blonger\b|更多|更长", r"\bless\b|\bshorter\b|\bfewer\b|更少|更短"),
        (r"\bfull-price|原价", r"\bsale items?\b|\bfinal[- ]sale\b|特价|清仓"),
        (r"\bdownhill\b|下坡", r"\buphill\b|上坡"),
        (r"\bmen's\b|男款|男士", r"\bwomen's\b|女款|女士"),
        (r"\bcustomer pays\b|\byou pay\b|(?:由)?(?:您|你|买家|顾客)(?:自行)?(?:承担"
         r"|支付|负担)", r"\bwe pay\b|\bwe cover\b|(?:由)?(?:我们|本店|卖家|商家)(?:承担|支付|负担)"),
        (r"\bopen\b(?! air)|营业", r"\bclosed\b|休息|不营业"),
        (r"\bincreas|上涨|增加", r"\bdecreas|\breduc|下降|减少"),
        (r"\bin transit\b|运输中", r"\bdelivered\b|已签收|已送达", r"\bcancell?ed\b|已取消"),
        (r"\boptional|可选", r"\bmandatory\b|\brequired\b|\bmust\b|必须|强制"),
    )
)  # fmt: skip
_WITHOUT = re.compile(r"\bwithout (?:the |a |an |any |its |your |original )*(\w+)", re.IGNORECASE)


def _denied_too(mine: Sequence[Clause], theirs: Sequence[Clause]) -> bool:
    """Whether the claim's own denials echo what the source denies: "if it is brown, do not use it"."""
    return all(any(clause.negative and clause.marks & other.marks for clause in mine) for other in theirs)


def polarity_fails(query: Query, window: Sequence[SourceSentence]) -> bool:
    """Whether a clause says no where the source says yes, or names the opposite."""
    theirs = [clause for sentence in window for clause in sentence.clauses if clause.marks]
    mine = [clause for clause in query.clauses if clause.marks] or list(query.clauses)
    for clause in mine:
        if len(mine) > 1 and len(clause.marks) < 2 and not clause.negative:
            continue
        scored = [(len(clause.marks & other.marks), other) for other in theirs]
        best = max((score for score, _ in scored), default=0)
        if best == 0:
            whole = any(other.negative for other in theirs)
            if clause.negative and not whole:
                return True
            continue
        # Of clauses that fit equally well, one that agrees is enough.
        fits = [other for score, other in scored if score == best]
        if all(other.negative != clause.negative for other in fits) and not (
            not clause.negative and _denied_too(mine, fits)
        ):
            return True
    said = max(window, key=lambda sentence: len(query.words & sentence.words)).text
    for match in _WITHOUT.finditer(query.text):
        part = re.escape(wording.stem(match[1].lower()))
        if re.search(part, said, re.IGNORECASE) and not re.search(
            rf"\b(?:without|no)\b(?:\W+\w+){{0,2}}\W+{part}", said, re.IGNORECASE
        ):
            return True
    for match in _WITHOUT.finditer(said):
        if re.search(rf"\bwith (?:the |a |an |any )*{re.escape(match[1])}\b", query.text, re.IGNORECASE):
            return True
    for group in ANTONYMS:
        here = {n for n, member in enumerate(group) if member.search(query.text)}
        there = {n for n, member in enumerate(group) if member.search(said)}
        if here and there and here.isdisjoint(there):
            return True
    return False
