"""A follow-up carries both the product meant and the thing asked."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from agent import slots
from agent.followups import is_elliptic, standalone
from agent.understanding import Said
from serving.wiring import product_names

ROOT = Path(__file__).parents[2]
NAMES = product_names(ROOT / "demo")


def product(line: str) -> str:
    return slots.details(line, NAMES).get("product", "")


def asked(*lines: str) -> str:
    """The query of the last of the shopper's lines; a line with ``>`` in front is the assistant's."""
    *before, last = lines
    said = [
        Said("assistant", line[1:].strip()) if line.startswith(">") else Said("shopper", line)
        for line in before
    ]
    return standalone(last, said, product, lambda line: slots.title(line, NAMES)).lower()


@pytest.mark.parametrize(
    ("lines", "holds", "lacks"),
    [
        (("how heavy is the Arbor 2?", "what about the Arbor 3"), ("arbor 3", "how heavy"), ("arbor 2",)),
        (("how heavy is the Arbor 2?", "and the 3?"), ("arbor 3", "how heavy"), ("arbor 2",)),
        (("how heavy is the Arbor 2?", "> It weighs 2.15 kg.", "and the 3?"), ("arbor 3", "how heavy"), ()),
        (("Arbor 2 多重？", "Arbor 3 呢"), ("arbor 3", "多重"), ("arbor 2",)),
        (("Arbor 2 能自己立住吗", "那它多重啊", "那三人的呢"), ("三人", "多重"), ("arbor 2",)),
        (("is the Arbor 2 freestanding?", "and how heavy is it?"), ("arbor 2", "how heavy"), ()),
        (("is the Arbor 2 freestanding?", "and the weight?"), ("arbor 2", "weight"), ("freestanding",)),
        (
            ("How long is the warranty on your headlamps?", "and is that the same for the Cache 10k power bank?"),
            ("cache 10k", "how long is the warranty"),
            ("headlamps",),
        ),
        (("头灯保修几年？", "Cache 10k 充电宝也是一样吗"), ("cache 10k", "保修几年"), ("头灯",)),
        (
            ("Does the Rill bladder fit in the Traverse 45?", "and in my old Osprey Atmos?"),
            ("rill bladder fit", "osprey"),
            (),
        ),
        (("Arbor 2 不打地钉能立得住吗", "> 有地布的先铺地布，内帐铺在上面。", "那它多重啊"), ("arbor 2",), ("地布",)),
        (("我的包裹晚了一个星期", "晚了我知道啊，那你们一般怎么处理？"), ("包裹晚了", "怎么处理"), ()),
        (("my parcel is a week late", "I know, so what do you do then?"), ("parcel is a week late",), ()),
        (("which tent for two?", "> The Arbor 2 sleeps two people.", "how heavy is it?"), ("arbor 2",), ()),
        (("a base layer I opened?", "> Hydration bladders come back sealed.", "what if it is torn"), ("base layer",), ("bladder",)),
        (("how heavy is the Arbor 2?", "what about the Arbor 3", "and the Corrie 1?"), ("corrie 1", "how heavy"), ("arbor",)),
    ],
)  # fmt: skip
def test_a_follow_up_carries_the_product_and_the_thing_asked(
    lines: tuple[str, ...], holds: tuple[str, ...], lacks: tuple[str, ...]
) -> None:
    query = asked(*lines)
    assert all(part in query for part in holds), query
    assert not any(part in query for part in lacks), query


@pytest.mark.parametrize(
    "text", ["what about Arbor 3", "and the 3?", "那三人的呢", "Arbor 3 呢", "and for the blue one?"]
)
def test_a_message_that_leaves_out_what_it_asks_is_told(text: str) -> None:
    assert is_elliptic(text)


@pytest.mark.parametrize(
    "text", ["and how heavy is it?", "and the price?", "那它多重啊", "and what do I do now?", "那怎么洗呢"]
)
def test_a_message_with_its_own_thing_is_left_alone(text: str) -> None:
    assert not is_elliptic(text)


def test_with_nothing_before_it_stays_as_it_is() -> None:
    assert asked("what about the Arbor 3") == "what about the arbor 3"


def test_every_scripted_follow_up_that_points_back_gets_something_from_before() -> None:
    """Over all scripts of the scenarios: no elliptic line is searched for as it stands."""
    bare = []
    for name in ("products", "long", "policy", "multi"):
        for scenario in yaml.safe_load_all(
            (ROOT / f"evals/scenarios/{name}.yaml").read_text(encoding="utf-8")
        ):
            script = [
                line["say"]
                for line in (scenario.get("shopper", {}).get("script") or ())
                if isinstance(line.get("say"), str)
            ]
            for place in range(1, len(script)):
                query = asked(*script[: place + 1])
                if is_elliptic(script[place]) and query == script[place].lower():
                    bare.append(script[place])
    assert bare == []
