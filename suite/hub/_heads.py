"""A repository of the Hub at one commit: what it holds, looked at before anything is pushed onto it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from suite.hub._errors import explain
from suite.spec import SuiteError

Kind = Literal["model", "dataset", "space"]
Content = bytes | Path
"""A file's bytes, or where they lie on this machine."""

WORDS: dict[Kind, str] = {"model": "model", "dataset": "data set", "space": "Space"}
PATIENCE = 60.0
"""Seconds after which the Hub is said not to answer: a line that moves no byte for so long is dead."""

_AT_ONCE = 500
"""Paths that the Hub is asked about in one request; it takes 1,000 at most."""


@dataclass(frozen=True)
class State:
    """A file as a commit has it: its size, and the sha256 of its bytes or, of a small one, the sha1 git has of it."""

    size: int
    sha256: str | None
    blob: str

    def holds(self, content: Content) -> bool:
        """Return whether these are its bytes."""
        if size_of(content) != self.size:
            return False
        return hash_content(content, "sha256") == self.sha256 if self.sha256 else git_blob(content) == self.blob


@dataclass(frozen=True)
class Head:
    """A repository at a commit, which is None where there is none yet; `branch` is main or a pull request's."""

    repo: str
    kind: Kind = "model"
    commit: str | None = None
    branch: str = "main"

    @property
    def label(self) -> str:
        """The repository as a sentence names it."""
        return f"the {WORDS[self.kind]} '{self.repo}'"

    def names(self, below: str | None = None) -> list[str]:
        """Return the paths of all files, or of those below a folder.

        Raises:
            SuiteError: the Hub does not say.
        """
        from huggingface_hub import HfApi
        from huggingface_hub.errors import EntryNotFoundError
        from huggingface_hub.hf_api import RepoFile

        if self.commit is None:
            return []
        try:
            with quiet():
                tree = HfApi().list_repo_tree(
                    self.repo, below, recursive=True, revision=self.commit, repo_type=self.kind
                )
                return sorted(entry.path for entry in tree if isinstance(entry, RepoFile))
        except EntryNotFoundError:
            return []
        except Exception as error:
            raise explain(error, self.label) from None

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes, None where there is no such file.

        Raises:
            SuiteError: the Hub does not give it.
        """
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError

        if self.commit is None:
            return None
        try:
            with quiet():
                return Path(hf_hub_download(self.repo, path, repo_type=self.kind, revision=self.commit)).read_bytes()
        except EntryNotFoundError:
            return None
        except Exception as error:
            raise explain(error, self.label) from None

    def states(self, paths: Iterable[str]) -> dict[str, State]:
        """Return what is known of those of the paths that there are, without fetching them.

        Raises:
            SuiteError: the Hub does not say.
        """
        from huggingface_hub import HfApi
        from huggingface_hub.hf_api import RepoFile

        if self.commit is None:
            return {}
        wanted, states = sorted(paths), {}
        try:
            with quiet():
                for start in range(0, len(wanted), _AT_ONCE):
                    some = wanted[start : start + _AT_ONCE]
                    for found in HfApi().get_paths_info(self.repo, some, revision=self.commit, repo_type=self.kind):
                        if isinstance(found, RepoFile):
                            sha = found.lfs.sha256 if found.lfs else None
                            states[found.path] = State(found.size, sha, found.blob_id)
        except Exception as error:
            raise explain(error, self.label) from None
        return states


def look(repo: str, kind: Kind = "model", branch: str = "main") -> Head:
    """Return a repository as it is now; one that the Hub does not know has no commit.

    Raises:
        SuiteError: that is no name of a repository, or the Hub does not answer.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    check_name(repo)
    head = Head(repo, kind, None, branch)
    try:
        with quiet():
            info = HfApi().repo_info(repo, repo_type=kind, revision=branch, timeout=PATIENCE)
    except GatedRepoError as error:
        raise explain(error, head.label) from None
    except RepositoryNotFoundError:
        return head
    except Exception as error:
        raise explain(error, head.label) from None
    return Head(repo, kind, info.sha, branch)


def check_name(repo: str) -> None:
    """Refuse what cannot be the name of a repository that is written to.

    Raises:
        SuiteError: it is none; a remedy is told.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(repo)
    except HFValidationError:
        raise SuiteError(f"'{repo}' is no repository of the Hub: expected org/name.") from None
    if "/" not in repo:
        raise SuiteError(f"'{repo}' says no name space: expected org/name, or your-name/{repo}.")


def is_offline() -> bool:
    """Return whether the environment forbids asking the Hub, by the words that its own client takes."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


@functools.cache
def patient() -> None:
    """Let every request of this process that says nothing else end after `PATIENCE` seconds of silence.

    The Hub's client would wait for ever.
    """
    from huggingface_hub import set_client_factory

    set_client_factory(_client)


def _client() -> Any:
    from huggingface_hub.utils._http import default_client_factory

    made = default_client_factory()
    made.timeout = PATIENCE
    return made


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the client's warnings, its progress bars where nobody looks on, and its endless patience away."""
    from huggingface_hub.utils import logging as log
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    patient()
    level, bars = log.get_verbosity(), not are_progress_bars_disabled()
    log.set_verbosity(logging.ERROR)
    if not sys.stderr.isatty():
        disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.set_verbosity(level)
        if bars:
            enable_progress_bars()


def size_of(content: Content) -> int:
    """Return how many bytes there are."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def hash_content(content: Content, algorithm: str, begin: bytes = b"") -> str:
    """Return the hash of some bytes and a content, in hexadecimal digits."""
    total = hashlib.new(algorithm, begin)
    if isinstance(content, bytes):
        total.update(content)
        return total.hexdigest()
    with content.open("rb") as stream:
        while piece := stream.read(1 << 20):
            total.update(piece)
    return total.hexdigest()


def git_blob(content: Content) -> str:
    """Return the name that git gives to such a file."""
    return hash_content(content, "sha1", b"blob %d\0" % size_of(content))
