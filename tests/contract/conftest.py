"""What every contract needs: a checkpoint and a task of each modality, and the job of a run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from suite.environment import Machine
from suite.spec import RunSpec

HEAVY = ("torch", "transformers", "datasets", "evaluate", "peft", "timm", "sklearn", "accelerate", "ray", "pandas")


class _ReachedError(Exception):
    """Carries the job out of an evaluation."""


class _Catcher:
    def fit(self, job: Any) -> Any:
        raise _ReachedError(job)


@pytest.fixture(scope="session")
def inputs(tiny_bert: Path, tiny_resnet: Path, text_task: Path, image_task: Path) -> dict[str, tuple[Path, Path]]:
    """Return a checkpoint and a task by modality."""
    return {"text": (tiny_bert, text_task), "image": (tiny_resnet, image_task)}


@pytest.fixture(scope="session")
def job_of(machine: Machine) -> Callable[[RunSpec], Any]:
    """Return a function that gives a run's Job exactly as evaluation makes it."""

    def make(spec: RunSpec) -> Any:
        from suite import evaluation

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(evaluation.strategies, "get", lambda name: _Catcher())
            with pytest.raises(_ReachedError) as reached:
                evaluation.evaluate(spec, machine, lambda event: None)
        return reached.value.args[0]

    return make


@pytest.fixture(scope="session")
def loaded_by() -> Callable[[str], set[str]]:
    """Return a function that imports a module in a fresh interpreter and says which heavy libraries came along."""

    def run(module: str) -> set[str]:
        code = f"import sys, {module}; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
        return set(done.stdout.split())

    return run
