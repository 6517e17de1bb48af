"""The file's name is the registry: a folder of plug-ins lists and imports itself.

`suite/kinds/x.py` is the kind `x`. A package outside adds its own by an entry point in the group
`suite.kinds`, `suite.strategies` or `suite.engines`.
"""

import functools
import importlib
import importlib.metadata
import pkgutil
from pathlib import Path
from types import ModuleType

from suite.spec import unknown

_NOUNS = {"kinds": "task kind", "strategies": "strategy", "engines": "engine"}


@functools.cache
def _outside(group: str) -> tuple[importlib.metadata.EntryPoint, ...]:
    """Return what installed packages add to a group; asking takes milliseconds, a grid asks thousands of times."""
    return tuple(importlib.metadata.entry_points(group=f"suite.{group}"))


def names(group: str) -> list[str]:
    """Return the known names of a group, without importing any of them."""
    inside = [m.name for m in pkgutil.iter_modules([str(Path(__file__).parent / group)])]
    outside = [point.name for point in _outside(group)]
    return sorted({name for name in inside + outside if not name.startswith("_")})


def load(group: str, name: str) -> ModuleType:
    """Import the plug-in `name` of a group.

    Raises:
        SuiteError: nobody knows the name; the message says the nearest one.
    """
    if name not in names(group):
        raise unknown(_NOUNS[group], name, names(group))
    for point in _outside(group):
        if point.name == name:
            module = point.load()
            assert isinstance(module, ModuleType)
            return module
    return importlib.import_module(f"suite.{group}.{name}")
