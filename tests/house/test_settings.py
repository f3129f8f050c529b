"""The shipped files state what the code would do without them."""

import ast
import dataclasses
import inspect

import pytest

from tests.paths import ROOT
from textmill.base.strict import parse, read_yaml
from textmill.model.training.settings import TrainSettings
from textmill.pipelines.pack.mixture import Entry
from textmill.pipelines.settings import Settings, read_settings

SECTIONS = {field.name: field.type for field in dataclasses.fields(Settings) if dataclasses.is_dataclass(field.type)}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_stands_with_its_default(section):
    assert getattr(read_settings(str(ROOT / "settings.yaml")), section) == SECTIONS[section]()
    assert list(read_yaml(ROOT / "settings.yaml")[section]) and set(read_yaml(ROOT / "settings.yaml")[section]) == {
        field.name for field in dataclasses.fields(SECTIONS[section])}


def test_the_models_section_too():
    section = read_yaml(ROOT / "settings.yaml")["train"]
    assert parse(TrainSettings, section, "train") == TrainSettings()
    assert set(section) == {field.name for field in dataclasses.fields(TrainSettings)}


@pytest.mark.parametrize("settings", [*SECTIONS.values(), TrainSettings, Entry], ids=lambda settings: settings.__name__)
def test_every_field_has_a_docstring(settings):
    followed = {}
    for base in (kind for kind in settings.__mro__ if dataclasses.is_dataclass(kind)):
        (body,) = ast.parse(inspect.getsource(base)).body
        followed |= {line.target.id: after for line, after in zip(body.body, body.body[1:], strict=False) if isinstance(line, ast.AnnAssign)}
    for field in dataclasses.fields(settings):
        after = followed[field.name]
        assert isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and after.value.value, field.name
