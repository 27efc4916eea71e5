"""The documentation keeps its promises: code runs, links resolve, commands and settings exist."""

from __future__ import annotations

import asyncio
import json
import os
import re
import runpy
import shlex
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import pytest
import typer
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic import BaseModel
from typer.testing import CliRunner

from agent.identity import CustomerTokens
from serving.cli import app
from serving.settings import Settings, SettingsInvalid, load
from tests.conftest import ROOT
from tests.serving.parts import ADA, SECRET, running

PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")],
    key=lambda page: page.relative_to(ROOT).as_posix(),
)
LIVING = [page for page in PAGES if page.name != "CHANGELOG.md"]
"""All but the history, which may speak of what is there no more."""
RUNS = "<!-- runs -->"
"""Marks a Python block that is run; a ``text`` block right after it is what it prints."""


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    runs: bool = False
    prints: str | None = None

    def __str__(self) -> str:
        return f"{name(self.page)}:{self.line}"


@cache
def tokens(page: Path) -> tuple[Token, ...]:
    return tuple(MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8")))


def blocks(page: Path) -> Iterator[Block]:
    parsed = tokens(page)
    for at, token in enumerate(parsed):
        if token.type != "fence":
            continue
        before, after = parsed[at - 1] if at else None, parsed[at + 1] if at + 1 < len(parsed) else None
        runs = before is not None and before.type == "html_block" and before.content.strip() == RUNS
        printed = runs and after is not None and after.type == "fence" and after.info == "text"
        yield Block(
            page=page,
            line=(token.map or [0])[0] + 1,
            language=token.info.split()[0] if token.info else "",
            text=token.content,
            runs=runs,
            prints=after.content if printed and after is not None else None,
        )


def inline(page: Path) -> Iterator[Token]:
    for token in tokens(page):
        yield from token.children or ()


BLOCKS = [block for page in LIVING for block in blocks(page)]
PYTHON = [block for block in BLOCKS if block.language == "python"]
RUNNING = [block for block in PYTHON if block.runs]


def test_the_pages_are_found() -> None:
    assert len(PAGES) > 20
    assert len(RUNNING) >= 4
    marks = sum(page.read_text(encoding="utf-8").count(RUNS) for page in LIVING)
    assert marks == len(RUNNING), "a mark that no Python block follows"
    assert len(AMENDS) > 15


# --- code ---


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_every_python_block_is_python(block: Block) -> None:
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", RUNNING, ids=str)
def test_a_block_that_runs_prints_what_the_page_says(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "block.py"
    program.write_text(block.text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(program), run_name="__main__")
    assert capsys.readouterr().out == (block.prints or "")


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "json"], ids=str)
def test_every_json_block_is_json(block: Block) -> None:
    json.loads(block.text)


# --- links ---


def targets(page: Path) -> Iterator[str]:
    """Everything a page leads to or shows."""
    for token in inline(page):
        if token.type in {"link_open", "image"}:
            yield str(token.attrs["href" if token.type == "link_open" else "src"])
    for token in (*tokens(page), *inline(page)):
        if token.type in {"html_block", "html_inline"}:
            yield from re.findall(r'(?:src|srcset|href)="([^"]+)"', token.content)


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors GitHub gives to a page's headings."""
    found: set[str] = set()
    parsed = tokens(page)
    for heading, content in pairwise(parsed):
        if heading.type == "heading_open":
            words = "".join(part.content for part in content.children or ())
            slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
            found.add(next(one for n in range(99) if (one := f"{slug}-{n}" if n else slug) not in found))
    return frozenset(found)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_and_picture_of_a_page_is_there(page: Path) -> None:
    broken = []
    for target in targets(page):
        parts = urlsplit(target)
        if parts.scheme:
            assert parts.scheme == "https", target
            continue
        leads_to = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if (
            not leads_to.is_relative_to(ROOT)
            or not leads_to.exists()
            or (parts.fragment and unquote(parts.fragment) not in anchors(leads_to))
        ):
            broken.append(target)
    assert broken == []


def test_the_index_lists_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / urlsplit(target).path).resolve() for target in targets(index)}
    assert {name(page) for page in (ROOT / "docs").rglob("*.md") if page != index} == {
        name(page) for page in listed if page.is_relative_to(ROOT / "docs")
    }


def test_both_readmes_say_the_same_in_their_own_words() -> None:
    """Same sections, commands, pictures and links; each leads to the other."""
    english, chinese = ROOT / "README.md", ROOT / "README.zh.md"
    shape = [
        [token.type for token in tokens(page) if token.type in {"heading_open", "fence", "table_open"}]
        for page in (english, chinese)
    ]
    assert shape[0] == shape[1]
    leads = [{target.replace(".zh.svg", ".svg") for target in targets(page)} for page in (english, chinese)]
    assert leads[0] - {"README.zh.md"} == leads[1] - {"README.md", "docs/glossary.md"}
    assert "README.zh.md" in leads[0]
    assert "README.md" in leads[1]


