"""Adapters on disk: what they say they are, what is refused, what lets one in."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from agent import prompts, understand_prompt
from finetune.adapters import (
    SHIPPED,
    find,
    finish,
    folders,
    read_adapter,
    require_present_prompts,
    shipped_for,
)
from finetune.errors import AdapterInvalid, DatasetInvalid, NotPromoted, RunInvalid
from finetune.example import Example, Message
from finetune.promotions import promote, read_promotions, roll_back
from serving.models.catalogue import load as load_catalogue
from tests.finetune.parts import NOW, adapter, ended_run
from tests.servers import SMALL_MODEL

MOST_BYTES = 12 * 10**6
"""Of a shipped adapter: it lies in the package."""


def test_an_adapter_says_what_it_is_and_where_it_came_from(tmp_path: Path) -> None:
    made = adapter(tmp_path)
    assert made.folder == tmp_path / "adapters" / "kind-words"
    about = read_adapter(made.folder).about
    assert (about.name, about.base, about.made) == ("kind-words", SMALL_MODEL, NOW)
    assert about.command == "amends finetune train kind-words.yaml"
    assert about.prompts.answer == prompts.VERSION
    assert about.prompts.understand == understand_prompt.VERSION
    assert about.fingerprint == f"{1:064x}"
    assert about.tag == f"kind-words@{about.sha256[:8]}"
    card = (made.folder / "README.md").read_text()
    assert "More Information Needed" not in card
    for fact in (about.sha256, about.fingerprint, about.command, "12 examples", "rank 8", "0.789"):
        assert fact in card


def test_an_adapter_names_no_place_of_the_machine_it_was_made_on(tmp_path: Path) -> None:
    made = adapter(tmp_path)
    config = json.loads((made.folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == SMALL_MODEL
    words = "".join(path.read_text() for path in made.folder.iterdir() if path.suffix != ".safetensors")
    assert "/home" not in words
    assert str(tmp_path) not in words


def test_finishing_twice_is_once_and_another_run_of_that_name_is_refused(tmp_path: Path) -> None:
    first = adapter(tmp_path)
    again = finish(tmp_path / "runs" / "kind-words-1", tmp_path / "adapters", command="again", now=NOW)
    assert again == first
    other = ended_run(tmp_path / "other", seed=2)
    with pytest.raises(RunInvalid, match="give this run another name"):
        finish(other, tmp_path / "adapters", command="x", now=NOW)
    assert read_adapter(first.folder) == first


def test_a_run_that_did_not_end_makes_no_adapter(tmp_path: Path) -> None:
    run = ended_run(tmp_path / "run")
    (run / "trained.json").unlink()
    with pytest.raises(RunInvalid, match="no run that ended"):
        finish(run, tmp_path / "adapters", command="x", now=NOW)
    assert not (tmp_path / "adapters").exists()


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    made = adapter(tmp_path)
    weights = made.folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(AdapterInvalid, match="damaged or was changed"):
        find("kind-words", tmp_path / "adapters")
    weights.unlink()
    with pytest.raises(AdapterInvalid, match="cannot be read"):
        find("kind-words", tmp_path / "adapters")


@pytest.mark.parametrize("module", [prompts, understand_prompt])
def test_an_adapter_for_other_prompts_must_be_tuned_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object
) -> None:
    adapter(tmp_path)
    find("kind-words", tmp_path / "adapters")
    monkeypatch.setattr(module, "VERSION", "reworded-9")
    with pytest.raises(AdapterInvalid, match=r"reworded-9.*tune again.*AMENDS_MODEL__ADAPTER=none"):
        find("kind-words", tmp_path / "adapters")


def test_examples_of_other_prompts_are_not_learned(tmp_path: Path) -> None:
    def example(system: str) -> Example:
        said = (Message(role="system", content=system), Message(role="user", content="hello"))
        return Example(
            id="e1",
            family="f",
            task="answer",
            origin="shop",
            language="en",
            messages=said,
            target="t",
            said="s",
        )

    require_present_prompts([example(prompts.SYSTEM["zh"]), example(understand_prompt.SYSTEM)])
    with pytest.raises(DatasetInvalid, match=r"e1 .*amends finetune build"):
        require_present_prompts([example("You are a pirate.")])


def test_an_unknown_adapter_is_named_with_the_known_ones(tmp_path: Path) -> None:
    adapter(tmp_path)
    with pytest.raises(AdapterInvalid, match=r"no adapter harsh.*kind-words"):
        find("harsh", tmp_path / "adapters")
    with pytest.raises(AdapterInvalid, match="no adapter kind-words@00000000"):
        find("kind-words", tmp_path / "adapters", weights="0" * 64)


def test_a_folder_by_another_name_is_refused(tmp_path: Path) -> None:
    made = adapter(tmp_path)
    made.folder.rename(tmp_path / "adapters" / "other")
    with pytest.raises(AdapterInvalid, match="holds the adapter kind-words"):
        find("other", tmp_path / "adapters")


def test_ones_own_comes_before_a_shipped_one_unless_the_weights_say_otherwise(tmp_path: Path) -> None:
    shipped = adapter(tmp_path / "shipped", seed=2)
    mine = adapter(tmp_path / "mine", seed=1)
    places = tmp_path / "mine" / "adapters", tmp_path / "shipped" / "adapters"
    assert find("kind-words", places[0], shipped=places[1]).tag == mine.tag
    weights = shipped.about.sha256
    assert find("kind-words", places[0], weights=weights, shipped=places[1]).tag == shipped.tag


def test_the_shipped_adapter_of_a_base_is_found_if_there_is_one(tmp_path: Path) -> None:
    adapter(tmp_path, "for-another", base="another")
    made = adapter(tmp_path)
    assert shipped_for(SMALL_MODEL, tmp_path / "adapters") == made
    assert shipped_for("a-third", tmp_path / "adapters") is None
    assert shipped_for(SMALL_MODEL, tmp_path / "nothing") is None


def test_what_ships_is_small_whole_and_one_for_each_base() -> None:
    adapters = [read_adapter(folder) for folder in folders(SHIPPED / "none")]
    for each in adapters:
        each.check()
        assert each.size < MOST_BYTES
        assert load_catalogue().get(each.about.base)
    bases = [each.about.base for each in adapters]
    assert len(set(bases)) == len(bases)


def outcome(
    path: Path,
    candidate: str,
    base: str,
    *,
    level: str = "passed",
    model: str = SMALL_MODEL,
    prompt: str = "",
) -> Path:
    """What the gate writes, as far as it is looked at; the command's own test has the real one."""
    runs = {
        role: {
            "name": role,
            "suite": "s",
            "scenarios": 4,
            "repeats": 1,
            "seed": 1,
            "target": "in-process",
            "model": model,
            "adapter": adapter_,
            "prompt": prompt or prompts.VERSION,
            "started": "2026-06-15T12:00:00+00:00",
        }
        for role, adapter_ in (("candidate", candidate), ("base", base))
    }
    lines = [] if level == "passed" else [{"level": level, "text": f"grounded: {level} for a reason"}]
    said = {"level": level, "candidate": "new", "base": "old", "lines": lines, "runs": runs, "exit_code": 0}
    path.write_text(json.dumps(said))
    return path


