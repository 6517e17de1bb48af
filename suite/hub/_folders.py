"""What the folder of a checkpoint may hold, looked at before any library opens it.

Whoever made a checkpoint chose its files' names, sizes and words, and some words lead libraries elsewhere: an index of
weights to files of other folders, a config to code of the Hub, an adapter to pickles. Such folders are refused.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from suite import limits
from suite.spec import SuiteError

PATTERNS = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")
MAX_CONFIG_BYTES = 10_000_000
MAX_VOCABULARY_BYTES = 256_000_000
MAX_FILES = 10_000

INDEX = "model.safetensors.index.json"
ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
_SHARD = re.compile(r"[^/\\\0]+\.safetensors")
_ARCHITECTURE = re.compile(r"[A-Za-z0-9_.-]+")
_ELSEWHERE = ("checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir", "pretrained", "scriptable")
"""What `timm.create_model` takes besides a model's own arguments: from where weights are read, and how."""

State = tuple[str, int, int]


def check_sizes(name: str, files: Iterable[tuple[str, int | None]]) -> None:
    """Refuse files that are no weights and too large to be read, by their names and bytes (None: not told).

    Raises:
        SuiteError: there is one, or there are too many files.
    """
    count = 0
    for count, (file, size) in enumerate(files, 1):  # noqa: B007  # counted on the way
        most = MAX_CONFIG_BYTES if file.endswith("config.json") else MAX_VOCABULARY_BYTES
        if size is not None and size > most and not file.endswith(".safetensors"):
            raise SuiteError(f"{name}: {file[:80]} has {size:,} bytes; at most {most:,} are read of such a file.")
    if count > MAX_FILES:
        raise SuiteError(f"{name} has {count:,} files; at most {MAX_FILES:,} are looked at.")


def check_folder(name: str, folder: Path) -> None:
    """Look at the files of a checkpoint's folder that libraries would open, all but the weights themselves.

    Raises:
        SuiteError: one is too large, lies elsewhere, is no JSON, or leads to code or to files of other folders.
    """
    paths = sorted({path for pattern in PATTERNS for path in folder.glob(pattern)})
    states = tuple((path.name, *_state(path)) for path in paths)
    _check(name, folder, states)


def _state(path: Path) -> tuple[int, int]:
    try:
        state = path.stat()
    except OSError:  # a link that leads nowhere
        return -1, 0
    return state.st_size, state.st_mtime_ns


@functools.lru_cache(maxsize=256)
def _check(name: str, folder: Path, states: tuple[State, ...]) -> None:
    """Look at a folder whose files are in such a state; one that is known to be well is not looked at again."""
    check_sizes(name, ((file, size) for file, size, _ in states))
    for file, _, _ in states:
        _check_place(name, folder, file)
    said = {file: _read(name, folder / file, size) for file, size, _ in states if file in _READ}
    check_config(name, said.get("config.json", {}))
    _check_index(name, said.get(INDEX, {}))
    if ADAPTER[0] in said:
        check_adapter(name, said[ADAPTER[0]], {file for file, _, _ in states})


_READ = ("config.json", INDEX, ADAPTER[0])


def _check_place(name: str, folder: Path, file: str) -> None:
    """Refuse a link out of the folder; in the Hub's cache every file is one, to the bytes beside all snapshots."""
    if not (folder / file).is_symlink():
        return
    home, target = folder.resolve(), (folder / file).resolve()
    cache = home.parent.parent / "blobs" if home.parent.name == "snapshots" else None
    if not (target.is_relative_to(home) or (cache and target.is_relative_to(cache))):
        raise SuiteError(f"{name}: {file} is a link that leads out of its folder; put the file itself there.")


def _read(name: str, path: Path, size: int) -> dict[str, Any]:
    most = MAX_VOCABULARY_BYTES if path.name == INDEX else MAX_CONFIG_BYTES
    try:
        if size > most:
            raise ValueError(f"it has {size:,} bytes; at most {most:,} are read")
        value = limits.parse_json(path.read_bytes())
        if not isinstance(value, dict):
            raise ValueError(f"expected an object, found {type(value).__name__}")
    except (OSError, ValueError) as error:
        raise SuiteError(f"{name}: {path.name} cannot be used: {getattr(error, 'strerror', None) or error}.") from None
    return value


def check_config(name: str, config: dict[str, Any]) -> None:
    """Refuse a config.json that leads to code or weights elsewhere.

    Raises:
        SuiteError: it does; the message says by which word.
    """
    if "auto_map" in config:
        raise SuiteError(
            f"{name} needs code of its own (auto_map in config.json), which is never run here. "
            "Use a checkpoint whose architecture is in transformers or timm."
        )
    for word in ("attn_implementation", "_attn_implementation", "experts_implementation"):
        if "/" in str(config.get(word) or ""):
            raise SuiteError(f"{name} wants code of the Hub ({word} in config.json), which is never run here.")
    architecture, given = config.get("architecture"), config.get("model_args")
    if architecture is not None and not (isinstance(architecture, str) and _ARCHITECTURE.fullmatch(architecture)):
        raise SuiteError(
            f"{name}: architecture is {str(architecture)[:80]!r} in config.json; expected a name of timm's."
        )
    for word, value in given.items() if isinstance(given, dict) else ():
        if word in _ELSEWHERE and value is not None:
            raise SuiteError(
                f"{name}: model_args has '{word}' in config.json; weights are only read from its own files."
            )


def _check_index(name: str, index: dict[str, Any]) -> None:
    """Refuse an index whose parts are no safetensors beside it."""
    said = index.get("weight_map")
    for part in {str(value) for value in said.values()} if isinstance(said, dict) else ():
        if not _SHARD.fullmatch(part):
            raise SuiteError(f"{name}: {INDEX} names '{part[:80]}'; expected safetensors files of the same folder.")


def check_adapter(name: str, config: dict[str, Any], files: Iterable[str]) -> None:
    """Refuse an adapter of another sort than ours, or without safetensors: its library would look for pickles.

    Raises:
        SuiteError: it is one.
    """
    if ADAPTER[1] not in files:
        raise SuiteError(f"{name} has an adapter without {ADAPTER[1]}; its library would open pickles in its place.")
    if config.get("peft_type") != "LORA" or config.get("megatron_config") or config.get("auto_map"):
        raise SuiteError(f"{name}: adapter_config.json is no plain LoRA, and no other adapters are opened.")
