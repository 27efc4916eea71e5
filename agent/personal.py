"""Personal data in English and Chinese shop texts: who, where, and the numbers that lead to them.

One table of recognisers, strongest first: a pattern whose group ``it`` is the datum, and where a
pattern alone would take too much, a check (a checksum, a count of digits). Names are found by what
stands around them ("my name is", "Mr", a signature, 我叫) and by a list of given names, so a rare
name without such a sign is missed, and names of things are left alone.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Literal, get_args

Type = Literal[
    "email",
    "url",
    "iban",
    "card",
    "resident_id",
    "ssn",
    "ip",
    "order",
    "address",
    "phone",
    "postcode",
    "person",
    "number",
]
"""``number``: a long number that could be any of them (a mistyped card, an account)."""

TYPES: tuple[Type, ...] = get_args(Type)

_NAMES = Path(__file__).parent / "data" / "given_names.txt"


@dataclass(frozen=True)
class Span:
    """Personal data in a text, ``text[start:end]``."""

    start: int
    end: int
    type: Type


def find(text: str) -> list[Span]:
    """The personal data of a text, in order, without overlaps; a stronger recogniser goes first."""
    taken: list[Span] = []

    def take(start: int, end: int, type: Type) -> None:
        at = bisect_left(taken, start, key=lambda span: span.end - 1)
        if start < end and (at == len(taken) or end <= taken[at].start):
            taken.insert(at, Span(start, end, type))

    for recogniser in _table():
        for match in recogniser.pattern.finditer(text):
            if recogniser.holds(match["it"]):
                take(*match.span("it"), recogniser.type)
    for start, end in [*_above_addresses(text, taken), *_again(text, taken)]:
        take(start, end, "person")
    return taken


def scrub(text: str) -> str:
    """The text with each datum replaced by its type in angle brackets: ``<email>``."""
    parts: list[str] = []
    done = 0
    for span in find(text):
        parts += [text[done : span.start], f"<{span.type}>"]
        done = span.end
    return "".join([*parts, text[done:]])


# ---- checks --------------------------------------------------------------------------------


def luhn(number: str) -> bool:
    """Whether the last digit of a card number checks (ISO/IEC 7812-1, annex B)."""
    digits = [int(char) for char in number if char.isdigit()]
    if not 12 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def iban(number: str) -> bool:
    """Whether the check digits of an account number are right (ISO 13616: modulo 97 is 1)."""
    plain = re.sub(r"\s", "", number).upper()
    turned = plain[4:] + plain[:4]
    if not 15 <= len(plain) <= 34 or not turned.isascii() or not turned.isalnum():
        return False
    return int("".join(str(int(char, 36)) for char in turned)) % 97 == 1


def resident_id(number: str) -> bool:
    """Whether an 18-digit Chinese resident number has a real birthday and the right last sign (GB 11643)."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(int(char) * weight for char, weight in zip(number, weights, strict=False))
    last: str = number[17].upper()
    return last == "10X98765432"[total % 11]


_DATE = re.compile(
    r"(?:19|20)\d\d[-/.]\d{1,2}[-/.]\d{1,2}(?!\d)|\d{1,2}[-/.]\d{1,2}[-/.](?:19|20)\d\d(?!\d)"
    r"|(?:19|20)\d\d\s?[-–/ ]\s?(?:19|20)\d\d$"
)


def _phone(number: str) -> bool:
    digits = sum(char.isdigit() for char in str(re.split(r"[x#e]", number)[0]))
    if _DATE.match(number) or re.fullmatch(r"\d{1,3}(?:[., ]\d{3})+(?:[.,]\d{1,2})?", number):
        return False  # a date, or an amount with its thousands apart
    if number.isdigit():
        return digits in (10, 11)
    return 7 <= digits <= 15


def _long_number(number: str) -> bool:
    return not _DATE.match(number) and sum(char.isdigit() for char in number) >= 9


# ---- names ---------------------------------------------------------------------------------

