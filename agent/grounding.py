"""Whether each sentence of an answer is supported by a source. Pure: no model, no I/O.

A claim needs a source sentence that says the same: every figure, code, name and weighty term
stands there (figures with their unit kind, and belonging to the same thing), enough of the
content words overlap, and neither says no where the other says yes. What was "done" needs a
source whose id starts with ``action:``. Greetings, questions and plain offers of help claim
nothing. The rules are strict on purpose: a claim they cannot tie to a source is not said.

Reason codes: ``number_not_in_source``, ``number_of_something_else``, ``comparison``,
``date_not_in_source``, ``code_not_in_source``, ``name_not_in_source``, ``term_not_in_source``,
``polarity``, ``action_not_done``, ``no_overlap``, ``no_content``, ``no_sources``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from agent import wording
from agent.quantities import Figures, Quantity, figures
from agent.sentences import SentenceSplitter, sentence_spans, split_sentences

__all__ = ["Claim", "Kind", "SentenceSplitter", "Source", "SourceSet", "check", "split_sentences"]

Kind = Literal["talk", "claim", "action", "event", "promise"]
"""``talk`` claims nothing; ``action``: we did something; ``event``: something was done to an
order; ``promise``: we will do something."""

THRESHOLD_EN = 0.6
THRESHOLD_ZH = 0.5
"""Share of a claim's content that the source sentence must hold. Chosen on the fit half of
``tests/agent/data/grounding.json`` by ``tools/fit_grounding.py``."""


_PAIR_EXTRA = 0.2
"""Two sentences together hold words of two statements, so they must hold more of the claim's."""


@dataclass(frozen=True)
class Source:
    """A passage or an order fact. ``title`` (and heading) counts as context, is never quoted."""

    id: str
    text: str
    title: str = ""


@dataclass(frozen=True)
class Claim:
    """One sentence of an answer, judged.

    Attributes:
        sentence: As given.
        kind: What sort of statement it is.
        supported: True for ``talk``, else whether a source says it.
        source: Id of the supporting source.
        quote: The words of that source that support it, verbatim.
        reason: Why not, as a code; empty when supported.
        overlap: Share of the content found in the best source sentence, 0 to 1.
    """

    sentence: str
    kind: Kind
    supported: bool
    source: str = ""
    quote: str = ""
    reason: str = ""
    overlap: float = 0.0

    @property
    def needs_source(self) -> bool:
        """Whether it claims anything at all."""
        return self.kind != "talk"


# ---- what kind of sentence -----------------------------------------------------------------

