"""What sort of statement a sentence is: small talk, a claim, a deed, a promise."""

from __future__ import annotations

import re
from typing import Literal

from agent.grounding.claims import Kind
from agent.grounding.terms import TERMS
from agent.quantities import figures

MARKS = re.compile(r"\s*\[\d{1,2}\]")
BULLET = re.compile(r"^\s*(?:[-*•#>]+\s+|\d{1,2}[.)]\s+)")
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
DEED = re.compile(rf"\b(?:{_VERBS_DONE})\b|{_VERBS_DONE_ZH}", re.IGNORECASE)
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
LEAD = re.compile(
    r"^(?:(?:i['’]?m |i am |we['’]?re |we are )?(?:so |very |really )*sorry(?: (?:about|for"
    r"|to hear)[^,;]{0,50})?,? but "
    r"|(?:sorry|apologies|sure|certainly|of course|yes|no|great|okay|ok|absolutely|unfortunately|good news"
    r"|thanks|thank you"
    r"|hi|hello)[,!:;—-]+\s*"
    r"|(?:unfortunately|sure),? |(?:yes|no), "
    r"|(?:i['’]?m|i am|we['’]?re|we are) (?:afraid|sorry)(?: not[,:;]|[,:;])? (?:that |but )?"
    r"|(?:非常|很|十分)?(?:抱歉|不好意思|对不起|遗憾)[，,：:！! ]*|(?:您好|你好|亲亲?|好的|是的|当然|可以的|不是的|没问题)[，,：:！! ]+"
    r"|(?:是|可以|不可以|不行|不用|不能的?|有的?|没有|会的?|不会|要的?|不要|需要|不需要|能的?|行)[，,：:！!]+\s*)",
    re.IGNORECASE,
)
_SAYS_NO = re.compile(
    r"no[,:;—–-]|not (?:yet|any)\b|(?:i['’]?m|i am) afraid|sorry|unfortunately"
    r"|不[^，,：:！!]{0,3}[，,：:！!]|没有[，,：:！!]|(?:非常|很)?(?:抱歉|不好意思|对不起|遗憾)",
    re.IGNORECASE,
)
_SAYS_YES = re.compile(
    r"(?:yes|yep|sure|certainly|of course|absolutely)\b"
    r"|(?:好的|是的?|当然|可以的?|没问题|有的?|会的?|要的?|需要|能的?|行)[，,：:！!]",
    re.IGNORECASE,
)
BARE = re.compile(
    r"(?:yes|yep|no|nope|right|correct|true|false|可以|可以的|不可以|不行|不能|能|是|是的|不是|对|对的|会"
    r"|不会|有|有的|没有|行)\W*",
    re.IGNORECASE,
)
_QUESTION = re.compile(r"[?？]\W*\Z|[吗呢么]\W*\Z")
_LOADED = re.compile(
    r"\bdid you know\b|你知道吗|您知道吗|您知道|\bsince\b|\bbecause\b|由于|既然", re.IGNORECASE
)


def stance(sentence: str) -> Literal["", "yes", "no"]:
    """Whether a sentence begins by answering yes or no."""
    if _SAYS_NO.match(sentence):
        return "no"
    return "yes" if _SAYS_YES.match(sentence) else ""


def kind_of(sentence: str) -> Kind:
    """What sort of statement a cleaned sentence is."""
    if _ACTION.search(sentence) and not _QUESTION.search(sentence):
        return "action"
    has_figures = bool(figures(sentence).quantities)
    weighty = has_figures or any(term.search(sentence) for term in TERMS)
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
