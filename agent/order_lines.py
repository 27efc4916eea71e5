"""Which lines of an order a message names: "the boots and the blue bottle", 登山杖和水壶, "1 and 3".

A line is called by its title, by some of its words, or by the thing it is. Several are meant where
they are said one after the other, with nothing but "and" and the like between them. Of lines with
one title the variant decides. What is not certain is left out, and the turn asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.shop.port import OrderLine

_WORD = re.compile(r"[a-z0-9][\w.'’-]*|[\u4e00-\u9fff]")
_UNITS = frozenset(
    {"ml", "l", "cm", "mm", "m", "g", "kg", "w", "mah", "inch", "毫升", "升", "厘米", "米", "克"}
)
_AND = frozenset(re.findall(r"\S+", "and & + plus also then as well 和 跟 与 以及 还有 及 加上 、 , ，"))
_BESIDE = frozenset(
    re.findall(
        r"\S+",
        "the my a an one both these those this that in of size colour color pair x"
        " 那 这 个 件 双 条 顶 只 把 款 的 我 两 一 色 码 号",
    )
)
"""Words that may stand between two things beside "and"."""
_NOT = re.compile(
    r"(?:\b(?:keep|keeping|except|apart from|happy with|instead of|not the|not my"
    r"|(?:not|don'?t|won'?t) (?:\w+ ){0,3}?(?:return|send|exchange|swap|refund)\w*)\b"
    r"|留(?!言)|[不别](?:用|要|想)?[退换]|除了)[^.!?;,。！？；，]{0,24}\Z",
    re.IGNORECASE,
)
"""Before a thing: it is not meant."""
_FINE = re.compile(
    r"\s*(?:(?:is|are|was|were|works?|fits?|looks?) (?:\w+ )?(?:fine|ok|okay|good|great|perfect(?:ly)?|lovely|nice|well"
    r"|right)\b|(?:can |will |should )?stays?\b|(?:就|都|我)?(?:没问题|没事|很好|挺好|不错|留|[不别][退换]))",
    re.IGNORECASE,
)
"""After a thing: it is not meant either."""
_EACH = re.compile(
    r"\b(?:both|all|each of)(?: of)?(?: the| my| these| those)? ?\Z|(?:两|所有)[件双条顶只把个]?的?\Z"
)
"""Before a thing of which there are several: each is meant."""
_HEAD = 2
"""Han characters at the end of a title that make a name of a thing: 睡袋 of 山雀睡袋."""


@dataclass(frozen=True)
class _Mention:
    start: int
    end: int
    lines: tuple[OrderLine, ...]


def named(text: str, lines: Sequence[OrderLine]) -> list[OrderLine]:
    """The lines that ``text`` names, in the order's sequence; none when that is not certain.

    Args:
        text: A shopper's message.
        lines: Those of one order that can be meant.
    """
    lowered = text.lower()
    mentions = [one for one in _mentions(lowered, lines) if not _FINE.match(lowered, one.end)]
    chains = _chains(lowered, mentions, lines)
    chains = [chain for chain in chains if not _NOT.search(lowered[: chain[0].start])]
    if not chains:
        return []
    chain = max(chains, key=len)
    if len(chain) == 1 and any(each[0].lines != chain[0].lines for each in chains):
        return []  # two things here and there: which of them is meant, words alone do not say
    found: set[int] = set()
    for mention in chain:
        meant = _of_variant(lowered, mention, chain)
        if not meant:
            return []
        found |= {line.line for line in meant}
    return [line for line in lines if line.line in found]


def _mentions(text: str, lines: Sequence[OrderLine]) -> Iterator[_Mention]:
    """Places where a line, or lines of one title, are called by name; the longest name first."""
    names: dict[str, list[OrderLine]] = {}
    for line in lines:
        for name in {name for title in line.title.values() for name in _names(title)}:
            names.setdefault(name, []).append(line)
    of_one = {
        name: tuple(owners)
        for name, owners in names.items()
        if len({tuple(owner.title.values()) for owner in owners}) == 1
    }
    if not of_one:
        return
    longest_first = sorted(of_one, key=lambda name: (-len(name), name))
    for match in re.finditer(
        "|".join(rf"(?<![a-z0-9]){re.escape(name)}(?:e?s)?(?![a-z0-9])" for name in longest_first), text
    ):
        name = next(name for name in longest_first if match[0].startswith(name))
        yield _Mention(match.start(), match.end(), of_one[name])


def _names(title: str) -> Iterator[str]:
    """What a product with this title may be called: two or more of its words in a row, or the thing it is."""
    lowered = title.lower()
    yield lowered
    for run in re.findall(r"[a-z0-9][a-z0-9.'’ -]*[a-z0-9]", lowered):
        latin = run.split()
        for length in range(2, len(latin) + 1):
            for start in range(len(latin) - length + 1):
                yield " ".join(latin[start : start + length])
    plain = re.sub(r"[(（][^)）]*[)）]", "", lowered)
    things = [run for run in re.findall("[\u4e00-\u9fff]{2,}", plain) if run not in _UNITS]
    if things:
        yield from (things[-1][-length:] for length in range(_HEAD, len(things[-1]) + 1))
        yield f"{things[-1][-1]}子"  # 靴子 is what a shopper calls 徒步靴
    else:
        # "folding poles, aluminium" are poles
        latin = [
            word for word in _WORD.findall(lowered.split(",")[0]) if word[0].isalpha() and word not in _UNITS
        ]
        if latin and len(latin[-1]) > 2:
            yield latin[-1].removesuffix("s")


def _chains(text: str, mentions: Sequence[_Mention], lines: Sequence[OrderLine]) -> list[list[_Mention]]:
    """Mentions grouped by what stands between them: "and", an article, a colour, brackets, or more."""
    own = {word for line in lines for said in (line.variant, *line.title.values()) for word in _words(said)}
    loose = _AND | _BESIDE | own
    chains: list[list[_Mention]] = []
    for mention in mentions:
        if chains:
            between = re.sub(r"\([^)]*\)|（[^）]*）", " ", text[chains[-1][-1].end : mention.start])
            signs = re.findall(r"[a-z0-9][\w.'’-]*|以及|还有|加上|[\u4e00-\u9fff]|[^\s\w]", between)
            if not _AND.isdisjoint(signs) and loose.issuperset(signs):
                chains[-1].append(mention)
                continue
        chains.append([mention])
    return chains


def _of_variant(text: str, mention: _Mention, chain: Sequence[_Mention]) -> Sequence[OrderLine]:
    """Of lines with one title those that the words around a mention tell apart; all, if as many are named."""
    if len(mention.lines) == 1:
        return mention.lines
    same = [one for one in chain if one.lines == mention.lines]
    if len(same) == len(mention.lines) or _EACH.search(text[: mention.start]):
        return mention.lines
    following = [one.start for one in chain if one.start > mention.start]
    before = max((one.end for one in chain if one.end <= mention.start), default=0)
    near = text[max(before, mention.start - 24) : min([*following, mention.end + 60])]
    whole = [line for line in mention.lines if line.variant.lower() in near]
    if len(whole) == 1:
        return whole
    said = set(re.findall(r"[\w.]+", near)) | set(re.findall("[\u4e00-\u9fff]", near))
    scores = [len(said & _own(line, mention.lines)) for line in mention.lines]
    best = [line for line, score in zip(mention.lines, scores, strict=True) if score == max(scores)]
    return best if len(best) == 1 else ()


def _own(line: OrderLine, others: Sequence[OrderLine]) -> set[str]:
    """Words of a line's variant that no other line's variant has."""
    return _words(line.variant).difference(*(_words(other.variant) for other in others if other is not line))


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))
