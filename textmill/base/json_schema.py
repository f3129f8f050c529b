"""JSON Schema of a strict settings class: what an editor needs to complete, explain and check a YAML file.

Guarantee: what `strict.parse` takes is valid here; the other way round only `parse` knows all (bounds, sums, names that depend
on other values). Keys, types, defaults, choices and the line under each field in the source, as its description, are written.
"""

import ast
import dataclasses
import inspect
import re
import textwrap
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

from textmill.base.strict import NUMBER

DRAFT = "http://json-schema.org/draft-07/schema#"        # the one that YAML language servers read in full
Schema = dict[str, Any]
Special = Mapping[tuple[type, str], Callable[[], Schema]]       # what a type does not say, by class and field
NOTHING: Mapping[Any, Any] = types.MappingProxyType({})
PLAIN = {bool: "boolean", str: "string", type(None): "null", dict: "object"}
# As people write it, 500k or 64MiB; a YAML 1.2 parser reads 1_000 as text, too.
WRITTEN = {"type": "string", "pattern": f"^ *(?:{re.sub(r'[(](?![?])', '(?:', NUMBER)}) *$"}
NUMBERS: Schema = {"whole": {"anyOf": [{"type": "integer"}, WRITTEN]}, "number": {"anyOf": [{"type": "number"}, WRITTEN]}}
NULL: Schema = {"type": "null"}


def of_file(cls: type, title: str, special: Special = NOTHING, definitions: Mapping[str, Schema] = NOTHING) -> Schema:
    """The schema of a file that holds `cls`, with the `definitions` that what is `special` refers to."""
    return {"$schema": DRAFT, "title": title} | of_class(cls, special) | {"definitions": {**NUMBERS, **definitions}}


def of_class(cls: type, special: Special = NOTHING) -> Schema:
    """The schema of a mapping that becomes the dataclass `cls`."""
    hints, lines, choices = typing.get_type_hints(cls), descriptions(cls), getattr(cls, "choices", {})
    properties: dict[str, Schema] = {}
    required = []
    for field in (each for each in dataclasses.fields(cls) if each.init):
        key = field.name.rstrip("_")
        if (cls, field.name) in special:
            schema = special[cls, field.name]()
        elif field.name in choices:
            schema = {"enum": list(choices[field.name])}
            if typing.get_origin(hints[field.name]) in (list, tuple):       # of the values in it
                schema = {"type": "array", "items": schema}
        else:
            schema = of_type(hints[field.name], special)
        if field.name in lines:
            schema = {"description": lines[field.name]} | schema
        if field.default is not dataclasses.MISSING:
            schema["default"] = list(field.default) if isinstance(field.default, tuple) else field.default
        elif field.default_factory is dataclasses.MISSING:
            required.append(key)
        properties[key] = schema
    for old, new in getattr(cls, "renamed", {}).items():
        properties[old] = properties[new] | {"deprecationMessage": f"now called {new}"}
    summary = " ".join(inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].split())
    return {"description": summary, "type": "object", "additionalProperties": False, "properties": properties} | (
        {"required": required} if required else {})


def of_type(kind: Any, special: Special = NOTHING) -> Schema:
    """The schema of a value of this type, as `strict.parse` converts it."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return of_class(typing.cast(type, kind), special)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [of_type(each, special) for each in arguments]}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin in (list, tuple):
        return {"type": "array", "items": of_type(arguments[0], special)}
    if origin is dict:
        return {"type": "object", "additionalProperties": of_type(arguments[1], special)}
    if kind in (int, float):
        return reference("whole" if kind is int else "number")
    return {"type": PLAIN[kind]} if kind in PLAIN else {}


def reference(name: str) -> Schema:
    """A definition of the file, by its name."""
    return {"$ref": f"#/definitions/{name}"}


@cache
def descriptions(cls: type) -> dict[str, str]:
    """The text under each field in the source of `cls` and of its bases, on one line."""
    found: dict[str, str] = {}
    for base in reversed([each for each in cls.__mro__ if dataclasses.is_dataclass(each)]):
        body = typing.cast(ast.ClassDef, ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]).body
        for field, text in pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr) \
                    and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str):
                found[field.target.id] = " ".join(text.value.value.split())
    return found
