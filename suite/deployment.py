"""The Space as a repository of the Hub: its page, the suite that it stands on, and the store that it opens on.

    app.py README.md requirements.txt showroom/ results/    what space/ holds
    suite/ tasks/ cards/ pyproject.toml                     what it imports and reads, as in a checkout
    store.txt                                               the store, where one is named

Hub Spaces install nothing from files that lie in them, so the suite itself travels along.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from suite import hub, resources
from suite.spec import SuiteError

STORE_FILE = "store.txt"
_PACKAGE = Path(__file__).resolve().parent
_ROOT = b'# Says that tasks/ and cards/ lie beside suite/.\n[project]\nname = "transfer-suite-space"\nversion = "0"\n'


def files(store: str | None = None) -> dict[str, bytes | Path | None]:
    """Return what a Space's repository holds, by path.

    Args:
        store: the store that it opens on, as a URL; by default the bundled results.

    Raises:
        SuiteError: the store is a folder of this machine, which the Space could not read.
    """
    if store and "://" not in store:
        raise SuiteError(
            f"The store '{store}' is a folder of this machine; a Space reads one that it can reach, such as "
            "hf://datasets/org/results. Publish yours first: suite publish-results --to org/results"
        )
    found: dict[str, bytes | Path | None] = {"pyproject.toml": _ROOT}
    for folder, name in ((resources.folder("space"), ""), (_PACKAGE, "suite/")):
        found |= {f"{name}{path}": folder / path for path in _below(folder)}
    for name in ("tasks", "cards"):
        folder = resources.folder(name)
        found |= {f"{name}/{path}": folder / path for path in _below(folder)}
    found[STORE_FILE] = f"{store}\n".encode() if store else None
    return found


def _below(folder: Path) -> Iterator[str]:
    """Yield the files below a folder that are worth carrying; what a wheel carries along is told apart by its '_'."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        carried = folder == _PACKAGE and parts[0] in ("_tasks", "_cards", "_space")
        cache = "__pycache__" in parts or parts[-2:] == ("results", "index.parquet")
        if path.is_file() and not carried and not cache and not any(p.startswith(".") for p in parts):
            yield path.relative_to(folder).as_posix()


def deploy(repo: str, store: str | None = None, dry_run: bool = False) -> hub.Pushed:
    """Bring the Space to the Hub in one commit, and return what came of it; files that are there already stay.

    Args:
        repo: org/name; made if it is not there.
        store: the store that it opens on, as a URL.
        dry_run: only say what would change.

    Raises:
        SuiteError: the store is out of the Space's reach; no token, no right, a conflict, the network.
    """
    wanted = files(store)
    if dry_run:
        return hub.preview(repo, wanted, "space")
    return hub.push(repo, lambda head: wanted, "The leaderboard of Transfer Suite", "space")
