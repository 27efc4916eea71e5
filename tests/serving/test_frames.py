"""Frames: what is understood, what is refused, and that the documentation names them all."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import frames as fr

PROTOCOL = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")


def test_every_frame_is_in_the_protocol_and_the_other_way_round() -> None:
    def documented(section: str) -> set[str]:
        body = PROTOCOL.split(f"## {section}\n")[1].split("\n## ")[0]
        return set(re.findall(r"^\| `(\w+)` \|", body, re.MULTILINE))

    server = {frame.model_fields["type"].default for frame in get_args(fr.ServerFrame)}
    client = {frame.model_fields["type"].default for frame in get_args(fr.ClientFrame)}
    assert server == documented("Server frames")
    assert client - {"hello"} == documented("Client frames")


def test_the_hello_of_the_documentation_is_understood() -> None:
    example = re.search(r"```json\n(.*?)\n```", PROTOCOL, re.DOTALL)
    assert example is not None
    fields = {**json.loads(example[1]), "token": None}
    assert fr.parse(json.dumps(fields)) == fr.Hello()


@given(st.text(min_size=1, max_size=4000))
def test_any_text_of_a_shopper_survives(text: str) -> None:
    try:
        raw = json.dumps({"type": "say", "id": "m", "text": text}, ensure_ascii=False)
        raw.encode()
    except UnicodeEncodeError:
        return
    assert fr.parse(raw) == fr.Say(id="m", text=text)


def test_4000_characters_fit_in_any_script() -> None:
    for text in ("a" * 4000, "远" * 4000, "🏔" * 4000):
        raw = json.dumps({"type": "say", "id": "m" * 32, "text": text}, ensure_ascii=False)
        assert fr.parse(raw) == fr.Say(id="m" * 32, text=text)


@given(st.text(max_size=300) | st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(json.dumps))
def test_anything_else_is_a_bad_frame_and_nothing_worse(raw: str) -> None:
    with pytest.raises(fr.BadFrame):
        fr.parse(raw)


def test_a_bad_frame_never_quotes_what_was_in_it() -> None:
    with pytest.raises(fr.BadFrame) as bad:
        fr.parse('{"type": "say", "id": "m1", "text": ["my card is 4111"]}')
    assert bad.value.id == "m1"
    assert "4111" not in str(bad.value)
    assert bad.value.__suppress_context__


def test_the_rate_is_counted_over_any_window_and_recovers() -> None:
    limit = fr.RateLimit(frames=3, seconds=10)
    assert [limit.allows(at) for at in (0, 1, 9, 9.5, 10, 10.5, 11, 19, 19.5)] == [
        True,
        True,
        True,
        False,
        True,
        False,
        True,
        True,
        False,
    ]