_UPPER = "A-ZÀ-ÖØ-ÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮİĴĶĹĻĽĿŁŃŅŇŌŎŐŒŔŖŘŚŜŞŠŢŤŦŨŪŬŮŰŲŴŶŸŹŻŽȘȚΆΈ-ΏΑ-ΩА-ЯЁ"
_WORD = rf"[{_UPPER}](?:[^\W\d_]|['’-](?!s\b)(?=[^\W\d_])){{0,30}}+(?![^\W\d_])"
_BETWEEN = rf"(?:[{_UPPER}]\.|van|von|de|der|den|la|del|della|da|di|dos|du|le|ter|bin|al|el|zu)"
_NAME = rf"{_WORD}(?:(?:[ ]{_BETWEEN}){{0,2}}[ ]{_WORD}){{0,2}}"
_FULL_NAME = rf"{_WORD}(?:(?:[ ]{_BETWEEN}){{0,2}}[ ]{_WORD}){{1,2}}"

_LABEL = re.compile(rf"[>\s]*(?P<it>{_FULL_NAME})\s*")
_FIRM = re.compile(
    r"\b(?:Inc|Ltd|LLC|GmbH|AG|Co|Corp\w*|Company|Group|Store|Shop|Center|Centre|Services?|Systems?)\b"
)

_NOT_NAMES = frozenset(
    """i the a an and or but not no yes hi hello dear hey thanks thank please sorry sir madam all everyone everybody
    team customer support service sales shop store there friend friends folks anyone manager staff help we you he she
    it they my your our their this that these those what when where which who why how if in on at to of for with from
    by as is are was were be been do does did can could will would should may might must have has had just really
    very so also still now here today tomorrow yesterday monday tuesday wednesday thursday friday saturday sunday
    january february march april june july august september october november december street road avenue north
    south east west order orders refund return returns delivery package parcel invoice number phone email address
    account card happy sad glad sure afraid interested american english german french italian spanish chinese japanese
    korean russian polish swedish norwegian danish finnish dutch greek turkish indian british irish scottish welsh
    canadian australian european asian african mexican brazilian portuguese ukrainian czech hungarian ok okay google
    amazon paypal visa mastercard dhl ups fedex usps christmas easter city country customs new old good great best
    any some one two three first last next""".split()  # noqa: SIM905 - a list of 200 strings is harder to read
)


def _person(name: str) -> bool:
    words = name.split()
    return words[0].lower().strip(".,") not in _NOT_NAMES and not all(
        word.lower() in _NOT_NAMES for word in words
    )


def _above_addresses(text: str, found: Sequence[Span]) -> Iterator[tuple[int, int]]:
    """A line that is a name alone, at most two lines above an address, as on a label."""
    for span in [span for span in found if span.type == "address"]:
        end = text.rfind("\n", 0, span.start)
        for _ in range(2):
            if end < 0:
                break
            start = text.rfind("\n", 0, end) + 1
            line = _LABEL.fullmatch(text, start, end)
            if line and _person(line["it"]) and not _FIRM.search(line["it"]):
                yield line.span("it")
            end = start - 1


def _again(text: str, found: Sequence[Span]) -> Iterator[tuple[int, int]]:
    """Where a name that was found stands again, or its last word alone."""
    names = [text[span.start : span.end] for span in found if span.type == "person"]
    words = {name for name in names if len(name) > 1} | {name.split()[-1] for name in names if " " in name}
    words = {word for word in words if not word.isascii() or (len(word) > 2 and word[0].isupper())}
    if words:
        longest = "|".join(map(re.escape, sorted(words, key=lambda word: (-len(word), word))))
        for match in re.finditer(rf"(?<![A-Za-z0-9-])(?:{longest})(?![A-Za-z0-9-])", text):
            yield match.span()


@cache
def _given() -> tuple[str, str]:
    """Given names as two alternations: plain ones, and ones that are everyday words too."""
    parts: dict[str, list[str]] = {}
    section = ""
    for line in _NAMES.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[] ")
        elif not line.startswith("#"):
            parts.setdefault(section, []).extend(line.split())
    words = set(parts["also words"])
    plain = set(parts["names"]) - words
    return "|".join(sorted(plain)), "|".join(sorted(words))


# The hundred commonest family names and the usual double ones.
_FAMILY_ZH = (
    "(?:欧阳|司马|上官|诸葛|慕容|令狐|皇甫|尉迟|[王李张刘陈杨黄赵周吴徐孙马朱胡郭何林罗高梁郑谢宋唐许韩冯邓曹彭曾"
    "肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺"
    "毛郝顾龚邵万覃武钱戴严莫孔向常汤康易乔赖文])"
)
_END_ZH = r"(?=$|[\s，。！？,.!?；;：:、）)的]|先生|女士|小姐|，|电话|手机|号)"
_TITLE_ZH = "先生|女士|小姐|太太|老师|经理|同学"