@pytest.mark.parametrize("drawing", sorted((ROOT / "docs" / "images").glob("*.svg")), ids=name)
def test_a_drawing_is_well_formed_has_words_for_those_who_cannot_see_it_and_follows_the_colours(
    drawing: Path,
) -> None:
    text = drawing.read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)  # noqa: S314 - our own file
    tags = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert {"title", "desc"} <= set(tags)
    assert "script" not in tags
    assert "prefers-color-scheme: dark" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


# --- commands ---


def shown_commands(page: Path) -> Iterator[str]:
    """Lines of shell blocks, and code inside sentences."""
    for block in blocks(page):
        if block.language in {"sh", "bash"}:
            yield from block.text.splitlines()
    yield from (token.content for token in inline(page) if token.type == "code_inline")


def calls(program: str) -> list[tuple[str, list[str]]]:
    """Where a program is shown, with its arguments."""
    found = []
    for page in LIVING:
        for line in shown_commands(page):
            if not re.search(rf"(?:^|[\s/]){program}\s", line):
                continue
            lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words = list(lexer)
            for at, word in enumerate(words):
                if word.rpartition("/")[2] == program:
                    rest = words[at + 1 :]
                    end = next((n for n, one in enumerate(rest) if one in {"|", "&&", ";", ">", "<"}), None)
                    found.append((name(page), rest[:end]))
                    break
    return found


AMENDS = [(page, words) for page, words in calls("amends") if words and words[0] != "…"]


@pytest.mark.parametrize(
    ("page", "words"), AMENDS, ids=lambda value: " ".join(value) if isinstance(value, list) else value
)
def test_every_amends_command_shown_exists_with_its_options(page: str, words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    path: list[str] = []
    rest = list(words)
    while hasattr(command, "list_commands") and rest and not rest[0].startswith("-"):
        path.append(rest.pop(0))
        found = command.get_command(None, path[-1])
        assert found is not None, f"{page}: no amends {' '.join(path)}"
        command = found
    helped = CliRunner().invoke(app, [*path, "--help"])
    assert helped.exit_code == 0, helped.output
    options = {
        spelling: param for param in command.params for spelling in (*param.opts, *param.secondary_opts)
    }
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    words_left = 0
    while rest:
        word, _, value = rest.pop(0).partition("=")
        if not word.startswith("-"):
            words_left += 1
            continue
        assert word in {*options, "--help"}, f"{page}: amends {' '.join(path)} has no {word}"
        if word in options and not getattr(options[word], "is_flag", False) and not value:
            rest.pop(0)
    unlimited = any(argument.nargs == -1 for argument in arguments)
    assert unlimited or words_left <= len(arguments), f"{page}: amends {' '.join(words)}"


def test_every_make_target_shown_exists_and_the_readme_shows_its_two() -> None:
    targets_there = set(
        re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    shown = [(page, words[0]) for page, words in calls("make") if words]
    assert {(page, target) for page, target in shown if target not in targets_there} == set()
    for readme in ("README.md", "README.zh.md"):
        assert {target for page, target in shown if page == readme} == {"demo", "test"}


def test_files_named_in_a_page_exist() -> None:
    """A path in code style that begins with a folder of ours."""
    folders = "agent|retrieval|retention|serving|finetune|evals|tests|tools|docs|demo|examples|requirements"
    missing = []
    found = 0
    for page in LIVING:
        for token in inline(page):
            if token.type == "code_inline" and re.fullmatch(rf"(?:{folders})/[\w./-]+", token.content):
                found += 1
                if not (ROOT / token.content).exists():
                    missing.append((name(page), token.content))
    assert found > 40
    assert missing == []


def test_the_demo_customers_and_orders_a_page_names_are_in_the_demo_shop() -> None:
    """The quickstart and the readmes tell the reader to cancel an order: it must be cancellable."""
    personas = yaml.safe_load((ROOT / "demo" / "personas.yaml").read_text(encoding="utf-8"))
    orders = {order["id"]: (one["name"], order["state"]) for one in personas for order in one["orders"]}
    for page, whose in {"README.md": "Hannah Weber", "README.zh.md": "林雨桐"}.items():
        text = (ROOT / page).read_text(encoding="utf-8")
        (named,) = re.findall(r"FW-\d{6}", text)
        assert whose in text
        assert orders[named] == (whose, "paid")
    quickstart = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    named_there = set(re.findall(r"FW-\d{6}", quickstart))
    assert named_there == {"FW-100001", "FW-100002"}
    assert {orders[order][0] for order in named_there} == {"Hannah Weber"}
    assert personas[0]["email"] in quickstart


# --- settings ---


def environment(cls: type[BaseModel] = Settings, prefix: str = "AMENDS_") -> Iterator[str]:
    for field, info in cls.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from environment(info.annotation, f"{prefix}{field.upper()}__")
        else:
            yield f"{prefix}{field.upper()}"


def test_every_setting_named_exists() -> None:
    known = set(environment())
    text = "\n".join(page.read_text(encoding="utf-8") for page in LIVING)
    named = set(re.findall(r"AMENDS_[A-Z_]*[A-Z]", text))
    assert len(named) > 20
    assert named - known == set()


def test_the_settings_file_shown_is_accepted_and_its_secrets_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = (block for block in BLOCKS if block.language == "toml")
    monkeypatch.chdir(tmp_path)
    Path("amends.toml").write_text(block.text, encoding="utf-8")
    settings = load()
    assert not settings.demo
    assert settings.shop.origins == tuple(tomllib.loads(block.text)["shop"]["origins"])
    for secret in ("token_secret", "maria"):
        without = "\n".join(line for line in block.text.splitlines() if not line.startswith(secret))
        Path("amends.toml").write_text(without.replace("[desk.users]", "") if secret == "maria" else without)
        with pytest.raises(SettingsInvalid, match="set your own"):
            load()


# --- the widget's page ---


def test_the_widgets_attributes_and_events_are_those_of_its_page() -> None:
    source = (ROOT / "serving" / "static" / "widget.js").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "widget.md").read_text(encoding="utf-8")
    (read,) = re.findall(r"const \{ ([\w, ]+) \} = SCRIPT\?\.dataset", source)
    assert set(read.split(", ")) == set(re.findall(r"^\| `data-(\w+)` \| `\1` \|", page, re.MULTILINE))
    events = set(re.findall(r"new CustomEvent\('([\w-]+)'", source))
    assert events == set(re.findall(r"event `(amends-[\w-]+)`", page))
    for method in re.findall(r"^\| `(\w+)\(\w*\)` \|", page, re.MULTILINE):
        assert re.search(rf"^    {method}\(", source, re.MULTILINE), method


def test_the_token_signed_on_the_widgets_page_is_accepted(tmp_path: Path) -> None:
    (block,) = (block for block in RUNNING if block.page.name == "widget.md")
    program = tmp_path / "block.py"
    program.write_text(block.text, encoding="utf-8")
    sign = runpy.run_path(str(program))["customer_token"]
    assert CustomerTokens(SECRET).verify(sign("C-10001", SECRET)) == "C-10001"


def test_the_glossary_names_every_mode_and_level() -> None:
    """Words that are types are explained where words are explained."""
    from agent.conversation import Mode
    from agent.mood import Mood

    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert [mode for mode in get_args(Mode) if f"`{mode}`" not in page] == []
    assert Mood.__name__.lower() in page


# --- examples ---


async def example(program: str, *arguments: str, environ: dict[str, str] | None = None) -> tuple[int, str]:
    """Run an example as a reader would; its exit status and what it said."""
    direct = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "examples" / program),
        *arguments,
        env={**direct, "PYTHONIOENCODING": "utf-8", **(environ or {})},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


