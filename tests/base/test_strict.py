"""Strict settings: all problems at once, each with its cure, nothing adjusted."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import pytest
import yaml

from textmill.base.strict import SettingsError, changed, parse, parse_changes, read_yaml


@dataclass(frozen=True)
class Inner:
    share: float
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Outer:
    size: Literal[1, 2]
    inner: dict[str, Inner]
    limit: int | None = None
    from_: str = "x"

    def problems(self) -> Iterator[str]:
        if self.limit == 0:
            yield "limit is 0; give more"


def problems(value):
    with pytest.raises(SettingsError) as error:
        parse(Outer, value, "f")
    return error.value.problems


def test_a_mapping_becomes_the_class():
    assert parse(Outer, {"size": 1, "inner": {"a": {"share": 1}}, "limit": None, "from": "y"}, "f") == \
        Outer(1, {"a": Inner(1.0, [])}, None, "y")


def test_all_problems_at_once():
    assert problems({"size": 3, "inner": {"a": {"share": True, "names": ["x", 1]}}, "limt": 1, "limit": "many"}) == [
        "f: unknown key 'limt'; did you mean 'limit'?", "f.size: 3 is not one of 1, 2",
        "f.inner.a.share: must be a number, is True", "f.inner.a.names[1]: must be text, is 1",
        "f.limit: must be a whole number, is 'many'"]
    assert problems({"size": 1}) == ["f: the key 'inner' is missing; add it"]
    assert problems({"size": 1, "inner": {}, "limit": 0}) == ["f: limit is 0; give more"]
    assert problems({"size": 1, "inner": [], "limit": True}) == [
        "f.inner: must be a mapping, is []", "f.limit: must be a whole number, is True"]


@pytest.mark.parametrize(("text", "problem"), [
    ("a: 1\na: 2\n", "key 'a' given twice"), ("- 1\n", "must be a mapping"), ("a: [", "not valid YAML"), ("", "is NoneType")])
def test_a_file_that_is_no_mapping(tmp_path, text, problem):
    (tmp_path / "f.yaml").write_text(text)
    with pytest.raises(SettingsError, match=problem):
        read_yaml(tmp_path / "f.yaml")
    with pytest.raises(SettingsError, match="there is no such file"):
        read_yaml(tmp_path / "missing.yaml")


@dataclass(frozen=True)
class Renamed:
    max_nodes: int = 3
    renamed: ClassVar = {"nodes": "max_nodes"}


def test_an_old_name_is_taken_with_one_sentence():
    with pytest.warns(FutureWarning, match=r"^s: 'nodes' is now called 'max_nodes'; rename it"):
        assert parse(Renamed, {"nodes": 5}, "s") == Renamed(5)
    with pytest.raises(SettingsError, match="'nodes' is now called 'max_nodes', and both are given"):
        parse(Renamed, {"nodes": 5, "max_nodes": 6}, "s")


@dataclass(frozen=True)
class Numbers:
    count: int = 0
    rate: float = 0.0
    most: int | None = None


@pytest.mark.parametrize(("text", "expected"), [
    ("count: 500k", Numbers(count=500_000)), ("count: 1.5M", Numbers(count=1_500_000)), ("count: 2B", Numbers(count=2_000_000_000)),
    ("count: 64MiB", Numbers(count=64 << 20)), ("count: 1.0e+5", Numbers(count=100_000)), ("count: 2 GB", Numbers(count=2_000_000_000)), ("count: 1e5", Numbers(count=100_000)),
    ("count: '1_000'", Numbers(count=1000)), ("rate: 1e-3", Numbers(rate=0.001)), ("rate: 5E2", Numbers(rate=500.0)),
    ("most: 3k", Numbers(most=3000)), ("most: null", Numbers())])
def test_numbers_as_people_write_them(text, expected):
    assert parse(Numbers, yaml.safe_load(text), "f") == expected


@pytest.mark.parametrize("text", ["count: 1.5", "count: 1e-3", "count: 1e99", "count: 1.0e+99", "rate: 1e999", "count: 5 apples", "count: k", "count: '0x10'", "count: 1e999999999", f"count: '{'9' * 5000}'", "count: '١٢'", "rate: fast",
                                  "count: 1kk", "count: .inf"])
def test_what_is_no_such_number_is_refused(text):
    with pytest.raises(SettingsError, match=r"f\.\w+: must be a (whole )?number, is "):
        parse(Numbers, yaml.safe_load(text), "f")


def test_changes_from_a_command_line():
    changes = parse_changes(["a.b=16384", "a.c.d=[x, 1]", "e=null", "a.f=b=c"])
    assert changes == {"a.b": 16384, "a.c.d": ["x", 1], "e": None, "a.f": "b=c"}
    settings = {"a": {"b": 1, "z": 2}, "e": {"g": 1}}
    assert changed(settings, changes) == {"a": {"b": 16384, "z": 2, "c": {"d": ["x", 1]}, "f": "b=c"}, "e": None}
    assert settings == {"a": {"b": 1, "z": 2}, "e": {"g": 1}}
    with pytest.raises(SettingsError) as error:
        parse_changes(["a", "a..b=1", "=1", "a=["])
    assert [problem.partition(";")[0] for problem in error.value.problems] == [
        f"--set {change!r} is no change" for change in ("a", "a..b=1", "=1", "a=[")]


@pytest.mark.parametrize(("text", "problem"), [
    ("{a: 1}: 2", "a key is a list or a mapping"), ("[a]: 2", "a key is a list or a mapping"), ("? !!binary aGk=\n: 1\n", "unknown key"),
    ("a: " + "[" * 5000, "too deep"), ("a: 2026-13-45", "not valid YAML"), ("a: 0x" + "f" * 5000, "more than 300 digits"),
    ("a: " + "9" * 5000, "not valid YAML"), ('a: "\\ud800"', "half a character"), ("a: !!python/name:os.system x", "not valid YAML"),
    ("a: !!int x", "not valid YAML"), ("a: !!bool x", "not valid YAML"), ("a: !!timestamp x", "not valid YAML")])
def test_a_strange_value_is_a_sentence_that_names_its_file(tmp_path, text, problem):
    (tmp_path / "f.yaml").write_text(text)
    with pytest.raises(SettingsError, match=rf"f\.yaml.*{problem}"):
        parse(Outer, read_yaml(tmp_path / "f.yaml"), str(tmp_path / "f.yaml"))


def test_a_whole_number_that_is_no_float_is_a_problem():
    assert len(problems({"size": 1, "inner": {"a": {"share": 10**400}}})) == 1
