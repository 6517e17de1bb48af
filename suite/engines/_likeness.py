"""What a worker on another machine must have in common with the process that gives it runs."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from suite import environment, tasks
from suite.spec import RunSpec, SuiteError

HANDED_ON = (
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_DATASETS_CACHE",
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
    "HF_HUB_DISABLE_XET",
    "TOKENIZERS_PARALLELISM",
    "CUBLAS_WORKSPACE_CONFIG",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
)
"""Environment variables that a worker gets as they are here: where caches are, and what moves numbers."""

OURS = "TRANSFER_SUITE_"
"""How our own variables begin; a worker gets them all."""

SECRET = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""Those that it gets by another way, since Ray writes a worker's environment into its log."""


def handed_on() -> tuple[dict[str, str], dict[str, str]]:
    """Return the environment variables that a worker gets from here: those that a log may show, and those that not."""
    plain = {name: value for name, value in os.environ.items() if name in HANDED_ON or name.startswith(OURS)}
    return plain, {name: os.environ[name] for name in SECRET if name in os.environ}


@dataclass(frozen=True)
class Likeness:
    """Where a worker is, and its versions: Python's and those of the libraries that numbers depend on."""

    host: str
    versions: Mapping[str, str]


def mine() -> Likeness:
    """Return what there is to know of this process."""
    return Likeness(socket.gethostname(), {"Python": platform.python_version(), **environment.versions()})


def check(worker: Likeness) -> None:
    """Refuse a worker whose numbers could differ from those made here.

    Raises:
        SuiteError: a version is another one; the sentence names all of them.
    """
    here = mine().versions
    names = [name for name in (*here, *worker.versions) if here.get(name) != worker.versions.get(name)]
    if names:
        told = ", ".join(
            f"{name} {worker.versions.get(name, 'missing')} ({here.get(name, 'missing')} here)"
            for name in dict.fromkeys(names)
        )
        raise SuiteError(
            f"The worker on {worker.host} has another environment: {told}. Install the same versions there, or leave "
            "that node out of the cluster."
        )


def check_sees(spec: RunSpec) -> None:
    """Look whether the folders that a run reads lie on this machine.

    Raises:
        SuiteError: one does not; the sentence names it and the machine.
    """
    folder = spec.checkpoint.folder
    missing = [folder] if folder and not Path(folder).is_dir() else []
    for task in spec.tasks:
        try:
            tasks.local_files(task)
        except SuiteError:
            missing.append(str(Path(task.file or task.name).parent))
    if missing:
        raise SuiteError(
            f"{' and '.join(dict.fromkeys(missing))} cannot be read on {socket.gethostname()}: with --engine ray, "
            "folders of checkpoints and data must be ones that every node sees; or put them on the Hub."
        )