def test_every_example_is_listed_and_run() -> None:
    programs = {path.name for path in (ROOT / "examples").glob("*.py")}
    assert programs == {"sign_token.py", "scripted_shopper.py", "read_log.py"}
    page = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert [program for program in programs if f"]({program})" not in page] == []


async def test_the_examples_sign_a_customer_in_hold_a_conversation_and_read_it_from_the_log(
    tmp_path: Path,
) -> None:
    status, token = await example("sign_token.py", ADA.id, environ={"AMENDS_SHOP__TOKEN_SECRET": SECRET})
    assert status == 0
    assert CustomerTokens(SECRET).verify(token.strip()) == ADA.id

    data = tmp_path / "data"
    async with running(data) as server:
        status, said = await example(
            "scripted_shopper.py", server.url, "请问怎么退货", "cancel it", "a person please",
            environ={"SHOPPER_TOKEN": token.strip()},
        )  # fmt: skip
        assert (status, said.splitlines()) == (
            0,
            [
                "shopper: 请问怎么退货",
                "assistant: You wrote: 请问怎么退货.",
                "shopper: cancel it",
                "assistant: You wrote: cancel it.",
                "to confirm: Cancel FW-100001",
                "shopper: a person please",
                "assistant: You wrote: a person please.",
                "(a person has been asked to join)",
            ],
        )

    status, told = await example("read_log.py", f"sqlite:///{data / 'log.db'}")
    assert status == 0
    first, *rest = told.splitlines()
    assert first.endswith("waiting answers, customer")
    assert rest[0].split(maxsplit=1)[1] == "shopper: 请问怎么退货 (mood +0.00)"
    assert "needs a person: requested" in rest[-1]


async def test_an_example_says_what_is_wrong(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as server:
        status, said = await example("scripted_shopper.py", server.url, "hi", environ={"SHOPPER_TOKEN": "no"})
    assert status == 1
    assert "identity.token_rejected" in said
    assert "Traceback" not in said
    status, said = await example("read_log.py", f"sqlite:///{tmp_path / 'data' / 'log.db'}", "conv_unknown")
    assert (status, said.strip()) == (1, "no such conversation in this log")
    status, said = await example("sign_token.py")
    assert status == 1
    assert said.startswith("usage:")
