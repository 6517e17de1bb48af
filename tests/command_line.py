"""The command line as a user meets it: words in; exit code, output and mistakes out."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from suite import cli

SUITE = str(Path(sys.executable).with_name("suite"))


@dataclass(frozen=True)
class Told:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def mistakes(self) -> list[str]:
        """The sentences behind `error:`; anything else on stderr of a refused command is a fault of the test."""
        lines = self.err.splitlines()
        assert all(line.startswith("error: ") for line in lines), self.err
        return [line.removeprefix("error: ") for line in lines]

    @property
    def objects(self) -> list[dict[str, Any]]:
        """One JSON object a line of output."""
        return [json.loads(line) for line in self.out.splitlines()]


def call(*words: str | Path) -> Told:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    with (
        patch.object(sys, "argv", ["suite", *map(str, words)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
    told = Told(int(code), out.getvalue(), err.getvalue())
    assert "Traceback" not in told.out + told.err, told.err
    return told


def start(*words: str | Path, **environment: str) -> subprocess.Popen[str]:
    """Start a command as a process group of its own, as a terminal would."""
    return subprocess.Popen(
        [SUITE, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | environment,
    )


def end(process: subprocess.Popen[str], timeout: float = 120) -> Told:
    """Wait for a started command."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return Told(process.returncode, out, err)


def records(store: Path) -> list[Path]:
    """Return the folders of all whole entries."""
    return sorted(path.parent for path in store.glob("records/??/*/digest.json"))


def wait_for_record(store: Path, process: subprocess.Popen[str], timeout: float = 120) -> None:
    """Wait until a command has stored its first result."""
    until = time.monotonic() + timeout
    while not records(store):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "no record appeared"
        time.sleep(0.02)