_MARKS = re.compile(r"\s*\[\d{1,2}\]")
_BULLET = re.compile(r"^\s*(?:[-*•#>]+\s+|\d{1,2}[.)]\s+)")
_VERBS_DONE = (
    "cancell?ed|refunded|processed|changed|updated|issued|arranged|created|scheduled|placed|escalated"
    "|forwarded"
    "|transferred|notified|contacted|initiated|submitted|approved|applied|added|removed|booked|credited"
    "|reshipped"
    "|replaced|exchanged|started|emailed|requested|registered|reset|sent|waived|reserved|extended|granted"
    "|filed"
    "|completed|ordered|returned|reported|opened|upgraded|shipped|dispatched|delivered|packed"
)
_VERBS_DONE_ZH = (
    "取消|退款|退货|换货|修改|更改|更新|提交|申请|安排|登记|办理|升级|转接|反馈|发送|补发|赔付|处理|退回"
    "|变更|通知|联系|创建"
    "|发起|开通|延长|减免|预留|上报|寄出|发出|补偿|生成|完成|改好|备注|催促|催|转给|转交|发货|签收|送达"
)
_DEED = re.compile(rf"\b(?:{_VERBS_DONE})\b|{_VERBS_DONE_ZH}", re.IGNORECASE)
_ACTION = re.compile(
    rf"\b(?:i|we)(?:['’]ve| have|['’]m|['’]re)?(?: also| just| now| already| successfully| gone ahead and)*"
    rf" (?:{_VERBS_DONE})\b"
    rf"|(?:我们?|这边|客服|系统|小二)?(?:已经|已|刚刚?|现已)(?:成功)?(?:为|帮|给|替|向)(?:您|你|您的"
    rf"|你的).{{0,14}}?"
    rf"(?:{_VERBS_DONE_ZH})"
    rf"|(?:我们?|这边|小二)(?:已经|已|刚刚?|现已)(?:成功)?.{{0,10}}?(?:{_VERBS_DONE_ZH})"
    rf"|(?:为|帮|给|替)(?:您|你).{{0,12}}?(?:{_VERBS_DONE_ZH})(?:好了|成功|完成|了)",
    re.IGNORECASE,
)
_EVENT = re.compile(
    rf"\byour\b.{{0,60}}\b(?:has|have|was|were|is now|are now)(?: now| just| already| successfully| all)*"
    rf"(?: been)? (?:{_VERBS_DONE})\b"
    rf"|\b(?:order|refund|return|exchange|request|cancellation|address)\b.{{0,40}}\b(?:has|have)(?: now"
    rf"| just| already"
    rf"| successfully)* been (?:{_VERBS_DONE})\b|\byour \w+ is (?:on its way|complete|confirmed|done"
    rf"|cancell?ed)\b"
    rf"|(?:您|你)的.{{0,24}}?(?:已经|已|现已)被?(?:成功)?.{{0,4}}?(?:{_VERBS_DONE_ZH})"
    rf"|(?:订单|退款|地址|申请|包裹).{{0,20}}?(?:已经|已|现已)被?(?:成功)?.{{0,4}}?(?:{_VERBS_DONE_ZH})"
    rf"|^(?:已经|已)(?:成功)?(?:{_VERBS_DONE_ZH})|(?:取消|退款|修改|申请|提交|换货|退货)成功",
    re.IGNORECASE,
)
_PROMISE = re.compile(
    r"\b(?:i|we)(?:['’]ll| will| shall|['’]m going to|['’]re going to| am going to| are going to| promise"
    r"| guarantee)\b"
    r"|\byou(?:['’]ll| will) (?:get|receive|be (?:refunded|contacted|credited|notified))\b"
    r"|(?:我们?|这边|客服|专员)(?:会|将|一定|马上|稍后|保证|承诺)|(?:您|你)(?:会|将)(?:收到|获得|得到)",
    re.IGNORECASE,
)
_TALK = re.compile(
    r"(?:hi|hello|hey|good (?:morning|afternoon|evening)|welcome|dear \w+)\b[^,.]{0,24}"
    r"|(?:many |thank you|thanks|cheers)\b.{0,90}"
    r"|you(?:['’]re| are) (?:very |most )?welcome.{0,30}|(?:my|our) pleasure|no problem(?: at all)?"
    r"|no worries"
    r"|(?:i['’]?m|i am|we['’]?re|we are)?\s*(?:so |very |really |truly )*sorry(?: (?:about|for|to hear|that"
    r"|if)\b.{0,110})?"
    r"|(?:my|our|i|we) (?:sincere |deepest )*apolog\w+.{0,90}|apologies.{0,60}"
    r"|i (?:completely |fully |do )*(?:understand|see|hear you|appreciate)\b.{0,90}|that must be .{0,60}"
    r"|(?:sure|certainly|of course|absolutely|got it|great|alright|all right|okay|ok|understood|good question"
    r"|great question|no rush|one moment|just a moment)(?:,? .{0,20})?"
    r"|(?:have|enjoy) (?:a|an|your) .{0,30}|take care.{0,20}|goodbye|bye.{0,10}|happy \w+ing.{0,20}"
    r"|(?:i|we) hope (?:this|that|it) helps.{0,20}|(?:i|we)['’]?(?:m| am|re| are) (?:happy|glad"
    r"|here) to help.{0,40}"
    r"|(?:i|we) (?:can|could|would be happy to|am happy to|['’]d be happy to) (?:also )?(?:help"
    r"|assist)\b.{0,60}"
    r"|(?:happy|glad) to help.{0,40}|how (?:can|may) i help.{0,20}"
    r"|(?:i|we) (?:do not|don['’]t|did not|didn['’]t|could not|couldn['’]t|cannot|can['’]t) (?:know|find"
    r"|see|have enough|have"
    r" (?:any|that|this) information|confirm|tell|answer|say)\b.{0,110}"
    r"|(?:please )?(?:let me know|feel free|do not hesitate|don['’]t hesitate|just (?:ask|let me know"
    r"|say so))\b.{0,90}"
    r"|if you (?:have|need|want|would like) .{0,60}(?:let me know|just ask|just say|feel free|here to help"
    r"|tell me).{0,30}"
    r"|(?:please |could you |can you )?(?:tell|give|send|share|provide|confirm|enter|type)(?: me"
    r"| us)?(?: with)? (?:your|the|which|what)"
    r" .{0,70}|(?:here (?:is|are)|here['’]s) (?:what|the|how|some)\b.{0,50}:?"
    r"|(?:would you like|shall i|should i|do you want) .{0,80}|a person can help.{0,40}"
    r"|(?:based on|according to) .{0,60}:"
    r"|(?:您好|你好|亲|嗨|哈喽|早上好|下午好|晚上好|欢迎).{0,14}|(?:非常|十分|多谢|谢谢|感谢).{0,36}"
    r"|不(?:用)?客气.{0,8}|不用谢.{0,6}"
    r"|.{0,6}(?:抱歉|对不起|不好意思|致歉|道歉)(?:，?(?:给您|给你|让您|让你|为您|听到|对此).{0,36})?"
    r"|.{0,8}(?:深表|表示)?歉意.{0,12}"
    r"|(?:完全|非常|十分|我)?(?:能)?理解(?:您|你).{0,30}|好的.{0,3}|没问题.{0,6}|当然.{0,4}|明白.{0,6}"
    r"|收到.{0,4}|请稍等.{0,10}|稍等.{0,8}"
    r"|祝(?:您|你).{0,24}|再见.{0,6}|很高兴.{0,24}|希望.{0,12}(?:帮助|帮到).{0,10}"
    r"|(?:如果|如|若)?(?:您|你)?(?:如果|如|若)?(?:还有|有|需要|想).{0,26}(?:告诉我|联系我|随时|请说|问我"
    r"|告知|吩咐).{0,16}|随时.{0,16}"
    r"|(?:请|麻烦)(?:您|你)?(?:先)?(?:提供|告诉|告知|发|发送|输入|确认|说明)(?:我|一下|给我|我们)*.{0,40}"
    r"|(?:我|我们)(?:可以|能|很乐意|愿意)(?:帮助?|协助|为)(?:您|你).{0,24}|(?:需要|要)(?:我|不要我).{0,40}"
    r"|(?:我|目前|暂时|资料中|在资料里).{0,8}(?:没有找到|没找到|不清楚|不确定|无法确认|查不到|没有查到"
    r"|未找到|不知道|没有相关).{0,36}"
    r"|(?:以下是|下面是).{0,30}[:：]?|(?:根据|按照).{0,30}[:：]",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"^(?:(?:i['’]?m |i am |we['’]?re |we are )?(?:so |very |really )*sorry(?: (?:about|for"
    r"|to hear)[^,;]{0,50})?,? but "
    r"|(?:sorry|apologies|sure|certainly|of course|yes|no|great|okay|ok|absolutely|unfortunately|good news"
    r"|thanks|thank you"
    r"|hi|hello)[,!:;—-]+\s*"
    r"|(?:unfortunately|sure|yes|no),? |(?:非常|很|十分)?(?:抱歉|不好意思|对不起|遗憾)[，,：:！! ]*|(?:您好"
    r"|你好|亲亲?|好的|是的|当然|可以的|不是的|没问题)"
    r"[，,：:！! ]+)",
    re.IGNORECASE,
)
_BARE = re.compile(
    r"(?:yes|yep|no|nope|right|correct|true|false|可以|可以的|不可以|不行|不能|能|是|是的|不是|对|对的|会"
    r"|不会|有|有的|没有|行)\W*",
    re.IGNORECASE,
)
_QUESTION = re.compile(r"[?？]\W*\Z|[吗呢么]\W*\Z")
_LOADED = re.compile(
    r"\bdid you know\b|你知道吗|您知道吗|您知道|\bsince\b|\bbecause\b|由于|既然", re.IGNORECASE
)

