"""Invented customers: names and addresses drawn from small pools per country.

Nobody here exists. E-mail addresses use the domains reserved for examples.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from random import Random
from typing import Final

from agent.ids import Language
from agent.shop.port import Address


@dataclass(frozen=True)
class Person:
    """Somebody who might be a customer."""

    name: str
    email: str
    language: Language
    address: Address

    @property
    def country(self) -> str:
        """Where they live, ISO code."""
        return self.address.country


@dataclass(frozen=True)
class _Land:
    """What names and addresses look like somewhere."""

    code: str
    weight: int
    given: tuple[str, ...]
    family: tuple[str, ...]
    cities: tuple[tuple[str, str, str], ...]
    """City, region, and postal code, in which ``#`` is any digit and ``@`` any letter."""
    streets: tuple[str, ...]
    number_first: bool = False


_LANDS: Final = (
    _Land(
        "DE",
        26,
        (
            *("Hannah", "Lukas", "Miriam", "Jonas", "Katrin", "Felix", "Anneke", "Tobias", "Lena", "Moritz"),
            *("Sabine", "Henrik", "Frieda", "Matthias", "Jule", "Sören"),
        ),
        (
            *("Weber", "Hoffmann", "Krüger", "Schreiber", "Lindner", "Vogt", "Brandt", "Seidel", "Pohl"),
            *("Ziegler", "Engel", "Böhm", "Kuhn", "Arnold", "Thoma"),
        ),
        (
            ("Leipzig", "", "0410#"),
            ("Hamburg", "", "2035#"),
            ("Freiburg", "", "7910#"),
            ("München", "", "8033#"),
            ("Köln", "", "5067#"),
            ("Dresden", "", "0109#"),
            ("Bremen", "", "2819#"),
        ),
        ("Lindenstraße", "Bahnhofstraße", "Gartenweg", "Goethestraße", "Am Mühlbach", "Schillerstraße"),
    ),
    _Land(
        "GB",
        15,
        ("Oliver", "Imogen", "Callum", "Freya", "Rhys", "Bethan", "Isla", "Hamish", "Nadia", "Gareth"),
        ("Whitaker", "Sinclair", "Okafor", "Pritchard", "Hargreaves", "Doyle", "Mackenzie", "Ashworth"),
        (
            ("Bristol", "", "BS# #@@"),
            ("Sheffield", "", "S1# #@@"),
            ("Edinburgh", "", "EH# #@@"),
            ("Keswick", "Cumbria", "CA12 #@@"),
            ("Cardiff", "", "CF1# #@@"),
        ),
        ("Mill Lane", "Church Street", "Station Road", "Priory Close", "Fell View", "Albert Terrace"),
        number_first=True,
    ),
    _Land(
        "NL",
        11,
        ("Sanne", "Daan", "Femke", "Bram", "Lotte", "Jasper", "Maaike", "Thijs"),
        ("de Vries", "Bakker", "van Dijk", "Visser", "Mulder", "Hoekstra", "van den Berg"),
        (("Utrecht", "", "35## @@"), ("Groningen", "", "97## @@"), ("Nijmegen", "", "65## @@")),
        ("Oudegracht", "Kerkstraat", "Julianalaan", "Molenweg", "Beukenlaan"),
    ),
    _Land(
        "FR",
        10,
        ("Camille", "Julien", "Manon", "Étienne", "Chloé", "Baptiste", "Solène", "Théo"),
        ("Moreau", "Lefèvre", "Garnier", "Rousseau", "Chevalier", "Perrin", "Blanchard"),
        (("Lyon", "", "6900#"), ("Grenoble", "", "3800#"), ("Annecy", "", "7400#"), ("Nantes", "", "4400#")),
        ("rue des Tilleuls", "avenue Jean Jaurès", "rue du Moulin", "chemin des Vignes"),
        number_first=True,
    ),
    _Land(
        "AT",
        9,
        ("Theresa", "Stefan", "Magdalena", "Florian", "Verena", "Clemens"),
        ("Gruber", "Steiner", "Hofer", "Leitner", "Aigner", "Wallner"),
        (("Innsbruck", "Tirol", "602#"), ("Salzburg", "", "502#"), ("Graz", "Steiermark", "801#")),
        ("Maria-Theresien-Straße", "Inngasse", "Bergstraße", "Schulgasse"),
    ),
    _Land(
        "IT",
        8,
        ("Giulia", "Matteo", "Chiara", "Davide", "Elisa", "Pietro"),
        ("Ferrari", "Conti", "Marchetti", "Bianchi", "Rinaldi", "Moretti"),
        (("Bolzano", "BZ", "3910#"), ("Torino", "TO", "1012#"), ("Bergamo", "BG", "2412#")),
        ("Via Garibaldi", "Via dei Mille", "Corso Italia", "Via San Marco"),
    ),
    _Land(
        "ES",
        7,
        ("Lucía", "Álvaro", "Marta", "Iker", "Nuria", "Pablo"),
        ("Navarro", "Ibáñez", "Castillo", "Ferrer", "Aguirre", "Molina"),
        (("Bilbao", "Bizkaia", "4800#"), ("Granada", "", "1800#"), ("Girona", "", "1700#")),
        ("Calle Mayor", "Calle del Río", "Avenida de la Paz", "Carrer de la Font"),
    ),
    _Land(
        "SE",
        6,
        ("Elin", "Oskar", "Astrid", "Viktor", "Sofia", "Nils"),
        ("Lindqvist", "Bergström", "Nyberg", "Sandell", "Hedlund", "Åkesson"),
        (("Uppsala", "", "753 ##"), ("Göteborg", "", "411 ##"), ("Östersund", "", "831 ##")),
        ("Storgatan", "Björkvägen", "Kungsgatan", "Sjövägen"),
    ),
    _Land(
        "PL",
        5,
        ("Agnieszka", "Tomasz", "Magdalena", "Paweł", "Zofia", "Michał"),
        ("Kowalczyk", "Wójcik", "Mazur", "Pawlak", "Nowak", "Wrona"),
        (("Kraków", "", "30-0##"), ("Wrocław", "", "50-1##"), ("Zakopane", "", "34-500")),
        ("ul. Lipowa", "ul. Szkolna", "ul. Krótka", "ul. Tatrzańska"),
    ),
    _Land(
        "IE",
        3,
        ("Aoife", "Cian", "Niamh", "Declan", "Orla"),
        ("Gallagher", "O'Sullivan", "Brennan", "Keane"),
        (("Galway", "Co. Galway", "H91 @#@#"), ("Cork", "Co. Cork", "T12 @#@#")),
        ("Quay Street", "Abbey Road", "Sea View"),
        number_first=True,
    ),
)

