"""Strict settings: YAML becomes dataclasses, or one error that names every problem with its cure.

Unknown keys, missing keys, wrong types and values that a class refuses are all reported at once; nothing is
adjusted in silence. A number may be written as people do: 500k, 64MiB, 1e-3. A class states its own bounds in
`problems()`, a method that yields one sentence each, and in `renamed` what keys were called before: such a key is accepted
with a FutureWarning.
"""

import dataclasses
import difflib
import re
import types
import typing
import warnings
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from textmill.base.errors import TextmillError

T = TypeVar("T")
NUMBER = r"([+-]?[0-9][0-9_]{0,39}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?) ?(?:([kKMGT])(i?)B?|(B))?"
_DEEPEST = 100          # lists and mappings in each other
LARGEST = 10**18        # of a number in words or with an exponent; whatever is larger is a mistake
_POWERS = {"k": 1, "K": 1, "M": 2, "G": 3, "T": 4}      # of 1000, or of 1024 as in MiB; B alone is a billion


class SettingsError(TextmillError):
    """Every problem found in one or more settings files, one per line."""

    def __init__(self, problems: list[str]):
        super().__init__("\n".join(problems))
        self.problems = problems


def read_yaml(path: str | Path, content: str | None = None) -> dict[str, Any]:
    """The mapping in a YAML (or JSON) file; SettingsError where there is no file, bad YAML, a key twice or no mapping.

    `content` is that of a file which does not lie on this machine. Texts in the mapping can be written as UTF-8, and its whole
    numbers have at most 300 digits.
    """
    import yaml  # a checkpoint loads on a machine without it

    class Loader(yaml.SafeLoader):
        """SafeLoader that refuses a key given twice: YAML would keep the last in silence.

        And nesting beyond _DEEPEST, before the scanner, whose time grows with its square, reaches Python's own limit.
        """

        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.depth += 1
            if self.depth > _DEEPEST:
                raise RecursionError
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

    def refused(problem: str, node: Any) -> Exception:
        return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)

    def mapping(loader: Any, node: Any) -> dict[Any, Any]:
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise refused("a key is a list or a mapping; write one word or number, in quotes if it has brackets", key)
        pairs = [(loader.construct_object(key, deep=True), loader.construct_object(value, deep=True))
                 for key, value in node.value]
        if len({key for key, _ in pairs}) < len(pairs):
            twice = next(key for n, (key, _) in enumerate(pairs) if key in [k for k, _ in pairs[:n]])
            raise refused(f"key {twice!r} given twice", node)
        return dict(pairs)

    def whole(loader: Any, node: Any) -> int:
        value: int = loader.construct_yaml_int(node)
        if value.bit_length() > 1000:       # Python refuses to print a much longer one
            raise refused("a number has more than 300 digits", node)
        return value

    def text(loader: Any, node: Any) -> str:
        value: str = loader.construct_scalar(node)
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise refused("a text has half a character (a surrogate); write the whole one", node)
        return value

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    Loader.add_constructor("tag:yaml.org,2002:int", whole)
    Loader.add_constructor("tag:yaml.org,2002:str", text)
    try:
        content = Path(path).read_text("utf-8") if content is None else content
        loaded = yaml.load(content, Loader=Loader)
    except FileNotFoundError:
        raise SettingsError([f"{path}: there is no such file; check the path"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: cannot be read ({error})"]) from None
    except RecursionError:
        raise SettingsError([f"{path}: not valid YAML: lists and mappings lie too deep in each other"]) from None
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError) as error:     # of dates and tags that are none
        raise SettingsError([f"{path}: not valid YAML: {' '.join(str(error).split())}"]) from None
    if not isinstance(loaded, dict):
        raise SettingsError([f"{path}: must be a mapping of keys to values, is {type(loaded).__name__}"])
    return loaded


def parse_changes(given: Sequence[str]) -> dict[str, Any]:
    """Changes to settings as a command line gives them, `section.key=VALUE` with VALUE in YAML, by their keys.

    SettingsError for one that is not of this form.
    """
    import yaml

    changes, problems = {}, []
    for change in given:
        keys, equals, value = change.partition("=")
        try:
            if not equals or not all(keys.split(".")):
                raise ValueError
            changes[keys.strip()] = yaml.safe_load(value)
        except (ValueError, yaml.YAMLError):
            problems.append(f"--set {change!r} is no change; give section.key=value, such as tokenizer.vocab_size=16384")
    if problems:
        raise SettingsError(problems)
    return changes


def changed(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with each change made: a dot in its key leads into a section, which is made where there is none."""
    result = dict(settings)
    for key, value in changes.items():
        first, dot, rest = key.partition(".")
        if dot:
            section = result.get(first)
            value = changed(section if isinstance(section, Mapping) else {}, {rest: value})
        result[first] = value
    return result


def parse(cls: type[T], value: Mapping[str, Any], where: str) -> T:
    """`cls` from a mapping; `where` (file and section) begins every problem. Raises SettingsError with all of them."""
    problems: list[str] = []
    parsed = _convert(cls, value, where, problems)
    if problems:
        raise SettingsError(problems)
    return parsed


def _convert(kind: Any, value: Any, where: str, problems: list[str]) -> Any:
    """`value` as `kind`; what does not fit is added to `problems` and None comes back."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, value, where, problems)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        rest = [a for a in arguments if a is not type(None)]
        if isinstance(value, Mapping) and len(sections := [a for a in rest if dataclasses.is_dataclass(a)]) == 1:
            return _convert(sections[0], value, where, problems)        # whose own problems say more than "is none of"
        attempts: list[list[str]] = []
        for alternative in rest:
            attempts.append([])
            converted = _convert(alternative, value, where, attempts[-1])
            if not attempts[-1]:
                return converted
        problems += attempts[0] if len(attempts) == 1 else [f"{where}: {value!r} is none of {', '.join(map(_name, rest))}"]
        return None
    if origin is typing.Literal:
        if value not in arguments:
            problems.append(f"{where}: {value!r} is not one of {', '.join(map(str, arguments))}")
        return value
    if origin in (list, tuple) and isinstance(value, list):
        items = [_convert(arguments[0], item, f"{where}[{n}]", problems) for n, item in enumerate(value)]
        return origin(items)
    if origin is dict and isinstance(value, dict):
        return {key: _convert(arguments[1], item, f"{where}.{key}", problems) for key, item in value.items()}
    if kind is Any:
        return value
    if kind in (int, float) and isinstance(value, str):     # YAML 1.1 reads 1e-3 and 500k as text
        value = number(value)
    if kind is int and isinstance(value, float) and value.is_integer() and abs(value) < LARGEST:
        return int(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < 1024:
        return float(value)
    plain = origin or kind
    if not isinstance(value, plain) or (isinstance(value, bool) and plain is not bool):
        problems.append(f"{where}: must be {_name(kind)}, is {value!r}")
        return None
    return value


def _dataclass(cls: Any, value: Any, where: str, problems: list[str]) -> Any:
    if not isinstance(value, Mapping):
        problems.append(f"{where}: must be a mapping of keys to values, is {value!r}")
        return None
    fields = {field.name.rstrip("_"): field for field in dataclasses.fields(cls) if field.init}
    hints = typing.get_type_hints(cls)
    before = len(problems)
    value = _with_new_names(value, getattr(cls, "renamed", {}), where, problems)
    for key in value:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            cure = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(fields)}"
            problems.append(f"{where}: unknown key {key!r}; {cure}")
    given = {}
    for key, field in fields.items():
        if key in value:
            given[field.name] = _convert(hints[field.name], value[key], f"{where}.{key}", problems)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            problems.append(f"{where}: the key {key!r} is missing; add it")
    if len(problems) > before:
        return None
    made = cls(**given)
    problems.extend(f"{where}: {problem}" for problem in getattr(made, "problems", tuple)())
    return made


def _with_new_names(value: Mapping[str, Any], renamed: Mapping[str, str], where: str, problems: list[str]) -> Mapping[str, Any]:
    """`value` with the names that keys have now; a key by its old name is taken, with a sentence, for this version."""
    for old, new in renamed.items():
        if old in value and new in value:
            problems.append(f"{where}: {old!r} is now called {new!r}, and both are given; take {old!r} out")
        elif old in value:
            warnings.warn(f"{where}: {old!r} is now called {new!r}; rename it, the next version will not know it",
                          FutureWarning, stacklevel=2)
    return {renamed.get(key, key): content for key, content in value.items()}


def number(text: str) -> int | float | str:
    """The number that the text is, whole where it is; the text itself where it is none."""
    if not (match := re.fullmatch(NUMBER, text.strip())):
        return text
    digits, prefix, binary, billion = match.groups()
    exact = Fraction(digits.replace("_", "")) * (10**9 if billion else (1024 if binary else 1000) ** _POWERS.get(prefix, 0))
    if abs(exact) >= LARGEST:
        return text
    return int(exact) if exact.denominator == 1 else float(exact)


def _name(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    if typing.get_origin(kind) in (list, tuple):
        return "a list"
    if typing.get_origin(kind) is typing.Literal:
        return ", ".join(map(str, typing.get_args(kind)))
    if typing.get_origin(kind) is dict or dataclasses.is_dataclass(kind):
        return "a mapping"
    return names.get(kind, getattr(kind, "__name__", str(kind)))
