"""YAML: how long it may be, how deep, and how often it may refer to itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

MAX_YAML_BYTES = 2_000_000
MAX_DEPTH = 50
MAX_REFERENCES = 20
"""More could stand for a text of any size."""

_FENCED = re.compile(r"\s*---\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|$)", re.DOTALL)


def read_front_matter(card: Path) -> dict[str, Any]:
    """Return the metadata that a card begins with; none of one that nobody can read, or where they are too long."""
    try:
        with card.open(encoding="utf-8") as stream:
            fenced = _FENCED.match(stream.read(MAX_YAML_BYTES))
        said = parse_yaml(fenced[1]) if fenced else None
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def parse_yaml(text: str) -> Any:
    """Return the plain value of a YAML text: no tag makes anything but texts, numbers, dates, lists and mappings.

    Raises:
        ValueError: it is none, too long, nested too deep, or has more than MAX_REFERENCES references (*name).
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster, where PyYAML came with libyaml
    if len(text) > MAX_YAML_BYTES:
        raise ValueError(f"it has {len(text):,} characters; at most {MAX_YAML_BYTES:,} are read")
    depth = references = 0
    try:
        for event in yaml.parse(text, loader):
            references += isinstance(event, yaml.AliasEvent)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
            if references > MAX_REFERENCES:
                raise ValueError(f"it has over {MAX_REFERENCES} references (*name)")
        return yaml.load(text, loader)
    except (yaml.YAMLError, RecursionError, AttributeError, LookupError, TypeError) as error:
        raise ValueError(str(getattr(error, "problem", None) or type(error).__name__)) from None
