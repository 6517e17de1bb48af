"""Where files lie: those that travel with the package, in a checkout first, else inside the wheel; and the cache."""

import errno
import os
import tempfile
from pathlib import Path

from suite.spec import SuiteError

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


def check_cache() -> None:
    """Create the cache folder if need be.

    A disk that is full is no reason to stop: runs go on without what they cannot keep.

    Raises:
        SuiteError: it cannot be written, as where it is another user's or lies on a disk that is only read.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:  # nameless: a process that is killed leaves none
            probe.write(b"1")
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return
        raise SuiteError(
            f"The cache folder '{folder}' cannot be written: {error.strerror}. Name another in TRANSFER_SUITE_CACHE."
        ) from None
