"""What is asked of a checkpoint beside its files: how large it is, and the licence that its own card states.

No record holds a licence, and none is ever guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite import limits
from suite.hub._checkpoints import bundled, fetch
from suite.hub._errors import explain
from suite.hub._folders import MAX_CONFIG_BYTES
from suite.hub._heads import is_offline, patient
from suite.spec import CheckpointRef

SECONDS = 5.0
"""The Hub is asked once and for so long: a card is written without a licence where it does not say."""

_LONGEST = 300


@dataclass(frozen=True)
class Facts:
    """What is asked of a checkpoint before it is taken: bytes of its weights, and the licence that its card states."""

    bytes: int
    licence: str | None


def facts(ref: CheckpointRef) -> Facts:
    """Return the facts of a pinned checkpoint, downloading nothing but its card.

    Raises:
        SuiteError: the Hub does not give them, or the folder is not on this machine.
    """
    if ref.revision.startswith("sha256:"):
        folder = fetch(ref)
        weights = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
        return Facts(weights, _of_card(folder / "README.md").get("license"))
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.hf_api import RepoFile

    try:
        listed = [one for one in HfApi().list_repo_tree(ref.name, revision=ref.revision) if isinstance(one, RepoFile)]
        card = any(one.path == "README.md" and one.size <= MAX_CONFIG_BYTES for one in listed)
        path = Path(hf_hub_download(ref.name, "README.md", revision=ref.revision)) if card else None
    except Exception as error:
        raise explain(error, f"the model '{ref.name}'") from None
    weights = sum(one.size for one in listed if one.path.endswith(".safetensors"))
    return Facts(weights, _of_card(path).get("license") if path else None)


def licence(name: str, revision: str, folder: str | Path | None = None) -> dict[str, str]:
    """Return the licence that a checkpoint's card names at a revision, under the Hub's keys.

    It is `{"license": "mit"}`, or `other` with its name and link; empty where the card names none or cannot be read.

    Args:
        name: its name on the Hub, or `bundled/NAME`.
        revision: its commit, or the sha256 of a folder's files.
        folder: where it lies, if it is a folder.
    """
    if revision.startswith("sha256:"):
        at = Path(folder) if folder else bundled().get(name.removeprefix("bundled/"))
        return _of_card(at / "README.md") if at else {}
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        held = try_to_load_from_cache(name, "README.md", revision=revision)
    except HFValidationError:  # a record may say any name
        return {}
    if isinstance(held, str):
        return _of_card(Path(held))
    if is_offline():
        return {}
    patient()
    try:
        about: Any = HfApi().model_info(name, revision=revision, timeout=SECONDS).card_data
    except Exception:  # whatever is in the way, the card can do without
        return {}
    return _named(about.to_dict() if about else {})


def _of_card(path: Path) -> dict[str, str]:
    """Return what the front matter of a card names; a card that nobody can read names nothing."""
    return _named(limits.read_front_matter(path))


def _named(metadata: dict[str, object]) -> dict[str, str]:
    known = {name: metadata.get(name) for name in ("license", "license_name", "license_link")}
    said = {name: text for name, text in known.items() if isinstance(text, str) and text.isprintable()}
    return {name: text for name, text in said.items() if 0 < len(text) <= _LONGEST} if "license" in said else {}