def test_promotions_are_a_list_and_rolling_back_takes_the_last_one(tmp_path: Path) -> None:
    first, second = adapter(tmp_path, "first", seed=1), adapter(tmp_path, "second", seed=2)
    gate = tmp_path / "gate.json"
    promote(tmp_path, first, outcome(gate, first.tag, ""), served="", now=NOW)
    later = NOW + timedelta(days=1)
    promote(tmp_path, second, outcome(gate, second.tag, first.tag), served=first.tag, now=later)
    kept = read_promotions(tmp_path)
    assert [(one.tag, one.previous, one.when) for one in kept.promoted] == [
        (first.tag, "", NOW),
        (second.tag, first.tag, later),
    ]
    assert kept.current(SMALL_MODEL) == kept.promoted[-1]
    assert kept.current("another") is None

    assert roll_back(tmp_path, SMALL_MODEL, now=later).tag == second.tag
    current = read_promotions(tmp_path).current(SMALL_MODEL)
    assert current is not None
    assert current.tag == first.tag
    roll_back(tmp_path, SMALL_MODEL, now=later)
    kept = read_promotions(tmp_path)
    assert kept.current(SMALL_MODEL) is None
    assert [one.promotion.tag for one in kept.withdrawn] == [second.tag, first.tag]
    with pytest.raises(NotPromoted, match="nothing to go back to"):
        roll_back(tmp_path, SMALL_MODEL, now=later)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"level": "blocked"}, r"BLOCKED: grounded: blocked for a reason.*tune again"),
        ({"level": "unsure"}, r"UNSURE: grounded: unsure for a reason.*--repeat 4"),
        (
            {"candidate": "other@01234567"},
            r"with other@01234567; what is to be promoted.*eval run --adapter mine",
        ),
        ({"candidate": "mine@01234567"}, r"with mine@01234567; what is to be promoted .* with mine@"),
        (
            {"base": "old@01234567"},
            r"with old@01234567; what is served now .* no adapter.*eval run --adapter none",
        ),
        ({"model": "another"}, r"a run of another with"),
        ({"prompt": "answer-0"}, r"held with the prompt answer-0.*eval run"),
    ],
)
def test_no_other_outcome_lets_an_adapter_in(tmp_path: Path, fault: dict[str, str], says: str) -> None:
    mine = adapter(tmp_path, "mine")
    gate = outcome(tmp_path / "gate.json", **{"candidate": mine.tag, "base": "", **fault})
    with pytest.raises(NotPromoted, match=says):
        promote(tmp_path, mine, gate, served="", now=NOW)
    assert read_promotions(tmp_path).promoted == ()


def test_an_outcome_of_weights_that_were_trained_again_does_not_count(tmp_path: Path) -> None:
    old = adapter(tmp_path, "mine", seed=1)
    gate = outcome(tmp_path / "gate.json", old.tag, "")
    for path in old.folder.iterdir():
        path.unlink()
    old.folder.rmdir()
    new = adapter(tmp_path, "mine", seed=2)
    with pytest.raises(NotPromoted, match=rf"{old.tag}; what is to be promoted .* {new.tag}"):
        promote(tmp_path, new, gate, served="", now=NOW)


@pytest.mark.parametrize("text", ["", "{}", "PASSED: new against old", '{"level": "passed"}'])
def test_what_is_no_outcome_says_how_to_write_one(tmp_path: Path, text: str) -> None:
    gate = tmp_path / "gate.json"
    gate.write_text(text)
    with pytest.raises(NotPromoted, match=r"amends eval gate <base> <candidate> --json > gate.json"):
        promote(tmp_path, adapter(tmp_path), gate, served="", now=NOW)


def test_a_damaged_list_is_an_error_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "promoted.json").write_text("{")
    with pytest.raises(NotPromoted, match=r"promoted.json cannot be read"):
        roll_back(tmp_path, SMALL_MODEL, now=NOW)
    assert (tmp_path / "promoted.json").read_text() == "{"