# ---- addresses -----------------------------------------------------------------------------

_STREETS = (
    "Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Square|Squares|Sq|Place|Pl|Terrace|Way"
    "|Crescent|Close|Highway|Hwy|Parkway|Pkwy|Trail|Circle|Cir|Row|Gardens|Grove|Mews|Quay|Walk|Hill|Alley|Plaza"
    "|Turnpike|Loop|Crossing|Heights|Green|Park|Mall|Path|Rise|Yard"
)
_STREET_FIRST = (
    "Rua|Rue|Via|Viale|Calle|C/|Carrera|Avenida|Av\\.|Avenue|Boulevard|Plaza|Piazza|Place|Chemin|Route|Allée|Quai|Cours"
    "|Corso|Largo|Paseo|Travessa|Praça|Ulica|ul\\.|Ul\\.|Jalan|Jl\\.|Camino|Ronda|Strada|Strada|Vicolo|Rúa|Carrer|Plac"
    "|Aleja|al\\.|Am|An der|Auf der|Im|In der|Zum|Zur|Alter|Neue|Große|Kleine|Unter den"
)
_STREET_END = (
    "straße|strasse|str\\.|weg|gasse|platz|allee|damm|ufer|steig|katu|[a-zäö]{4}tie|polku|kuja|vej|vejen|gade|gaten|gata|gatan"
    "|vägen|väg|gränd|veien|vegen|straat|laan|plein|kade|dijk|gracht|singel|utca|út|tér|útja|ulica|ova|ská|cesta|nám\\."
    "|stræde|allé|bakken|stígur?|stræti|braut|gerði|vegur"
)
_UNIT = (
    r"(?:Apt|Apartment|Suite|Ste|Unit|Flat|Room|Rm|Floor|Fl|Building|Bldg|Box|Lot|PMB)\b\.?\s?#?\s?\w{1,6}"
)
_PIECE = rf"(?:{_UNIT}|(?:[{_UPPER}][\w'’.-]*|\d[\w-]{{0,8}}|[,#])(?:[ ](?:[{_UPPER}][\w'’.-]*|\d[\w-]{{0,8}}|de|of|la|upon|sur)){{0,4}})"
_MORE = rf"(?:(?:,\s*|[ ]|\s*\n[ >]*,?[ ]*)(?!\+|\(?\d[\d ()-]{{7,}}){_PIECE}){{0,6}}"
"""What may follow a street: flat, town, country, code, on the same line or the next ones."""
_HOUSE = r"(?:No\.?\s?)?\d{1,6}[A-Za-z]?(?:[-/]\d{1,5}[A-Za-z]?)?"
_PROVINCE_ZH = "[\u4e00-\u9fff]{2,8}?(?:省|市|自治区|特别行政区)"


@dataclass(frozen=True)
class _Recogniser:
    type: Type
    pattern: re.Pattern[str]
    holds: Callable[[str], bool] = lambda _: True


def _that(
    type: Type, pattern: str, holds: Callable[[str], bool] = lambda _: True, *, case: bool = False
) -> _Recogniser:
    """A recogniser; ``case`` says that capitals matter."""
    return _Recogniser(
        type, re.compile(pattern, re.MULTILINE if case else re.MULTILINE | re.IGNORECASE), holds
    )


