"""A bad file is named to its line and field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from evals.benchmarks.data import data_files, read_all, read_rows
from evals.benchmarks.report import DataInvalid


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": 1}\n{"a": \n', "line 2: not JSON"),
        ("[1]\n", "line 1: an object is needed"),
        ("\n \n", "no rows"),
    ],
)
def test_what_is_not_json_lines_is_named(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "any.jsonl"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(DataInvalid, match=re.escape(message)):
        read_rows(file)


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match=r"missing\.jsonl: No such file"):
        read_all(tmp_path / "missing.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b'{"a": "\xe4"}')
    with pytest.raises(DataInvalid, match="not UTF-8"):
        read_all(tmp_path / "latin.jsonl")


def test_a_folder_gives_all_but_training_files(tmp_path: Path) -> None:
    for name in ("train.jsonl", "train_b.jsonl", "held.jsonl", "dev.jsonl", "note.json"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    assert [file.name for file in data_files(tmp_path)] == ["dev.jsonl", "held.jsonl"]
    with pytest.raises(DataInvalid, match=r"no \*\.jsonl"):
        data_files(_empty(tmp_path))


def _empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def test_fields_are_checked_with_their_place(tmp_path: Path) -> None:
    file = tmp_path / "f.jsonl"
    file.write_text(
        '{"n": 3, "ok": "yes", "list": [{"t": "a"}, {"t": 5}], "kind": "c", "flag": true}', encoding="utf-8"
    )
    (row,) = read_rows(file)
    assert row.whole("n") == 3
    for call, message in (
        (lambda: row.text("gone"), "field gone: it is missing"),
        (lambda: row.whole("n", high=2), "field n: 0 to 2 is needed, here is 3"),
        (lambda: row.whole("flag"), "field flag: a whole number is needed, here is true"),
        (lambda: row.flag("ok"), 'field ok: true or false is needed, here is "yes"'),
        (lambda: row.one_of("kind", ("a", "b")), 'field kind: one of a, b is needed, here is "c"'),
        (lambda: row.rows("list")[1].text("t"), "line 1, field list[1].t: a string is needed, here is 5"),
        (lambda: row.rows("ok"), "field ok: a list is needed"),
    ):
        with pytest.raises(DataInvalid, match=re.escape(message)):
            call()
