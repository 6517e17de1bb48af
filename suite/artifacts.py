"""Kept weights as files: which there are, what they hash to, and the page among them that says how to load them.

    <store>/records/3f/3f9c...-1/weights/model.safetensors   what the library itself would have written
                                         config.json ...
                                         transfer_suite.json  library, class, base checkpoint, strategy, classes

The folder stands on its own: it can be copied away and loaded without the store, and holds no path of the machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from suite import files
from suite.spec import CheckpointRef, Precision, SuiteError, canonical_json

FOLDER = "weights"
ABOUT = "transfer_suite.json"
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".h5", ".msgpack", ".npy", ".npz")
"""Endings of files that can run code, or be no safetensors, when they are opened."""

DRAFT = ".draft-"
"""What the names of folders begin with that are to become entries, or hold what is to be filed with them."""

Library = Literal["transformers", "timm", "peft", "safetensors"]


class About(BaseModel):
    """How to load kept weights, and what their numbers mean.

    `load` is the line of code that opens them with nothing but `library`; `auto` the auto class of transformers, none
    of timm. `base` is the checkpoint that was adapted: an adapter and a probe need it, and `init_seed` is what its
    fresh parameters were drawn from. `classes` are the outputs in their order.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    format: int = 1
    library: Library
    load: str
    auto: str | None
    base: CheckpointRef
    init_seed: int
    strategy: str
    settings: dict[str, JsonValue]
    task: str
    kind: str
    classes: tuple[str, ...]
    max_length: int
    precision: Precision
    key: str


def write_about(about: About, folder: Path) -> None:
    """Write the page beside the weights that it speaks of."""
    (folder / ABOUT).write_text(canonical_json(about.model_dump(mode="json")), encoding="utf-8")


def read_about(folder: Path) -> About:
    """Return what the page in a folder of kept weights says.

    Raises:
        SuiteError: there is none, or it says something else.
    """
    try:
        return About.model_validate_json((folder / ABOUT).read_text(encoding="utf-8"))
    except OSError:
        raise SuiteError(f"'{folder}' holds no kept weights: it has no {ABOUT}.") from None
    except (ValidationError, UnicodeDecodeError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "it is no text"
        raise SuiteError(f"{folder / ABOUT} does not say how to load the weights: {reason}.") from None


def names(folder: Path) -> list[str]:
    """Return the files below a folder, sorted, each with '/' between its folders."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def hashes(folder: Path) -> dict[str, str]:
    """Return 'sha256:<hex>' of every file below a folder by its name.

    Raises:
        SuiteError: one of them is of a sort that is never kept.
    """
    refuse_pickles(folder)
    return {name: hash_file(folder / name) for name in names(folder)}


def refuse_pickles(folder: Path) -> None:
    """Refuse a folder that holds what could run code when it is opened, or leads to files elsewhere.

    Raises:
        SuiteError: it does.
    """
    if pickled := [name for name in names(folder) if name.endswith(PICKLED)]:
        raise SuiteError(f"{pickled[0]} is no file of kept weights: those are safetensors, never pickles.")
    if linked := [name for name in names(folder) if (folder / name).is_symlink()]:
        raise SuiteError(f"{linked[0]} is no file of kept weights, but a link to one elsewhere.")


def hash_file(path: Path) -> str:
    """Return 'sha256:<hex>' of a file that may be large."""
    with path.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def move(folder: Path, to: Path) -> None:
    """Move a folder of weights, its bytes and names being on the disk before it shows under its new name."""
    for path in (folder, *folder.rglob("*")):
        files.sync(path)
    shutil.move(folder, to)


def upload(folder: Path, fs: Any, to: str) -> None:
    """Write a folder of weights into a store that is no folder of this machine."""
    for name in names(folder):
        fs.makedirs(f"{to}/{name}".rpartition("/")[0], exist_ok=True)
        fs.put_file(str(folder / name), f"{to}/{name}")


@contextlib.contextmanager
def fetched(fs: Any, folder: str) -> Iterator[Path]:
    """Give a copy of a folder of weights that lies in a store elsewhere.

    Raises:
        SuiteError: it cannot be read.
    """
    with files.scratch() as copy:
        try:
            fs.get(folder, f"{copy}/{FOLDER}", recursive=True)
        except OSError as error:
            raise SuiteError(f"The kept weights in {folder} cannot be read: {error}.") from None
        yield copy / FOLDER


@contextlib.contextmanager
def drafts(records: Path | None) -> Iterator[Path]:
    """Give a folder for weights not yet filed: below a store's `records`, where filing them is a rename, or of its own.

    What a killed command left there goes away on the way.
    """
    if records is None:
        with files.scratch() as own:
            yield own
        return
    with files.draft(records, DRAFT) as folder:
        yield folder


def missing(claimed: Mapping[str, str], present: list[str]) -> list[str]:
    """Return in words which files of kept weights are not there, and which are there that nobody claims."""
    gone = [f"{FOLDER}/{name} is missing" for name in claimed if name not in present]
    return gone + [f"{FOLDER}/{name} is not among the files of the record" for name in present if name not in claimed]


def changed(claimed: Mapping[str, str], folder: Path) -> list[str]:
    """Return in words which files of kept weights are not those of the record; every byte is read."""
    present = [name for name in names(folder) if not (folder / name).is_symlink()]
    others = [name for name in present if name in claimed and hash_file(folder / name) != claimed[name]]
    return missing(claimed, present) + [f"{FOLDER}/{name} is not the file that was kept" for name in others]