@cache
def _table() -> tuple[_Recogniser, ...]:
    """All recognisers, strongest first."""
    given, words = _given()
    return (
        _that("email", r"(?<![\w.+%-])(?P<it>[\w.+%-]{1,64}@(?:[\w-]{1,63}\.)+[\w-]{1,63}(?<!-))"),
        _that("url", r"(?P<it>\b(?:https?://|www\.)[^\s<>\"'，。）)]*[\w/])"),
        _that("url", r"(?<![\w@.-])(?P<it>(?:[a-z0-9-]{2,63}\.)+(?:com|org|net|cn|de|co\.uk|io|shop|eu|fr)\b(?:/\S*)?)"),
        _that("iban", r"\b(?P<it>[A-Z]{2}\d{2}[A-Z0-9]{11,30})\b", iban),
        _that("iban", r"\b(?P<it>[A-Z]{2}\d{2}(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?)\b", iban, case=True),
        _that("iban", r"\bIBAN\b\W{0,3}(?:is |number |no\. ?|为|是)*(?P<it>[A-Z]{2}\d{2}[A-Z0-9 ]{11,34}[A-Z0-9])\b"),
        _that("resident_id", r"(?<!\d)(?P<it>[1-9]\d{16}[\dX])(?!\d)", resident_id),
        _that("card", r"(?<![\d.-])(?P<it>\d(?:[ -]?\d){11,18})(?![\d-])", luhn),
        _that("ssn", r"(?<![\d-])(?P<it>(?!000|666)\d{3}-(?!00)\d{2}-(?!0000)\d{4})(?![\d-])"),
        _that("ssn", r"\b(?:ssn|social security(?: number| no\.?)?)\W{0,3}(?:is |number )*(?P<it>\d{3}[ -]?\d{2}[ -]?\d{4})\b"),
        _that("ip", r"(?<![\d.])(?P<it>(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d))(?![\d.]*\d)"),
        _that("ip", r"(?<![\w:])(?P<it>(?:[0-9a-f]{1,4}:){4,7}[0-9a-f]{1,4})(?![\w:])"),
        _that("order", r"\b(?P<it>[A-Z]{2,4}-\d{5,})\b", case=True),
        _that(
            "order",
            r"(?:\b(?:order|purchase|invoice|tracking|parcel|shipment|ticket)\b(?: (?:number|no\.?|id|code))?|订单|运单|快递单|单号|发票)"
            r"(?:编?号码?)?(?: is| was|是|为)?[\s:：#]{0,3}(?P<it>[A-Z]{0,4}-?\d{5,}[\w-]*)",
        ),
        *_addresses(),
        _that("postcode", r"\b(?:zip|zip ?code|post ?code|postal code|postleitzahl|plz)\b(?:\W{1,4}(?:is )?|\s+is\s+)(?P<it>[A-Z]{0,2}-?\d[\dA-Z]*(?:[ -]\d[\dA-Z]{1,4})?)\b"),
        _that("postcode", r"(?:邮编|邮政编码)[\s:：是为]{0,3}(?P<it>\d{6})(?!\d)"),
        _that("number", r"(?:\b(?:passport|driver['’]?s? licen[cs]e|driving licen[cs]e)\b(?: number| no\.?)?|护照号?码?|驾驶?证号?)(?: is|是|为)?[\s:：#]{0,3}(?P<it>[A-Z]{0,2}\d[\d-]{5,})"),
        _that("phone", r"(?<!\d)(?P<it>(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4})(?!\d)"),
        _that("phone", r"(?<!\d)(?P<it>0\d{2,3}[- ]\d{7,8}|400[- ]?\d{3}[- ]?\d{4})(?!\d)"),
        _that(
            "phone",
            r"(?:\b(?:phone|tel|telephone|mobile|cell|call(?: me)?(?: (?:on|at))?|fax|desk|number is|reach me (?:at|on))\b|电话|手机|联系方式)"
            r"[\s:：.#是号码]{0,6}(?P<it>\+?\(?\d[\d ()./-]{5,18}\d)",
            lambda number: 6 <= sum(char.isdigit() for char in number) <= 15 and not _DATE.match(number),
        ),
        _that(
            "phone",
            r"(?<![\w.,#/€$£¥-])(?P<it>\+?\(?\+?\d{1,15}+\)?(?:[ .\-/]{0,2}\(\d{1,5}\)|(?:[ .\-/]{1,2}|(?<=\)))\d{1,10}+){0,6}(?: ?(?:x|ext\.?|#) ?\d{1,6})?)"
            r"(?![\w%€$£¥])(?! ?(?:EUR|USD|GBP|CNY|RMB|元|欧元|美元))",
            _phone,
        ),
        _that("postcode", r"\b(?P<it>(?:GIR 0AA|[A-Z]{1,2}\d[A-Z\d]? \d[ABD-HJLNP-UW-Z]{2}))\b", case=True),
        _that("postcode", r"\b[A-Z]{2},? (?P<it>\d{5}(?:-\d{4})?)\b", case=True),
        _that("number", r"(?<!\d)(?P<it>\+?\d[\d ()-]{7,}\d)(?!\d)", _long_number),
        *_persons(given, words),
    )  # fmt: skip


