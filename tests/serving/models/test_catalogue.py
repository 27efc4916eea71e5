from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from serving.models.catalogue import Catalogue, RegistrySource, load
from serving.models.errors import UnknownModel
from serving.settings import ModelSettings


def as_data() -> dict[str, Any]:
    return load().model_dump(mode="json")


def test_the_default_model_is_the_settings_default_and_speaks_both_languages() -> None:
    catalogue = load()
    default = catalogue.get(catalogue.default)
    assert default.name == ModelSettings().name
    assert {"en", "zh"} <= set(default.languages)
    assert default.purpose == "chat"


def test_every_model_can_be_had_from_a_hub_a_registry_or_by_hand() -> None:
    models = load().models
    assert len(models) >= 3
    for model in models:
        assert [source.kind for source in model.sources] == ["folder", "hub", "registry"], model.name


def test_a_single_wheel_holds_the_file_itself() -> None:
    singles = [
        (model.file.sha256, source.wheels[0].sha256)
        for model in load().models
        for source in model.sources
        if isinstance(source, RegistrySource) and len(source.wheels) == 1
    ]
    assert singles
    assert all(whole == part for whole, part in singles)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownModel, match=r"'gpt-9'.*smollm2-135m-instruct"):
        load().get("gpt-9")


def test_another_file_of_the_same_form_can_be_loaded(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text(yaml.safe_dump(as_data()), encoding="utf-8")
    assert load(path) == load()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data["models"][0]["file"].update(bytes=1), "the wheels hold"),
        (lambda data: data["models"][0]["file"].update(sha256="abc"), "sha256"),
        (lambda data: data["models"][0]["file"].update(name="../up.gguf"), "name"),
        (lambda data: data["models"][0].update(name="../up"), "name"),
        (lambda data: data["models"][0].update(served_length=10**6), "served_length"),
        (lambda data: data["models"][0].update(speed=3), "speed"),
        (lambda data: data["models"].append(data["models"][0]), "same name"),
        (lambda data: data.update(default="gpt-9"), "default"),
        (lambda data: data["models"][0]["sources"][2]["wheels"][0].update(package="--index-url"), "package"),
    ],
)
def test_a_catalogue_that_contradicts_itself_is_refused(change: Any, message: str) -> None:
    data = as_data()
    change(data)
    with pytest.raises(ValidationError, match=message):
        Catalogue.model_validate(data)
