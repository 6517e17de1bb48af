"""Strangers' names on a terminal: no command obeys them, breaks off, or lets them write a line of their own."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest
from command_line import Told, call
from made_records import LOSS, PROTOCOL, grid, made

from suite import display
from suite.spec import Failure
from suite.store import Store
from suite.submissions import Queue, Submission

ESCAPE = "\x1b]0;owned\x07\x1b[2J"
FORGED = "FORGED all runs are verified"
NAMES = {
    "control": f"org/{ESCAPE}a",
    "c1": "org/\x9b2Ja",
    "bidi": "org/\u202egnp.\u2066exe",
    "lines": f"org/a\n{FORGED}\r\u2028{FORGED}",
    "markup": "org/[/bold][red]a[/red][link=http://x]:smile:",
}
COMMANDS = {
    "leaderboard": ("leaderboard",),
    "markdown": ("leaderboard", "--format", "markdown"),
    "csv": ("leaderboard", "--format", "csv"),
    "transfer": ("transfer",),
    "recommend": ("recommend",),
    "verify": ("verify", "--all"),
    "compare": ("compare", "{name}", "plain", "--examples", "1", "--offline"),
    "compare-none": ("compare", "{name}?", "plain"),
    "card": ("card", "{name}"),
}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Return a hostile name."""
    return NAMES[request.param]


@pytest.fixture
def store(tmp_path: Path, name: str) -> Path:
    """Return a store all of whose names are hostile: of checkpoints, strategies, metrics and labels."""
    protocol = PROTOCOL.model_copy(update={"description": name})
    fields: dict[str, Any] = {"protocol": protocol, "n": 20, "seeds": 2, "columns": {"label": [name] * 20}}
    fields |= {"task_fields": {"labels": ("no", name), "description": name}}
    opened = Store(str(tmp_path / "store"))
    for result in grid({name: 0.9, "plain": 0.5}, ["one", "two"], strategy="full", **fields):
        opened.put(result)
    opened.put(made(name, "loss", [0.5, 1.0], main=LOSS, strategy=name, protocol=protocol))
    opened.put(made(name, "odd", [0.0, 1.0], strategy=name, protocol=protocol, collapsed=True))
    bad = opened.put(made("plain", "bad", [0.0, 1.0], metrics={"accuracy": 0.5, name: 0.5}))
    assert bad.metrics[name] == 0.5
    return tmp_path / "store"


def check_harmless(told: Told, name: str) -> None:
    for text in (told.out, told.err):
        steers = [hex(ord(sign)) for sign in text if sign != "\n" and unicodedata.category(sign) in ("Cc", "Cf", "Zl")]
        assert not steers, text
        assert not [line for line in text.splitlines() if line.strip().startswith(FORGED)], text


@pytest.mark.parametrize("command", COMMANDS)
def test_a_name_is_shown_and_neither_obeyed_nor_a_line_of_its_own(store: Path, name: str, command: str) -> None:
    told = call(*(word.replace("{name}", name) for word in COMMANDS[command]), "--store", store)
    assert told.code in (0, 1, 2)
    assert told.out + told.err
    check_harmless(told, name)


def test_what_lies_in_a_queue_is_shown_and_not_obeyed(tmp_path: Path, name: str) -> None:
    words = {"model": name, "strategy": name, "collection": name, "protocol": name, "revision": name}
    queue = Queue(str(tmp_path))
    queue.put(
        Submission(id="20260101-000000-00000000", tasks=("one",), runs=1, created="2026-01-01T00:00:00+00:00", **words)
    )
    told = call("queue", "list", "--store", tmp_path)
    assert "org/" in told.out
    check_harmless(told, name)


def test_a_run_is_told_of_and_its_names_are_not_obeyed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    spec = made(name, "one", [1.0, 0.0], strategy=name)
    shown = display.GridDisplay(2, display.console(err=True))
    shown.event(spec.record.spec, {"phase": "starting"})
    shown.event(spec.record.spec, {"note": name})
    shown.finished(spec.record, stored=False)
    shown.finished(Failure(spec.record.spec, name, details=name), stored=False)
    told = capsys.readouterr()
    assert [line[:7] for line in told.err.splitlines()] == ["note   ", "  1/2  ", "failed "]
    check_harmless(Told(0, told.out, told.err), name)


def test_a_name_in_brackets_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    name = NAMES["markup"]
    screen = display.console()
    table = display.titled(name, name)
    table.add_column(display.shown(name))
    table.add_row(display.shown(name))
    screen.print(table)
    screen.say(name)
    assert capsys.readouterr().out.count(name) == 5