# Words that promise much: the source must have one of the same group.
_TERMS: tuple[re.Pattern[str], ...] = tuple(
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
_EACH = re.compile(r"\beach\b|\bper (?:item|piece)\b|\bevery item\b|每件|每个商品|每一件", re.IGNORECASE)
_UNIVERSAL = re.compile(
    r"\ball\b(?! you\b)|\bevery\b(?! other)|\balways\b|\bany ?time\b|所有|一律|全部|任何|任意|随时|总是",
    re.IGNORECASE,
)
# Of each group at most one can be true of the same thing.
_ANTONYMS: tuple[tuple[re.Pattern[str], ...], ...] = tuple(
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
# "Arbor 3": a name with its number, unless the number has a unit of its own.
_MODEL = re.compile(
    r"(?<![\w'’])([A-Z][A-Za-z]+) (\d{1,4}(?:\.\d+)?)(?![\d,:]|\.\d|\s?-|\s+[a-z]+s\b"
    r"|\s?[%°€$天个件年月日元欧公克米])"
)
_WITHOUT = re.compile(r"\bwithout (?:the |a |an |any |its |your |original )*(\w+)", re.IGNORECASE)
_IMPLIED: Mapping[str, tuple[str, ...]] = {
    "gram": ("weight", "重", "重量"),
    **dict.fromkeys(("EUR", "USD", "GBP", "CNY"), ("price", "售价", "价格")),
}
"""What a unit says already: "weighs 245 g" is about a weight in any words."""
_CAPITALISED = re.compile(r"(?<![\w'’])[A-Z][A-Za-z]+(?:['’]s)?(?![\w-]*\d)")
_NOT_A_NAME = wording.words(
    """i monday tuesday wednesday thursday friday saturday sunday january february march april may june july
    august september october november december mr mrs ms dr yes no please sorry thank thanks eur usd gbp cny pdf
    faq also however it you your we our the this that if when for to in on at and or but once after before
    standard express order orders"""
)
_WEEKDAY_ZH = {"一": "1", "二": "2", "三": "3", "四": "4", "五": "5", "六": "6", "日": "7", "天": "7"}
_NAMES_ZH = re.compile(
    "顺丰|中通|圆通|申通|韵达|极兔|京东|菜鸟|邮政|支付宝|微信|银联|花呗|淘宝|天猫|拼多多|抖音|快手"
    "|中国|香港|澳门|台湾|德国|法国|英国|美国|日本|韩国|西班牙|意大利|荷兰|瑞士|奥地利|挪威|加拿大|澳大利亚"
    "|欧盟|欧洲|亚洲"
    "|北京|上海|广州|深圳|杭州|成都|柏林|巴黎|伦敦|尼龙|涤纶|聚酯|羽绒|棉|羊毛|铝合金|铝|钛|碳纤维|不锈钢"
    "|钢|皮革|橡胶"
    "|红色|蓝色|绿色|黑色|白色|黄色|灰色|橙色|紫色|粉色|棕色|周[一二三四五六日天]|星期[一二三四五六日天]"
)
"""Names a Chinese sentence does not mark by itself: carriers, payments, places, stuffs, colours."""


def _kind(sentence: str) -> Kind:
    """What sort of statement a cleaned sentence is."""
    if _ACTION.search(sentence) and not _QUESTION.search(sentence):
        return "action"
    has_figures = bool(figures(sentence).quantities)
    weighty = has_figures or any(term.search(sentence) for term in _TERMS)
    if _QUESTION.search(sentence):
        return "claim" if has_figures or _LOADED.search(sentence) else "talk"
    body = sentence.strip(" .!。！~～*_:：,，")
    if not re.search(r"\w", body):
        return "talk"
    if not weighty and _TALK.fullmatch(body) and not re.search(r"\bbut\b|\bhowever\b|但|不过", body):
        return "talk"
    if _EVENT.search(sentence):
        return "event"
    return "promise" if _PROMISE.search(sentence) else "claim"


# ---- sources -------------------------------------------------------------------------------

_SEGMENT = re.compile(r"[;；。]|\bwhile\b|\bwhereas\b|而(?!且)", re.IGNORECASE)
_CLAUSE = re.compile(
    r"[;；，。()（）]|,(?!\d{3})| [-–—] |\b(?:but|however|although|whereas|while)\b|(?=\b(?:unless|except"
    r"|because|since)\b)|(?=[:：] )"
    r"|\band\b(?=\s+(?:(?:do|does|is|are|will|should|must|can)\s+)?(?:not|never|cannot)\b)"
    r"|\band\b(?=\s+(?:do|does|is|are|wo|ca|should)n['’]t\b)|但是?|然而|不过|(?=除非|除了)|而(?!且)",
    re.IGNORECASE,
)
_HAN = re.compile("[\u4e00-\u9fff]")
# Auxiliaries and the verbs of a shop: enough to tell a statement from an item of a list.
_VERBAL = re.compile(
    r"\b(?:is|are|was|were|be|can|could|may|might|must|will|would|should|has|have|had|do|does|did|comes?"
    r"|takes?|costs?"
    r"|ships?|arrives?|starts?|ends?|leaves?|weighs?|packs|needs?|applies|apply|covers|runs?|boils|lasts?"
    r"|works?|gets?"
    r"|produces?|includes?|charges|gives?|holds?|fits?|folds?|keeps?|stays?|makes?|means?|goes|opens?"
    r"|closes?|stops?|counts?|belongs?|breathes?|contains?|measures?|sits?|tilts?|reaches|supports?|offers?"
    r"|accepts?|delivers?|refunds?|deducts?|pays?|sends?|returns|uses?|wash|dry|clean|let"
    r"|choose|keep|write|reply|answers?|contact|(?:you|we|they|it) \w+)\b",
    re.IGNORECASE,
)
_AND = re.compile(r"\band\b|\bor\b|以及|并且|和|、|/", re.IGNORECASE)


@dataclass(frozen=True)
class _Clause:
    words: frozenset[str]
    negative: bool


@dataclass(frozen=True)
class _Sentence:
    """A source sentence, prepared. ``lead`` is the line before a list (``Excluded are:``)."""

    start: int
    end: int
    text: str
    words: frozenset[str]
    figures: Figures
    clauses: tuple[_Clause, ...]
    bare: str
    """``text`` with its figures blanked, for what stands around them."""
    subject: frozenset[str] = frozenset()
    """What a table row is about: its first cell."""


def _clauses(text: str) -> tuple[_Clause, ...]:
    """Clauses with their polarity. A piece without a verb belongs to the one it leads to or follows."""
    pieces: list[str] = []
    waiting = ""
    for piece in _CLAUSE.split(text):
        if not piece or not piece.strip():
            continue
        whole = bool(
            re.match(r"\s*(?:unless|except|除)", piece, re.IGNORECASE)
            or wording.negations(piece)
            or _VERBAL.search(piece)
            or (_HAN.search(piece) and wording.content(piece))
        )
        if whole:
            pieces.append(f"{waiting}{piece}")
            waiting = ""
        elif pieces and piece.startswith(":"):
            pieces[-1] += piece
        else:
            waiting += f"{piece}, "
    if waiting and pieces:
        pieces[-1] += f", {waiting}"
    elif waiting:
        pieces.append(waiting)
    return tuple(_Clause(wording.content(p), wording.negations(p) > 0) for p in pieces)


def _table_row(line: str, header: Sequence[str]) -> str:
    cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
    if len(cells) != len(header):
        return "; ".join(cells)
    return ", ".join(f"{name}: {cell}" if name else cell for name, cell in zip(header, cells, strict=True))


def _blanked(text: str, found: Figures) -> str:
    for quantity in found.quantities:
        text = f"{text[: quantity.start]}{' ' * (quantity.end - quantity.start)}{text[quantity.end :]}"
    return text


class _Prepared:
    """One source cut into comparable sentences."""

    def __init__(self, source: Source, siblings: str = "") -> None:
        self.source = source
        self.context = wording.content(wording.plain_free(source.title))
        everything = f"{source.id} {source.title} {source.text}"
        self.lowered = everything.lower()
        self.siblings = siblings
        # Order facts are `FW-104233#state`: the number counts as said.
        self.codes = frozenset(figures(everything.replace("#", " ")).codes)
        self.title_figures = figures(source.title)
        self.sentences = tuple(self._cut(source.text))

    def _cut(self, text: str) -> Iterable[_Sentence]:
        header: list[str] = []
        lead = label = ""
        # Under a heading such as "What is not covered" a list says no without saying so.
        denied = wording.negations(self.source.title) > 0
        in_list = False
        for start, end in sentence_spans(text):
            raw = text[start:end]
            subject: frozenset[str] = frozenset()
            bullet = bool(_BULLET.match(raw))
            said = _BULLET.sub("", raw)
            if raw.startswith("|"):
                if re.fullmatch(r"[|\s:-]+", raw):
                    continue
                if not header:
                    header = [cell.strip() for cell in raw.strip("|").split("|")]
                    continue
                said = _table_row(raw, header)
                subject = wording.content(raw.strip("|").split("|")[0])
            else:
                header = []
            if re.fullmatch(r"\*\*.+\*\*", said):
                label = said.strip("*")
                continue
            said = said.replace("**", "").strip()
            labelled = f"{label} {said}".strip()
            if raw.rstrip("*_").endswith((":", "：")):
                lead = said
            elif bullet and lead:
                said = f"{lead.rstrip(':： ')} {said}"
            elif not bullet:
                lead = ""
            in_list = bullet and (in_list or bool(re.search("[;；]$", raw) or re.match("[a-z]", said)))
            said = wording.plain_free(said)
            clauses = _clauses(said)
            if denied and in_list:
                clauses = tuple(_Clause(clause.words, negative=True) for clause in clauses)
            if label:
                clauses = (_Clause(wording.content(label), denied), *clauses)
            label = ""
            found = figures(said)
            words = wording.content(labelled)
            yield _Sentence(start, end, said, words, found, clauses, _blanked(said, found), subject)


# ---- the comparison ------------------------------------------------------------------------


def _same_quantity(claim: Quantity, source: Quantity, currencies: str) -> bool:
    if claim.unit != source.unit:
        # A price column often leaves the currency to the text around it.
        bare_price = (
            not source.unit and claim.unit in ("EUR", "USD", "CNY", "GBP") and claim.unit in currencies
        )
        if not bare_price:
            return False
    if (claim.low, claim.high) == (source.low, source.high):
        return True
    # "within 4 days" follows from "2-4 days", "from 2 days" too; "2 days" does not.
    if source.is_range and not claim.is_range:
        return (claim.bound == "max" and claim.low == source.high) or (
            claim.bound == "min" and claim.low == source.low
        )
    return False


def _clashes(claim: Quantity, source: Quantity) -> bool:
    return {claim.bound, source.bound} == {"min", "max"} and not source.is_range


def _contexts(text: str, quantity: Quantity) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Content around a figure: of its own piece, of what leads up to it, and of what follows.

    "The flysheet has a waterhead of 3,000 mm and the floor of 5,000 mm": the second figure's
    piece is the floor; the waterhead it shares with the first leads up to it.
    """
    low, high = 0, len(text)
    for match in _SEGMENT.finditer(text):
        if match.end() <= quantity.start:
            low = match.end()
        elif match.start() >= quantity.end:
            high = match.start()
            break
    segment = text[low:high]
    near_low, near_high = low, high
    for pattern in (_CLAUSE, _AND):
        for match in pattern.finditer(segment):
            if low + match.end() <= quantity.start:
                near_low = max(near_low, low + match.end())
            elif low + match.start() >= quantity.end:
                near_high = min(near_high, low + match.start())
    own, before = wording.content(text[near_low:near_high]), wording.content(text[low:near_low])
    return own, before - own, wording.content(text[near_high:high]) - own - before


def _without_models(text: str) -> Figures:
    """Figures of a claim; the 2 of "Arbor 2" belongs to a name, which is looked up as one."""
    models = [match.span(2) for match in _MODEL.finditer(text) if match[1].lower() not in _NOT_A_NAME]
    found = figures(text)
    kept = tuple(q for q in found.quantities if not any(a <= q.start < b for a, b in models))
    return replace(found, quantities=kept)


class _Query:
    """A claim, prepared once for all sources."""

    def __init__(self, text: str) -> None:
        self.text = wording.plain_free(text)
        self.words = wording.content(self.text)
        self.figures = _without_models(self.text)
        self.bare = _blanked(self.text, self.figures)
        self.clauses = _clauses(self.text)
        self.parts = len(self.clauses) > 1 or bool(_AND.search(self.text))
        self.terms = tuple(term for term in _TERMS if term.search(self.text))
        self.names = frozenset(_names(self.text))
        # Names are looked up by themselves, in more than the window.
        implied = {word for q in self.figures.quantities for word in _IMPLIED.get(q.unit, ())}
        self.words = self.words - implied
        named = wording.content(" ".join(name for name in self.names if name.isascii()))
        self.words = self.words - named or self.words
        self.deeds = (
            frozenset(_DEED.findall(self.text)) if _kind(self.text) in ("action", "event") else frozenset()
        )
        self.runs = tuple(run for run in wording.han_runs(self.text) if run not in implied)
        self.chinese = bool(re.search("[\u4e00-\u9fff]", self.text))
        self.threshold = THRESHOLD_ZH if self.chinese else THRESHOLD_EN

    def overlap(self, words: frozenset[str], context: frozenset[str]) -> float:
        """Share of the content in ``words``; what the title says already counts for nothing.

        Chinese is compared by characters, each found when a pair it belongs to is; a character
        weighs half an English word.
        """
        latin = {word for word in self.words - context if word.isascii()}
        found, asked = 2 * len(latin & words), 2 * len(latin)
        for run in self.runs:
            states = [0] * len(run)
            for at in range(max(1, len(run) - 1)):
                pair = run[at : at + 2]
                state = 2 if pair in words else 1 if pair in context else 0
                for k in range(at, at + len(pair)):
                    states[k] = max(states[k], state)
            found += states.count(2)
            asked += len(run) - states.count(1)
        return found / asked if asked else 1.0


def _names(text: str) -> Iterable[str]:
    """Proper names: capitalised words inside English text, Latin words and known names in Chinese."""
    chinese = re.search("[\u4e00-\u9fff]", text)
    for match in _MODEL.finditer(text):
        if match[1].lower() not in _NOT_A_NAME:
            yield f"{match[1]} {match[2]}".lower()
    for match in _NAMES_ZH.finditer(text):
        yield match.group()
    if chinese:
        for match in re.finditer(r"(?<![\w-])[A-Za-z]{3,}(?![A-Za-z]*-?\d)", text, re.ASCII):
            if match.group().lower() not in _NOT_A_NAME:
                yield match.group().lower()
        return
    for match in _CAPITALISED.finditer(text):
        word = re.sub(r"['’]s$", "", match.group()).lower()
        opens = not re.search(r"\w", text[: match.start()]) or text[: match.start()].rstrip()[-1:] in ":.!?"
        follows_name = re.match(r"\s+[A-Z0-9]", text[match.end() :])
        if word not in _NOT_A_NAME and (not opens or (follows_name and word not in wording.STOP)):
            yield word


def _stated(name: str, text: str) -> bool:
    """Whether a name stands in ``text`` (lower case) as a whole: "arbor 2" is not in "arbor 23"."""
    if not name.isascii():
        return name in text
    return bool(re.search(rf"(?<![a-z0-9]){re.escape(name)}(?:s|['’]s)?(?![a-z0-9]|\.\d)", text))


def _figures_fail(query: _Query, prepared: _Prepared, first: int, last: int) -> str:
    """Reason code when a figure of the claim has no equal in the window or beside it."""
    near = prepared.sentences[max(0, first - 1) : last + 2]
    window = prepared.sentences[first : last + 1]
    currencies = " ".join(q.unit for s in prepared.sentences for q in s.figures.quantities)
    for date in query.figures.dates:
        if not any(date.agrees(other) for s in near for other in s.figures.dates):
            return "date_not_in_source"
    for time in query.figures.times:
        if not any(time in s.figures.times for s in near):
            return "number_not_in_source"
    for quantity in query.figures.quantities:
        title = any(_same_quantity(quantity, other, "") for other in prepared.title_figures.quantities)
        matches = [
            (s, other)
            for s in near
            for other in s.figures.quantities
            if _same_quantity(quantity, other, currencies)
        ]
        if not matches:
            if title:
                continue
            return "number_not_in_source"
        if all(_clashes(quantity, other) for _, other in matches):
            return "comparison"
        if not title and _belongs_elsewhere(query, quantity, matches, near, window):
            return "number_of_something_else"
    return ""


def _belongs_elsewhere(
    query: _Query,
    quantity: Quantity,
    matches: Sequence[tuple[_Sentence, Quantity]],
    near: Sequence[_Sentence],
    window: Sequence[_Sentence],
) -> bool:
    """Whether the source ties what the claim is about to another figure of the same unit."""
    narrow, before, _ = _contexts(query.bare, quantity)
    about = narrow if len(narrow) >= 2 else before | narrow

    def fit(sentence: _Sentence, other: Quantity) -> float:
        own, lead, rest = _contexts(sentence.bare, other)
        near = len(about & own) + 0.75 * len(about & lead) + 0.2 * len(about & rest)
        # "over 80" looks for a minimum; the window itself goes before its neighbours.
        alike = 2.0 if other.bound and other.bound == quantity.bound else 0.0
        return near + alike + (0.5 if sentence in window else 0.0)

    own = max(fit(s, other) for s, other in matches)
    matched = [other for _, other in matches]
    rivals = [
        fit(s, other)
        for s in near
        for other in s.figures.quantities
        if other.unit == quantity.unit and other not in matched
    ]
    return bool(rivals) and max(rivals) > own


def _polarity_fails(query: _Query, window: Sequence[_Sentence]) -> bool:
    """Whether a clause says no where the source says yes, or names the opposite."""
    theirs = [clause for sentence in window for clause in sentence.clauses if clause.words]
    mine = [clause for clause in query.clauses if clause.words] or list(query.clauses)
    for clause in mine:
        if len(mine) > 1 and len(clause.words) < 2 and not clause.negative:
            continue
        scored = [(len(clause.words & other.words), other) for other in theirs]
        best = max((score for score, _ in scored), default=0)
        if best == 0:
            whole = any(other.negative for other in theirs)
            if clause.negative and not whole:
                return True
            continue
        # Of clauses that fit equally well, one that agrees is enough.
        fits = [other for score, other in scored if score == best]
        # The shortest is the one most about it ("opened fuel" against "fuel and tents").
        if all(other.negative != clause.negative for other in fits):
            return True
    said = max(window, key=lambda sentence: len(query.words & sentence.words)).text
    for match in _WITHOUT.finditer(query.text):
        part = re.escape(wording.stem(match[1].lower()))
        if re.search(part, said, re.IGNORECASE) and not re.search(
            rf"\b(?:without|no)\b(?:\W+\w+){{0,2}}\W+{part}", said, re.IGNORECASE
        ):
            return True
    for group in _ANTONYMS:
        here = {n for n, member in enumerate(group) if member.search(query.text)}
        there = {n for n, member in enumerate(group) if member.search(said)}
        if here and there and here.isdisjoint(there):
            return True
    return False


@dataclass(frozen=True)
class _Verdict:
    reason: str
    overlap: float
    source: str = ""
    quote: str = ""
    width: int = 1


_CONTRADICTIONS = frozenset({"polarity", "comparison", "number_of_something_else"})


def _judge(query: _Query, prepared: _Prepared) -> Iterable[_Verdict]:
    """A verdict for every sentence of one source; for a claim of parts, also for every two in a row."""
    for width in (1, 2) if query.parts else (1,):
        for first in range(len(prepared.sentences) - width + 1):
            window = prepared.sentences[first : first + width]
            overlap = query.overlap(frozenset().union(*(s.words for s in window)), prepared.context)
            figured = query.figures.quantities and not query.words - prepared.context
            touches = figured or any(query.words & (s.subject or s.words) for s in window)
            if not touches or overlap < query.threshold + (_PAIR_EXTRA if width == 2 else 0.0):
                reason = "no_overlap"
            else:
                reason = _failure(query, prepared, first, window)
            quote = prepared.source.text[window[0].start : window[-1].end]
            yield _Verdict(reason, overlap, prepared.source.id, quote, width)


def _failure(query: _Query, prepared: _Prepared, first: int, window: Sequence[_Sentence]) -> str:
    """Why a window whose words fit does not support the claim, or nothing."""
    if _polarity_fails(query, window):
        return "polarity"
    if any(code not in prepared.codes and code not in prepared.lowered for code in query.figures.codes):
        return "code_not_in_source"
    if reason := _figures_fail(query, prepared, first, first + len(window) - 1):
        return reason
    said = " ".join([prepared.source.title, *(s.text for s in window)])
    nearest = max(window, key=lambda sentence: len(query.words & sentence.words)).text
    scopes = (_UNIVERSAL, _EACH)
    if not all(term.search(said) for term in query.terms) or any(
        scope.search(query.text) and not scope.search(nearest) for scope in scopes
    ):
        return "term_not_in_source"
    if any(
        deed not in said and wording.stem(deed.lower()) not in wording.content(said) for deed in query.deeds
    ):
        return "action_not_done"
    named = f"{said} {prepared.siblings}".lower()
    if not all(_stated(name, named) for name in query.names):
        return "name_not_in_source"
    return ""


class SourceSet:
    """Sources prepared once, for an answer checked sentence by sentence as it streams."""

    def __init__(self, sources: Sequence[Source]) -> None:
        # The facts of one order speak of one thing: a name may stand in another of them.
        orders: dict[str, str] = {}
        for source in sources:
            order, mark, _ = source.id.partition("#")
            if mark:
                orders[order] = f"{orders.get(order, '')} {source.text}"
        self._prepared = tuple(
            _Prepared(source, orders.get(source.id.partition("#")[0], ""))
            for source in sources
            if source.text.strip()
        )

    def check(self, sentence: str) -> Claim:
        """Judge one sentence. Never raises, whatever the text."""
        text = _BULLET.sub("", _MARKS.sub("", sentence)).strip().strip("*_ ")
        kind = _kind(text)
        if kind == "talk":
            return Claim(sentence, kind, supported=True)
        if _BARE.fullmatch(text):
            # Its meaning hangs on the question; the next sentence says it in words.
            return Claim(sentence, "claim", supported=False, reason="no_content")
        stripped = _LEAD.sub("", text)
        if stripped != text and _kind(stripped) == "talk":
            return Claim(sentence, "talk", supported=True)
        allowed = self._allowed(kind)
        if not allowed:
            reason = "action_not_done" if kind in ("action", "event") and self._prepared else "no_sources"
            return Claim(sentence, kind, supported=False, reason=reason)
        verdict = self._best(stripped, allowed)
        reason = verdict.reason
        if reason == "no_overlap" and kind in ("action", "event"):
            reason = "action_not_done"
        if reason:
            return Claim(sentence, kind, supported=False, reason=reason, overlap=verdict.overlap)
        return Claim(sentence, kind, True, verdict.source, verdict.quote, "", verdict.overlap)

    def _allowed(self, kind: Kind) -> tuple[_Prepared, ...]:
        """A deed needs proof: the action itself, or, told of an order, its live facts."""
        if kind == "action":
            return tuple(p for p in self._prepared if p.source.id.startswith("action:"))
        if kind == "event":
            return tuple(p for p in self._prepared if p.source.id.startswith("action:") or "#" in p.source.id)
        return self._prepared

    @staticmethod
    def _best(text: str, sources: Sequence[_Prepared]) -> _Verdict:
        query = _Query(text)
        # What names a product is supported by that product's sources, not by one that mentions it.
        about = [p for p in sources if any(_stated(name, p.source.title.lower()) for name in query.names)]
        sources = about or sources
        if not query.words and not any(
            (query.figures.quantities, query.figures.dates, query.figures.codes, query.names)
        ):
            return _Verdict("no_content", 0.0)
        verdicts = [verdict for prepared in sources for verdict in _judge(query, prepared)]
        if not verdicts:
            return _Verdict("no_overlap", 0.0)
        best = max(verdicts, key=lambda v: (v.overlap, not v.reason, v.reason != "no_overlap", -v.width))
        supported = [v for v in verdicts if not v.reason]
        if not supported or (best.reason in _CONTRADICTIONS and best.width == 1):
            return best
        # A sentence that says the opposite outweighs one that fits loosely and no better.
        loose = max(v.overlap for v in supported)
        for verdict in verdicts:
            if verdict.reason == "polarity" and verdict.width == 1 and loose <= verdict.overlap < 1:
                return verdict
        # Two sentences are worth quoting only when they hold clearly more than one.
        return max(supported, key=lambda v: v.overlap - 0.15 * (v.width - 1))


def check(answer: str | Sequence[str], sources: Sequence[Source]) -> list[Claim]:
    """Judge an answer: a text, which is split, or sentences already split. In order, one each."""
    sentences = split_sentences(answer) if isinstance(answer, str) else answer
    prepared = SourceSet(sources)
    return [prepared.check(sentence) for sentence in sentences]