def _addresses() -> tuple[_Recogniser, ...]:
    """A street with its number, and what follows; or what stands after "my address is"."""
    return (
        _that("address", rf"\b(?P<it>{_HOUSE},? (?:[{_UPPER}\d][\w'’.-]*[ ]){{1,5}}(?:{_STREETS})\b\.?{_MORE})", case=True),
        _that("address", rf"\b(?P<it>(?:\d{{1,6}} )?[{_UPPER}][\w'’-]{{1,30}}(?:{_STREET_END})[,]? ?{_HOUSE}\b{_MORE})", case=True),
        _that("address", rf"\b(?P<it>[a-zäöåøæ]{{3,}}(?:strasse|straße|straat|katu|vej|gade|gatan|vägen|veien) {_HOUSE})\b", case=True),
        _that("address", r"(?P<it>(?:\b(?:PSC|CMR|Unit) \d+,? Box \d+|\b\w+(?: \w+){0,3})[\s,]*\n?\b(?:APO|FPO|DPO),? A[AEP] \d{5})\b"),
        _that("address", rf"\b(?P<it>(?:\d{{1,6}},? ){{1,2}}(?:{_STREET_FIRST}) (?:(?:de|del|della|di|da|do|dos|la|le|les|des|du|den) |[{_UPPER}][\w'’.-]*[ ]?){{1,5}}{_MORE})", case=True),
        _that("address", rf"\b(?P<it>(?:{_STREET_FIRST}) (?:(?:de|del|della|di|da|do|dos|la|le|les|des|du|den) |[{_UPPER}][\w'’.-]* ?){{1,5}},? ?{_HOUSE}\b{_MORE})", case=True),
        _that("address", rf"\b(?P<it>(?:P\.?\s?O\.?\s?Box|PSC|CMR|Postfach|Box)\s?\d+{_MORE})", case=True),
        _that("address", rf"\b(?P<it>(?:\d{{1,6}} )?(?:[{_UPPER}][\w'’.-]* ){{1,4}}\d{{1,5}}[A-Za-z]?,?\s+{_UNIT}{_MORE})", case=True),
        _that(
            "address",
            r"(?:\b(?:address (?:to|is|:)|lives? (?:at|in)|lived in|located at|sent? to|deliver(?:ed)? to|ship(?:ped)? to|(?:return|mail|forward) to|address:"
            r"|meet (?:me|you) at|restaurant is at|arrived at|address with|taxi to|the same:|corner of|side of|address\? it is|it['’]s in|off at)\s+)"
            rf"(?P<it>(?-i:(?:[{_UPPER}\d][\w'’./-]*)(?:(?:[ ]|,\s*|\s*\n[ >]*,?[ ]*)(?:[{_UPPER}\d][\w'’./-]*|de|del|di|da|la|of|des|du|den|van|der)){{0,16}}))",
            lambda text: any(char.isdigit() for char in text),
        ),
        _that("address", rf"(?P<it>\b{_UNIT})", lambda text: any(char.isdigit() for char in text) and not text.startswith(("Floor", "Room", "Building", "Unit", "Box", "Fl ", "Lot")), case=True),
        _that(
            "address",
            r"(?:地址|住址|住在|寄到|送到|寄往|配送至|收货地址)[\s:：是为改成到]{0,4}(?P<it>[\u4e00-\u9fff][\u4e00-\u9fffA-Za-z0-9\-—#（）()]{4,60})",
            lambda text: bool(re.search(r"\d|[省市区县路街镇村]", text)) and not re.search("怎么|什么|可以|吗|多久", text),
        ),
        _that(
            "address",
            rf"(?P<it>(?:{_PROVINCE_ZH}){{0,3}}(?:[\u4e00-\u9fff]{{1,8}}?(?:区|县|镇|乡|街道|新区|开发区)){{0,3}}"
            r"[\u4e00-\u9fff]{1,12}?(?:路|街|道|巷|弄|胡同|大厦|小区|花园|公寓|村|苑)(?:[\u4e00-\u9fffA-Za-z]{0,10}?\d{1,5}(?:号楼|号院|号|弄|栋|幢|座|单元|楼|层|室)){1,5}(?:\d{1,5}室?)?)",
        ),
    )  # fmt: skip


