"""Things that shoppers and shops call by different words: "send it back" is a return.

A small embedder knows many of these, but not which of them a rule is about. The words are those
of shops in general; none is taken from a shop's documents.
"""

from __future__ import annotations

import re

_WORDS: dict[str, str] = {
    "weight": r"heav(?:y|ier)|weigh\w*|重量|多重|[多几]少?(?:斤|公斤)|公斤|千克",
    "return": r"return\w*|(?:send|sent|give|bring|take|mail|ship)\w* (?:\w+ ){0,3}back|(?:goes?|going|come) back"
    r"|退(?!款|钱)|寄回",
    "refund": r"refund\w*|(?:my|the|your)? ?money(?: \w+){0,2} back|money (?:arrive|come|return)\w*|reimburs\w*"
    r"|退款|退钱|到账|钱(?:呢|什么时候|多久|几天|怎么)",
    "exchange": r"exchang\w*|swap\w*|(?:another|different|other|bigger|smaller|larger) (?:size|colou?r|one)"
    r"|换货|换码|换个|换一|更换|调换|换大|换小|换成|换颜色|换尺",
    "delivery": r"deliver\w*|ship(?:s|ped|ping|ment)?|dispatch\w*|sent out|get here|arriv\w*|courier|carrier|transit|posted"
    r"|配送|发货|送货|快递|到货|送达|物流|寄到|寄往|送到|几天到|能到|运输|收到",
    "parcel": r"parcels?|packages?|box(?:es)?|包裹|箱子|快递",
    "lost": r"lost|missing|never (?:came|arrived|got)|(?:not|n't|nt) (?:arriv|receiv|come|got|get)\w*|late|delay\w*"
    r"|丢|遗失|没收到|没到|未收到|不见|少了|延误|晚到",
    "split": r"split\w*|several (?:parcels|deliveries)|separat\w*|partial\w*|rest of|only (?:one|part|half)"
    r"|分开|分批|拆分|剩下|其余|另一半|只[收来]",
    "cancel": r"cancel\w*|call(?:ed)? off|stop (?:my|the|it)|changed my mind|by mistake|取消|撤销|不想要|不要了|后悔",
    "broken": r"brok\w+|fault\w*|defect\w*|damag\w*|break\w*|does ?n.?t work|stopped working|crack\w*|leak\w*|torn|dent\w*|bent"
    r"|wrong (?:item|one|product|colou?r|size)|坏|损坏|故障|破|碎|裂|漏|质量问题|瑕疵|发错|错的",
    "warranty": r"warrant\w*|guarantee\w*|保修|质保|保几年",
    "cost": r"cost\w*|prices?|fees?|charg\w*|how much|expensive|free|cheap\w*|surcharge|多少钱|费用|运费|邮费|收费|价格|免费|要钱|花钱|扣|贵",
    "pay": r"pay(?:s|ing|ment|ments)?|paid|paypal|credit card|cards?|klarna|instal\w+|invoice|bank transfer|bill|voucher"
    r"|付款|支付|付钱|微信|支付宝|信用卡|转账|发票|分期|刷卡",
    "charged": r"charged?|debit\w*|taken from|(?:take|took) (?:the|my) money|扣款|扣钱|扣费|什么时候扣",
    "address": r"address\w*|moved|moving|new (?:place|flat|house)|地址|搬家|改地",
    "privacy": r"privacy|personal data|my data|data|delete (?:my|every)\w*|account|隐私|个人信息|资料|数据|账号|账户",
    "repair": r"repair\w*|fix\w*|mend\w*|spare|replacement part\w*|修|维修|修理|配件|备件",
    "cleaning": r"wash\w*|clean\w*|launder\w*|rinse\w*|dishwasher|洗|清洁|擦|保养",
    "size": r"size\w*|dimension\w*|measur\w*|how (?:big|tall|wide|large|long is|high)|diameter|width|height|尺寸|尺码|多大|多高|多宽|多长(?!时间)|大小",
    "express": r"express|next.day|urgent\w*|tomorrow|overnight|fast(?:er|est)?|asap|加急|特快|次日|明天|当天|急用",
    "customs": r"customs|dut(?:y|ies)|import\w*|tax(?:es)?|vat|关税|海关|清关|进口|税",
    "abroad": r"abroad|international\w*|oversea\w*|countr\w+|outside|(?:ship|deliver|send|post) (?:\w+ ){0,2}to"
    r"|国家|国外|海外|国际|境外|寄到|送到|能寄|能送",
    "reduced": r"sale|clearance|discount\w*|outlet|reduced|final sale|last.chance|清仓|特价|打折|折扣|促销|尾货|特卖",
    "cheaper": r"cheaper|price.match\w*|lower price|for less|price (?:drop|cut)\w*|price went down|保价|差价|更便宜|降价|便宜了|价保",
    "used": r"used|worn|open(?:ed)?|tried|unpack\w*|washed|tags?|labels?|original (?:box|packag)\w*|seal\w*|用过|穿过|拆|开封|吊牌|标签|原包装|试过",
    "water": r"waterproof\w*|water.?resist\w*|rain\w*|wet|splash\w*|swim\w*|防水|淋雨|下雨|进水|泡水",
    "power": r"batter(?:y|ies)|charg(?:e|ing|er)\b|watt\w*|volt\w*|power\w*|电池|充电|续航|功率|电压|瓦",
    "age": r"\bages?\b|years? old|kids?|child\w*|baby|babies|toddler\w*|岁|年龄|儿童|孩子|宝宝|小孩",
    "material": r"made (?:of|from)|material\w*|fabric\w*|ingredient\w*|contain\w*|leather|cotton|wool|plastic|材质|材料|成分|面料|含有|什么做的",
    "colour": r"colou?rs?|shades?|black|white|颜色|色号|什么色|黑色|白色",
    "stock": r"in stock|out of stock|sold out|back in|restock\w*|available|availability|有货|缺货|补货|现货|断货|卖完",
    "contain": r"come with|comes with|includ\w*|in the box|supplied|套装|包含|附带|自带|配有|送不送|里面有",
}
_HAN = re.compile(r"[\u4e00-\u9fff]")


def _pattern(words: str) -> re.Pattern[str]:
    """English parts stand as words of their own, Chinese ones anywhere."""
    cut = words.rindex("|", 0, han.start()) if (han := _HAN.search(words)) else len(words)
    return re.compile(rf"\b(?:{words[:cut]})\b{words[cut:]}", re.IGNORECASE)


_CONCEPTS = {name: _pattern(words) for name, words in _WORDS.items()}


def concepts(text: str) -> frozenset[str]:
    """Names of the things that a text speaks of."""
    return frozenset(name for name, pattern in _CONCEPTS.items() if pattern.search(text))