_FAMILY_ZH: Final = (
    *(("王", "Wang"), ("李", "Li"), ("张", "Zhang"), ("刘", "Liu"), ("陈", "Chen"), ("杨", "Yang")),
    *(("赵", "Zhao"), ("黄", "Huang"), ("周", "Zhou"), ("吴", "Wu"), ("徐", "Xu"), ("孙", "Sun")),
    *(("马", "Ma"), ("朱", "Zhu"), ("胡", "Hu"), ("林", "Lin"), ("郭", "Guo"), ("何", "He")),
    *(("高", "Gao"), ("罗", "Luo"), ("郑", "Zheng"), ("梁", "Liang"), ("谢", "Xie"), ("宋", "Song")),
)
_GIVEN_ZH: Final = (
    *(("伟", "Wei"), ("静", "Jing"), ("子涵", "Zihan"), ("浩然", "Haoran"), ("雨桐", "Yutong")),
    *(("欣怡", "Xinyi"), ("宇轩", "Yuxuan"), ("思远", "Siyuan"), ("晓东", "Xiaodong"), ("丽华", "Lihua")),
    *(("建国", "Jianguo"), ("佳琪", "Jiaqi"), ("明哲", "Mingzhe"), ("若曦", "Ruoxi"), ("俊杰", "Junjie")),
    *(("雅婷", "Yating"), ("志强", "Zhiqiang"), ("梦瑶", "Mengyao"), ("天宇", "Tianyu"), ("敏", "Min")),
    *(("嘉怡", "Jiayi"), ("文博", "Wenbo"), ("诗涵", "Shihan"), ("磊", "Lei")),
)
_CITIES_ZH: Final = (
    ("上海市", "上海市", "2000##", ("浦东新区张杨路", "徐汇区衡山路", "静安区南京西路", "杨浦区国定路")),
    ("北京市", "北京市", "1000##", ("海淀区中关村大街", "朝阳区望京街", "东城区和平里东街")),
    ("杭州市", "浙江省", "3100##", ("西湖区文三路", "拱墅区莫干山路", "滨江区江南大道")),
    ("成都市", "四川省", "6100##", ("武侯区人民南路", "锦江区红星路", "青羊区草市街")),
    ("深圳市", "广东省", "5180##", ("南山区科苑路", "福田区福华路", "罗湖区深南东路")),
    ("昆明市", "云南省", "6500##", ("五华区翠湖北路", "盘龙区北京路")),
    ("武汉市", "湖北省", "4300##", ("武昌区中山路", "洪山区珞喻路")),
)

