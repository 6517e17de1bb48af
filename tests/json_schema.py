"""As much of JSON Schema (draft 7) as the schema of Every Eval Ever uses; a word that is not known here is an error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

TYPES: dict[str, Any] = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
WORDS = {"type", "enum", "const", "required", "properties", "additionalProperties", "items", "minItems", "oneOf"}
WORDS |= {"$ref", "pattern", "minimum", "maximum", "if", "then", "else"}
SILENT = {"description", "default", "$schema", "version", "$defs", "title"}


def mistakes(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str = "") -> Iterator[str]:
    """Yield what in a value is not as its schema has it."""
    assert schema.keys() <= WORDS | SILENT, f"{at}: {schema.keys() - WORDS - SILENT}"
    if "$ref" in schema:
        target = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        yield from mistakes(value, target, root, at)
    yield from _plain(value, schema, at)
    if "oneOf" in schema and sum(not any(mistakes(value, one, root, at)) for one in schema["oneOf"]) != 1:
        yield f"{at}: fits not just one of several"
    if "if" in schema:
        branch = "else" if any(mistakes(value, schema["if"], root, at)) else "then"
        yield from mistakes(value, schema.get(branch, {}), root, at)
    if isinstance(value, dict):
        yield from _inside(value, schema, root, at)
    if isinstance(value, list):
        for place, item in enumerate(value):
            yield from mistakes(item, schema.get("items", {}), root, f"{at}[{place}]")


def _plain(value: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
    kinds = schema.get("type", [])
    if kinds and not any(_is(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        yield f"{at}: is no {kinds}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: is none of {schema['enum']}"
    if "const" in schema and value != schema["const"]:
        yield f"{at}: is not {schema['const']}"
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{at}: does not fit {schema['pattern']}"
    if _is(value, "number") and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{at}: is out of range"
    if isinstance(value, list) and len(value) < schema.get("minItems", 0):
        yield f"{at}: has too few items"


def _inside(value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any], at: str) -> Iterator[str]:
    yield from (f"{at}: lacks {name}" for name in schema.get("required", []) if name not in value)
    known, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name, inner in value.items():
        if name in known:
            yield from mistakes(inner, known[name], root, f"{at}.{name}")
        elif more is False:
            yield f"{at}: {name} is unknown"
        elif isinstance(more, dict):
            yield from mistakes(inner, more, root, f"{at}.{name}")


def _is(value: Any, kind: str) -> bool:
    if kind in ("number", "integer"):
        return isinstance(value, (int, float) if kind == "number" else int) and not isinstance(value, bool)
    return isinstance(value, TYPES[kind])
