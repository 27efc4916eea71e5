"""Scenario files: what is read, what is refused and how, and that ours keep their promises."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError
from yaml import safe_dump, safe_load_all

from evals.scenario import Scenario, ScenarioInvalid, read_scenarios, schema
from tests.conftest import ROOT

SCENARIOS = ROOT / "evals" / "scenarios"
SMALL = {
    "id": "a.en",
    "about": "x",
    "area": "orders",
    "language": "en",
    "shopper": {"goal": "x", "script": [{"say": "hi"}]},
    "expect": {},
}


def write(path: Path, *documents: object) -> Path:
    path.write_text("---\n".join(safe_dump(one) for one in documents), encoding="utf-8")
    return path


class TestReading:
    def test_several_documents_of_several_files_come_back_by_id(self, tmp_path: Path) -> None:
        write(tmp_path / "b.yaml", SMALL | {"id": "c.en"}, SMALL | {"id": "b.en"})
        write(tmp_path / "a.yaml", SMALL)
        assert [one.id for one in read_scenarios([tmp_path])] == ["a.en", "b.en", "c.en"]

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"areas": "orders"}, "areas"),
            ({"area": "cooking"}, "area"),
            ({"shopper": {"goal": "x"}}, "either script or wishes"),
            ({"shopper": {"goal": "x", "script": [{"shout": "hi"}]}}, "shopper.script"),
            ({"expect": {"changes": [{"kind": "give", "order": "1"}]}}, "expect.changes"),
        ],
    )
    def test_a_mistake_names_file_scenario_and_field(
        self, tmp_path: Path, change: dict[str, object], named: str
    ) -> None:
        path = write(tmp_path / "bad.yaml", SMALL | change)
        with pytest.raises(ScenarioInvalid) as found:
            read_scenarios([path])
        for word in ("bad.yaml", "a.en", named):
            assert word in str(found.value)

    def test_an_id_used_twice_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ScenarioInvalid, match=r"a\.en is used twice"):
            read_scenarios([write(tmp_path / "a.yaml", SMALL, SMALL)])

    def test_nothing_found_and_nothing_there_are_said(self, tmp_path: Path) -> None:
        with pytest.raises(ScenarioInvalid, match="no such file"):
            read_scenarios([tmp_path / "none.yaml"])
        with pytest.raises(ScenarioInvalid, match="no scenario in"):
            read_scenarios([tmp_path])

    def test_broken_yaml_names_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.yaml").write_text("id: [", encoding="utf-8")
        with pytest.raises(ScenarioInvalid, match=r"a\.yaml"):
            read_scenarios([tmp_path])


class TestSchema:
    def test_the_file_is_what_the_types_say(self) -> None:
        kept = json.loads((ROOT / "evals" / "scenario.schema.json").read_text(encoding="utf-8"))
        assert kept == schema(), "run: python tools/make_docs.py"

    def test_it_accepts_every_scenario_we_ship_and_refuses_a_mistyped_key(self) -> None:
        validator = Draft202012Validator(schema())
        count = 0
        for file in SCENARIOS.glob("*.yaml"):
            for document in safe_load_all(file.read_text(encoding="utf-8")):
                # As JSON has it: keys are strings, dates are text.
                validator.validate(json.loads(json.dumps(document, default=str)))
                count += 1
        assert count >= 120
        with pytest.raises(ValidationError):
            validator.validate(SMALL | {"shoper": {}})


@pytest.fixture(scope="module")
def ours() -> list[Scenario]:
    return read_scenarios([SCENARIOS])


class TestOurs:
    def test_there_are_enough_in_both_languages_and_of_both_kinds(self, ours: list[Scenario]) -> None:
        assert len(ours) >= 120
        languages = Counter(one.language for one in ours)
        assert languages["en"] == languages["zh"]
        kinds = Counter(bool(one.shopper.script) for one in ours)
        assert min(kinds.values()) >= 50

    def test_everyone_has_a_twin_in_the_other_language(self, ours: list[Scenario]) -> None:
        pairs: dict[str, list[Scenario]] = {}
        for one in ours:
            pairs.setdefault(one.pair, []).append(one)
        assert {len(twins) for twins in pairs.values()} == {2}
        for name, twins in pairs.items():
            assert {one.language for one in twins} == {"en", "zh"}, name
            assert {one.id for one in twins} == {f"{name}.en", f"{name}.zh"}
            first, second = twins
            assert first.area == second.area, name
            assert first.expect.refusal == second.expect.refusal, name
            assert first.expect.handoff.needed == second.expect.handoff.needed, name

    def test_every_area_is_there(self, ours: list[Scenario]) -> None:
        areas = Counter(one.area for one in ours)
        wanted = (
            "orders returns products policy multi bursts anger premise impersonation injection person "
            "off_topic long"
        )
        assert set(areas) == set(wanted.split())

    def test_every_scenario_can_fail(self, ours: list[Scenario]) -> None:
        for one in ours:
            expect = one.expect
            assert any(
                (
                    expect.changes,
                    expect.told,
                    expect.not_told,
                    expect.never,
                    expect.refusal is not None,
                    expect.handoff.needed != "allowed",
                )
            ), one.id