def _persons(given: str, words: str) -> tuple[_Recogniser, ...]:
    """Names by their surroundings, then by the list of given names."""
    return (
        _that(
            "person",
            r"\b(?i:my (?:(?:full|first|last|given|family|maiden|sur) ?)?name(?:['’]s| is)|(?:her|his|maiden|last|first|full) name(?:['’]s| is)|call me|calls? me"
            r"|this is|named (?:him|her)|speak(?:ing)? (?:to|with)|(?:change|correct) it to|name\?(?: user:)?|i am called|i['’]m called|it['’]s under)"
            rf":?\s+(?:(?:Mr|Mrs|Ms|Miss|Dr|Prof)\.? )?(?P<it>{_NAME})",
            _person,
            case=True,
        ),
        _that("person", r"\bmy name(?:['’]s| is) (?P<it>[a-z]{2,15}(?: [a-z]{2,15})?)(?=\s*(?:$|[.,!?]| and\b))"),
        _that(
            "person",
            rf"\b(?:I am|I['’]m|i am|i['’]m) (?P<it>{_NAME})(?=\s*(?:$|[.,!;]|\band\b|\bfrom\b|\bcalling\b|\bwriting\b))",
            _person,
            case=True,
        ),
        _that("person", rf"\b(?i:mr|mrs|ms|miss|mx|dr|prof|professor|herr|frau|señora?|madame|monsieur)\b\.? (?P<it>{_NAME})", _person, case=True),
        _that("person", rf"^\W{{0,3}}(?:Dear|Hi|Hello|Hey|Hallo|Good (?:morning|afternoon|evening)),? (?P<it>{_NAME})(?=[,!.:])", _person, case=True),
        _that(
            "person",
            r"^\W{0,3}(?:(?i:kind |best |warm |many )?(?i:regards|wishes|sincerely|cheers|thanks|thank you|yours(?: truly)?|best|greetings))[,.!]?"
            rf"(?:\s*\n\s*|\s+[-–—]\s*)[-–—]?\s*(?P<it>{_NAME})(?=\s*$)",
            _person,
            case=True,
        ),
        _that("person", rf"\b(?P<it>{_WORD} [{_UPPER}]\. {_WORD})", _person, case=True),
        _that("person", rf"\b(?i:my (?:wife|husband|partner|son|daughter|kid|child|mother|father|mum|mom|dad|brother|sister|friend|colleague|neighbou?r|boss)),? (?P<it>{_NAME})", _person, case=True),
        _that("person", rf"\b(?:says|said|told|asked|signed by|written by) (?P<it>{_FULL_NAME})", _person, case=True),
        _that("person", rf"(?i:\b(?:name|customer|recipient|contact|attn|addressee|account holder|c/o|directed by|billing address))[:：]\s*(?P<it>{_NAME})(?=\s*(?:$|[,;.(]|\n))", _person, case=True),
        _that("person", rf"(?<![\w.] )\b(?P<it>{_FULL_NAME})(?=['’]s (?:address|phone|e-?mail|account|order|number|name|birthday)\b| lives? (?:at|in)\b| (?:said|says|wrote|ordered|called|signed)\b)", _person, case=True),
        _that("person", rf"\b(?P<it>(?:{given})\b(?:(?:[ ]{_BETWEEN}){{0,2}}[ ]{_WORD}){{0,2}})(?!-)", case=True),
        _that("person", rf"\b(?P<it>(?:{words})(?:[ ]{_BETWEEN}){{0,2}}[ ](?!(?:{words})\b|Street|Road|Avenue|Lane)[{_UPPER}][^\W\d_]*(?:son|ez|ski|sky|berg|ova|ley|field|worth|ham))\b", case=True),
        _that("person", rf"(?:我叫|名叫|我的名字[是叫]|叫我)(?P<it>{_FAMILY_ZH}?[\u4e00-\u9fff]{{1,3}}?){_END_ZH}"),
        _that("person", rf"(?:姓名|名字|收[件货]人|联系人|署名|抬头|称呼)[\s:：是为改成]{{1,3}}(?P<it>{_FAMILY_ZH}[\u4e00-\u9fff]{{1,2}})"),
        _that("person", rf"(?:我是|本人|您好，我是)(?P<it>{_FAMILY_ZH}[\u4e00-\u9fff]{{1,2}}){_END_ZH}", lambda name: not re.search("[会员客户户家人级兴明白货]$", name)),
        _that("person", rf"(?P<it>{_FAMILY_ZH}[\u4e00-\u9fff]{{0,2}}?)(?={_TITLE_ZH})"),
        _that("person", rf"(?P<it>{_FAMILY_ZH}[\u4e00-\u9fff]{{1,2}}?)(?=[，,\s]{{0,2}}1[3-9]\d{{9}})"),
    )  # fmt: skip
