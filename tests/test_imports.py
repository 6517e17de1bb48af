"""What can be imported, what it is called, and what it does not load."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

import suite

HEAVY = ("torch", "transformers", "datasets", "evaluate", "peft", "timm", "accelerate", "ray", "gradio")
LIGHT = (
    "suite",
    "suite.store",
    "suite.index",
    "suite.leaderboard",
    "suite.boards",
    "suite.comparison",
    "suite.report",
    "suite.cards",
    "suite.publication",
    "suite.submissions",
    "suite.selection",
    "suite.plan",
    "suite.tasks",
    "suite.hub",
    "suite.grid",
    "suite.verification",
    "suite.cli",
)


def loaded_by(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has after a statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    return set(done.stdout.splitlines()[-1].split())


def test_the_public_names_are_as_promised() -> None:
    assert sorted(suite.__all__) == [
        "Mixture",
        "Protocol",
        "Record",
        "RunSpec",
        "Store",
        "SuiteError",
        "TaskSpec",
        "compare",
        "race",
        "rank",
        "recommend",
        "run",
        "screen",
        "transfer",
        "verify",
        "write_report",
    ]
    assert dir(suite) == sorted(suite.__all__)
    for name in suite.__all__:
        assert getattr(suite, name).__name__ == name


def test_a_name_that_is_not_promised_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'suite' has no attribute 'ran'"):
        _ = suite.ran


@pytest.mark.parametrize("module", LIGHT)
def test_the_reading_half_loads_no_training_library(module: str) -> None:
    assert not loaded_by(f"import {module}") & set(HEAVY)


def test_planning_and_ranking_load_no_training_library() -> None:
    statement = (
        "from suite.plan import Request, plan\n"
        "strategies = ('lora', 'full', 'linear_probe')\n"
        "specs = plan(Request(('bundled/tiny-bert',), ('wordnet-pos',), strategies, 2, 'quick'))\n"
        "assert len(specs) == 6\n"
        "import suite\n"
        "suite.rank('memory://nothing')"
    )
    assert not loaded_by(statement) & set(HEAVY)


def test_comparing_advising_reporting_and_verifying_load_no_training_library(tmp_path: Path) -> None:
    statement = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from made_records import grid\n"
        "import suite\n"
        f"store = suite.Store({str(tmp_path)!r})\n"
        "for result in grid({'a': 0.9, 'b': 0.6}, ['one', 'two', 'three']):\n    store.put(result)\n"
        "assert suite.compare('a', 'b', store=store).pairs[0].verdict == 'different'\n"
        "assert suite.recommend(store)\n"
        f"suite.write_report({str(tmp_path / 'report.html')!r}, store)\n"
        "assert all(check.level == 'rescore' for check in suite.verify(store))"
    )
    assert not loaded_by(statement) & set(HEAVY)


def test_help_loads_neither_numpy_nor_pydantic() -> None:
    statement = (
        "import sys\nfrom suite import cli\nsys.argv = ['suite', '--help']\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass"
    )
    loaded = loaded_by(statement)
    assert "typer" in loaded
    assert not loaded & {"numpy", "pydantic", "pyarrow", "yaml", "huggingface_hub", *HEAVY}


def test_help_answers_in_a_third_of_a_second() -> None:
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", "import sys; sys.argv = ['suite', '--help']; from suite.cli import main; main()"],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        seconds.append(time.perf_counter() - started)
        assert "leaderboard" in done.stdout
    assert min(seconds) < 0.3, seconds
