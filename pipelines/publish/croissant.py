"""Croissant metadata (MLCommons, format 1.0): croissant.json, from manifests alone.

Every file is listed with its size and sha256, every column with its type and meaning; nested columns have their fields.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from textmill.pipelines.contract.parts import Part
from textmill.pipelines.publish.card import short_digest
from textmill.pipelines.publish.columns import about, table_columns
from textmill.pipelines.publish.settings import CardSettings
from textmill.pipelines.publish.tables import Table

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
# The context that the specification gives, appendix 1.
CONTEXT: dict[str, Any] = {
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column",
    "conformsTo": "dct:conformsTo", "cr": "http://mlcommons.org/croissant/", "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty", "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract", "field": "cr:field", "fileObject": "cr:fileObject", "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet", "format": "cr:format", "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath", "key": "cr:key", "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/", "recordSet": "cr:recordSet", "references": "cr:references",
    "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace", "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/", "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField",
    "transform": "cr:transform"}
LICENSES = {"apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0", "mit": "https://opensource.org/license/mit",
            "cc0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/", "odc-by": "https://opendatacommons.org/licenses/by/1-0/",
            "odbl": "https://opendatacommons.org/licenses/odbl/1-0/", "pddl": "https://opendatacommons.org/licenses/pddl/1-0/"}


def croissant(tables: Sequence[Table], settings: CardSettings, paths: Callable[[Table, Part], str],
              patterns: Mapping[str, str]) -> str:
    """croissant.json of these tables, as JSON; `paths` says where a part lies from its folder, `patterns` all of a table."""
    files = [_file(table, part, paths(table, part)) for table in tables for part in table.parts]
    whole = short_digest([file["sha256"] for file in files])
    described = settings.description or "Text for training language models, curated by textmill; the card is README.md."
    return json.dumps({
        "@context": CONTEXT, "@type": "sc:Dataset", "conformsTo": CONFORMS_TO, "name": settings.name,
        "description": described, "license": settings.license_link or LICENSES.get(settings.license, settings.license),
        **({"creator": {"@type": "sc:Organization", "name": settings.creator}} if settings.creator else {}),
        **({"url": settings.homepage} if settings.homepage else {}),
        **({"datePublished": settings.published} if settings.published else {}),
        "citeAs": f"{settings.creator or settings.name}: {settings.name}, made with textmill, files {whole}",
        "version": f"1.0.0+{whole}", "distribution": [*files, *(_set(table, patterns[table.name]) for table in tables)],
        "recordSet": [_records(table) for table in tables]}, indent=1, ensure_ascii=False) + "\n"


def _file(table: Table, part: Part, path: str) -> dict[str, Any]:
    return {"@type": "cr:FileObject", "@id": f"{table.name}/{part.key}", "name": path.rpartition("/")[2], "contentUrl": path,
            "contentSize": f"{part.bytes} B", "encodingFormat": "application/x-parquet", "sha256": part.sha256}


def _set(table: Table, pattern: str) -> dict[str, Any]:
    """The files of one table together, below the folder of croissant.json, which its records are read from."""
    return {"@type": "cr:FileSet", "@id": f"{table.name}-files", "name": f"{table.name}-files",
            "encodingFormat": "application/x-parquet", "includes": pattern}


def _records(table: Table) -> dict[str, Any]:
    return {"@type": "cr:RecordSet", "@id": table.name, "name": table.name, "description": about(table.described),
            **({"key": {"@id": f"{table.name}/id"}} if table.name != "curated" and not table.name.startswith("tokens")
               else {}),
            "field": list(_fields(table))}


def _fields(table: Table) -> Iterator[dict[str, Any]]:
    listed = list(table_columns(table))
    for column in listed:
        if "." in column.name:
            continue
        inner, repeated = _item(column.type)
        nested = [other for other in listed if other.name.startswith(f"{column.name}.")] if pa.types.is_struct(inner) else []
        field = _field(table, column.name, column.meaning, inner, repeated, (column.name,))
        if nested:
            field.pop("dataType")
            inner_path = [(other, (column.name, other.name.rpartition(".")[2])) for other in nested]
            field["subField"] = [_field(table, other.name, other.meaning, *_item(other.type), path)
                                 for other, path in inner_path if not pa.types.is_struct(_item(other.type)[0])]
        yield field


def _item(kind: pa.DataType) -> tuple[pa.DataType, bool]:
    """The type of the items of a list, or of a column that is none, and whether it is a list."""
    is_list = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)
    return (kind.value_type, True) if is_list else (kind, False)


def _field(table: Table, name: str, meaning: str, kind: pa.DataType, repeated: bool, path: tuple[str, ...]) -> dict[str, Any]:
    return {"@type": "cr:Field", "@id": f"{table.name}/{name.replace('.', '/')}", "name": name, "description": meaning,
            "dataType": _type(kind), **({"repeated": True} if repeated else {}),
            "source": {"fileSet": {"@id": f"{table.name}-files"}, "extract": {"column": path[0]},
                       **({"transform": {"jsonPath": path[1]}} if len(path) > 1 else {})}}


def _type(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(kind) else "sc:Text"
