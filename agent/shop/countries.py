"""The countries the demo shop knows by name: ISO 3166-1 alpha-2 codes, English and Chinese names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agent.ids import Language

_NAMES: Final[Mapping[str, tuple[str, str]]] = {
    "AT": ("Austria", "奥地利"),
    "AU": ("Australia", "澳大利亚"),
    "BE": ("Belgium", "比利时"),
    "BG": ("Bulgaria", "保加利亚"),
    "CA": ("Canada", "加拿大"),
    "CH": ("Switzerland", "瑞士"),
    "CN": ("China", "中国"),
    "CY": ("Cyprus", "塞浦路斯"),
    "CZ": ("Czechia", "捷克"),
    "DE": ("Germany", "德国"),
    "DK": ("Denmark", "丹麦"),
    "EE": ("Estonia", "爱沙尼亚"),
    "ES": ("Spain", "西班牙"),
    "FI": ("Finland", "芬兰"),
    "FR": ("France", "法国"),
    "GB": ("United Kingdom", "英国"),
    "GR": ("Greece", "希腊"),
    "HK": ("Hong Kong", "香港"),
    "HR": ("Croatia", "克罗地亚"),
    "HU": ("Hungary", "匈牙利"),
    "IE": ("Ireland", "爱尔兰"),
    "IS": ("Iceland", "冰岛"),
    "IT": ("Italy", "意大利"),
    "JP": ("Japan", "日本"),
    "KR": ("South Korea", "韩国"),
    "LT": ("Lithuania", "立陶宛"),
    "LU": ("Luxembourg", "卢森堡"),
    "LV": ("Latvia", "拉脱维亚"),
    "MT": ("Malta", "马耳他"),
    "NL": ("Netherlands", "荷兰"),
    "NO": ("Norway", "挪威"),
    "NZ": ("New Zealand", "新西兰"),
    "PL": ("Poland", "波兰"),
    "PT": ("Portugal", "葡萄牙"),
    "RO": ("Romania", "罗马尼亚"),
    "SE": ("Sweden", "瑞典"),
    "SG": ("Singapore", "新加坡"),
    "SI": ("Slovenia", "斯洛文尼亚"),
    "SK": ("Slovakia", "斯洛伐克"),
    "TW": ("Taiwan", "台湾"),
    "US": ("United States", "美国"),
}

_CODES: Final[Mapping[str, str]] = {
    **{name.casefold(): code for code, names in _NAMES.items() for name in names},
    **{code.casefold(): code for code in _NAMES},
    "uk": "GB",
    "great britain": "GB",
    "the netherlands": "NL",
    "czech republic": "CZ",
    "usa": "US",
    "中国大陆": "CN",
}


def country_code(text: str) -> str | None:
    """The code for a code or a name in either language (case ignored), or ``None``."""
    return _CODES.get(text.strip().casefold())


def country_name(code: str, language: Language) -> str:
    """The country's name; an unknown code is its own name."""
    names = _NAMES.get(code)
    return code if names is None else names[0 if language == "en" else 1]
