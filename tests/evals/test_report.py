"""The report is one safe file: figures in HTML, conversations on demand, words only ever words."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from evals.compare import NotComparable
from evals.gate import gate
from evals.report.build import as_json, language_of, write_report
from tests.evals.runs import ATTACK, STORIES, run, written


@pytest.fixture
async def report(tmp_path: Path) -> str:
    """``new`` against ``base``: one scenario got worse (attack.en), one better."""
    base, new = await written(tmp_path, "base", 0), await written(tmp_path, "new", 6)
    out = tmp_path / "report.html"
    await write_report(new, out, against=base, verdict=gate(new, base))
    return out.read_text(encoding="utf-8")


class Elements(HTMLParser):
    """Collects the start tags of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_needs_nothing_from_outside_and_runs_one_script(report: str) -> None:
    elements = Elements(report).found
    for tag, attributes in elements:
        assert tag not in {"img", "iframe", "link", "object", "embed", "base"}
        assert "src" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")
    running = [a for tag, a in elements if tag == "script" and a.get("type") != "application/json"]
    assert len(running) == 1
    ids = [a["id"] for _, a in elements if "id" in a]
    assert len(ids) == len(set(ids))


def test_what_a_stranger_wrote_cannot_end_a_script_element(report: str) -> None:
    assert "<img" not in report
    assert "window.hurt" in report  # it is there, as text
    for found in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', report, re.DOTALL):
        json.loads(found)


def test_json_in_a_script_is_the_same_json() -> None:
    value = {"text": f"{ATTACK}\u2028<!--&", "中": [1, None, True]}
    text = str(as_json(value))
    assert json.loads(text) == value
    assert not set("<>&\u2028") & set(text)


@pytest.mark.parametrize(
    ("text", "language"), [("Hello", "en"), ("你好", "zh-CN"), ("FW-1 的状态", "zh-CN"), ("", "en")]
)
def test_chinese_is_marked_as_chinese(text: str, language: str) -> None:
    assert language_of(text) == language


async def test_a_run_without_a_log_or_scores_still_gives_its_figures(tmp_path: Path) -> None:
    bare = run(STORIES, {}, folder=tmp_path, outcomes={(s.id, 1): "skipped" for s in STORIES})
    await write_report(bare, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "7 of 7" in text
    assert not (tmp_path / "log.db").exists()


async def test_nothing_is_written_when_the_runs_cannot_be_compared(tmp_path: Path) -> None:
    new, other = await written(tmp_path, "new"), run(STORIES, {}, shopper="somebody else")
    with pytest.raises(NotComparable):
        await write_report(new, tmp_path / "report.html", against=other)
    assert not (tmp_path / "report.html").exists()
