"""Where files lie: those that travel with the package, in a checkout first, else inside the wheel; and the cache."""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """Return the folder `tasks`, `cards` or `space`.

    Raises:
        FileNotFoundError: neither the checkout nor the installed package has it.
    """
    checkout = _PACKAGE.parent
    inside = checkout / name if (checkout / "pyproject.toml").is_file() else _PACKAGE / f"_{name}"
    if not inside.is_dir():
        raise FileNotFoundError(f"The installed package lacks its '{name}' folder: {inside}")
    return inside


def cache_folder() -> Path:
    """Return where what can be computed again is kept: $TRANSFER_SUITE_CACHE, else ~/.cache/transfer-suite."""
    named = os.environ.get("TRANSFER_SUITE_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "transfer-suite"
