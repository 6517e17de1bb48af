"""Many small packs of a data set made few: whoever reads a board asks for the index of each."""

from __future__ import annotations

from pathlib import Path

from suite import hub, packaging
from suite.publication._destination import Destination, bring
from suite.publication._pack import MOST_BYTES
from suite.spec import SuiteError

MESSAGE = "Put small packs together (Transfer Suite)"
FILES = (packaging.RECORDS, packaging.PREDICTIONS, packaging.INDEX)


def merge_packs(to: Destination) -> hub.Pushed:
    """Make one pack of the small ones of a data set, in one commit, and return what came of it.

    Every record stays, byte for byte, and so does its name; what others push meanwhile stays as they pushed it.

    Raises:
        SuiteError: there is no such data set, a pack is none, or the Hub does not take it; nothing was changed.
    """
    hub.check_name(to.repo)
    if hub.look(to.repo, "dataset").commit is None:
        raise SuiteError(f"The Hub does not know the data set '{to.repo}': there are no packs to put together.")
    return bring(to, _composed, MESSAGE, "dataset")


def _composed(head: hub.Head) -> hub.Files:
    files: dict[str, bytes | Path | None] = {}
    folders = _small(head)
    if len(folders) < 2:
        return {}
    try:
        parts = [{file: head.read(f"{folder}/{file}") or b"" for file in FILES} for folder in folders]
        name, made = packaging.merged(parts)
    except ValueError as error:
        raise SuiteError(f"Packs of {head.label} cannot be put together: {error}. Nothing was changed.") from None
    files |= {f"{folder}/{file}": None for folder in folders for file in FILES}
    return files | {f"{packaging.FOLDER}/{name}/{file}": content for file, content in made.items()}


def _small(head: hub.Head) -> list[str]:
    """Return the folders of the smallest packs, as many as fit in one."""
    paths = [path for path in head.names(packaging.FOLDER) if path.rpartition("/")[2] in FILES]
    sizes: dict[str, int] = {}
    for path, state in head.states(paths).items():
        folder = path.rpartition("/")[0]
        sizes[folder] = sizes.get(folder, 0) + state.size
    some: list[str] = []
    size = 0
    for folder in sorted(sizes, key=lambda name: (sizes[name], name)):
        if size + sizes[folder] > MOST_BYTES:
            break  # what comes is larger still
        some.append(folder)
        size += sizes[folder]
    return some