_DOMAINS: Final = ("example.com", "example.org", "example.net")
_LETTERS: Final = "ABDEFGHJLNPQRSTUWXYZ"
_ABROAD_ZH: Final = 0.2
"""Share of Chinese-speaking customers who live in Europe."""


def invent(rng: Random, language: Language, taken: set[str]) -> Person:
    """Make up somebody whose name is not ``taken`` (the part of an e-mail before the @), and add it."""
    while True:
        person = _anybody(rng, language)
        local = person.email.partition("@")[0]
        if local not in taken:
            taken.add(local)
            return person


def _anybody(rng: Random, language: Language) -> Person:
    land = rng.choices(_LANDS, weights=[land.weight for land in _LANDS])[0]
    if language == "en":
        name = latin = f"{rng.choice(land.given)} {rng.choice(land.family)}"
        address = _address(rng, land, name)
    else:
        (family_zh, family), (given_zh, given) = rng.choice(_FAMILY_ZH), rng.choice(_GIVEN_ZH)
        name, latin = f"{family_zh}{given_zh}", f"{given} {family}"
        abroad = rng.random() < _ABROAD_ZH
        address = _address(rng, land, latin) if abroad else _address_zh(rng, name)
    return Person(name, _email(rng, latin), language, address)


def _address(rng: Random, land: _Land, recipient: str) -> Address:
    city, region, code = rng.choice(land.cities)
    street, number = rng.choice(land.streets), rng.randint(1, 98)
    line1 = f"{number} {street}" if land.number_first else f"{street} {number}"
    return Address(recipient, line1, "", city, region, _fill(rng, code), land.code)


def _address_zh(rng: Random, recipient: str) -> Address:
    city, region, code, streets = rng.choice(_CITIES_ZH)
    line1 = f"{rng.choice(streets)} {rng.randint(1, 680)} 号"
    line2 = f"{rng.randint(1, 20)} 栋 {rng.randint(2, 26)}0{rng.randint(1, 8)} 室"
    return Address(recipient, line1, line2, city, region, _fill(rng, code), "CN")


def _fill(rng: Random, pattern: str) -> str:
    digits = "".join(str(rng.randint(0, 9)) if sign == "#" else sign for sign in pattern)
    return "".join(rng.choice(_LETTERS) if sign == "@" else sign for sign in digits)


def _email(rng: Random, latin: str) -> str:
    folded = latin.lower().replace("ł", "l").replace("ß", "ss").replace("'", "")
    plain = unicodedata.normalize("NFKD", folded).encode("ascii", "ignore").decode()
    return f"{'.'.join(plain.split())}@{rng.choice(_DOMAINS)}"
