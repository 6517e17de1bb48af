"""Whatever a stranger wrote, it is read or refused in a sentence, and nothing outside of the store is touched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from fuzzing import TARGETS, attempt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TIMES = 5 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 1


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Path]:
    """A folder with a home, a current folder and files that are not to be touched."""
    base = tmp_path / "sandbox"
    base.mkdir()
    for name in ("home", "here", "beside"):
        (base / name).mkdir()
        (base / name / "sentinel").write_text("as it was")
    (base / "x").write_text("where ../../x leads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(base / "home"))
        patch.chdir(base / "here")
        yield base


@pytest.mark.filterwarnings("ignore")  # what readers warn of is no result
@pytest.mark.parametrize("name", TARGETS)
def test_what_is_nearly_right_is_read_or_refused_in_a_sentence(name: str, sandbox: Path) -> None:
    target, count = TARGETS[name]
    folder = sandbox / "a" / "b" / "c" / "allowed"
    folder.mkdir(parents=True)
    step = target(folder)
    told: list[str] = []

    @settings(max_examples=count * TIMES, suppress_health_check=list(HealthCheck), database=None)
    @given(st.integers(0, 2**63))
    def take(seed: int) -> None:
        told.append(attempt(step, Random(seed), sandbox, folder))

    take()
    if name not in ("records", "tables of predictions", "digests", "indexes", "packs", "words of commands"):
        assert any(one != "read" for one in told), "nothing was refused: are these mutations?"
