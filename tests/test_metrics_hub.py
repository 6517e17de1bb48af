"""A metric of the Hub: pinned, trusted and online, or refused; its commit is what runs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loopback_hub import Answer, LoopbackHub, Request
from test_metrics import task

from suite import metrics
from suite.spec import SuiteError

PINNED = "hub:org/shift@" + "0" * 40
SCRIPT = """
import datasets
import evaluate

class Shift(evaluate.Metric):
    def _info(self):
        number = datasets.Value("int64")
        features = datasets.Features({{"predictions": number, "references": number}})
        return evaluate.MetricInfo(description="", citation="", inputs_description="", features=features)

    def _compute(self, predictions, references):
        return {result}
"""
ASK = """
import json, sys
import numpy as np
from suite import metrics
from suite.spec import SuiteError, TaskSpec, DatasetRef
labels, predictions = np.array([3, 4]), np.array([1, 1])
for name in sys.argv[1:]:
    try:
        found = metrics.score(["accuracy", name], labels, predictions)
        assert found[name] == metrics.value(name, labels, predictions), found
        print(json.dumps(found[name]))
    except SuiteError as error:
        print(json.dumps(str(error)))
"""


class Spaces(LoopbackHub):
    """A Hub that keeps what is asked of spaces, where metrics are, as data sets."""

    def answer(self, request: Request) -> Answer:
        path = request.path.replace("/api/spaces/", "/api/datasets/").replace("/spaces/", "/datasets/")
        return super().answer(replace(request, path=path))


def ask(hub: LoopbackHub, home: Path, *names: str, **environment: str) -> list[Any]:
    """Score with metrics by name in one process: values or sentences."""
    env = hub.environment(home) | {"TRANSFER_SUITE_HUB_METRICS": "1"} | environment
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASK, *names],
        cwd=home,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def shift(result: str) -> bytes:
    return SCRIPT.format(result=result).encode()


def test_a_pinned_metric_gives_its_own_commits_value(tmp_path: Path) -> None:
    with Spaces() as hub:
        repository = hub.repository("org/shift", "datasets")
        with_part = shift('{"shift": TWO * len(predictions)}').replace(b"import evaluate", b"from .part import TWO")
        first = repository.commit({"shift.py": shift('{"shift": 0.1 + 0.2}'), "app.py": b"1/0"})
        second = repository.commit({"shift.py": shift('{"other": sum(references) - sum(predictions)}')})
        third = repository.commit({"shift.py": b"import evaluate\n" + with_part, "part.py": b"TWO = 2\n"})
        local = tmp_path / "org" / "shift" / "shift.py"
        local.parent.mkdir(parents=True)
        local.write_bytes(shift('{"shift": -1.0}'))
        names = [f"hub:org/shift@{commit}" for commit in (first, second, third, "0" * 40)]
        values = ask(hub, tmp_path, *names)
        assert values[:3] == [0.1 + 0.2, 5.0, 4.0]
        assert values[3] == f"The metric '{PINNED}': the Hub knows the repository, but not that revision."
        assert all(request.path.startswith(("/api/spaces/org/", "/spaces/org/")) for request in hub.requests)
        assert ask(hub, tmp_path, names[0], HF_HUB_OFFLINE="1") == [
            f"The metric '{names[0]}' comes from the Hub, and HF_HUB_OFFLINE forbids asking it."
        ]


def test_what_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    scripts = {
        "elsewhere": b"from .bleu import it  # From: https://example.org/bleu.py\n" + shift("{}"),
        "broken": b"import no_such_library\n",
        "raises": shift("1 / 0"),
        "several": shift('{"a": 1.0, "b": 2.0}'),
        "nan": shift('{"nan": float("nan")}'),
        "absent": None,
    }
    with Spaces() as hub:
        names = []
        for name, script in scripts.items():
            files = {"README.md": b"", "other.py": b""} | ({f"{name}.py": script} if script else {})
            names.append(f"hub:org/{name}@{hub.repository(f'org/{name}', 'datasets').commit(files)}")
        unknown = "hub:org/unknown@" + "0" * 40
        told = ask(hub, tmp_path, *names, unknown)
    expected = [
        "takes code from https://example.org/bleu.py, which no commit pins.",
        "cannot be loaded: ImportError: To be able to use broken, you need to install",
        "failed on these examples: ZeroDivisionError: division by zero",
        "gave {'a': 1.0, 'b': 2.0}; expected a finite number named 'several', or only one.",
        "gave {'nan': nan}; expected a finite number",
        "has no absent.py at that commit.",
    ]
    for name, sentence, wanted in zip(names, told[:-1], expected, strict=True):
        assert sentence.startswith(f"The metric '{name}' {wanted}"), sentence
    assert told[-1].startswith(f"The Hub does not know the metric '{unknown}'.")


def test_a_hub_that_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError("no route")

    monkeypatch.setenv("TRANSFER_SUITE_HUB_METRICS", "1")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.snapshot_download", down)
    with pytest.raises(SuiteError, match=rf"^The Hub cannot be reached for the metric '{PINNED}' \(ConnectionError\)"):
        metrics.value(PINNED, np.array([1]), np.array([1]))


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hub:org/shift", "hub:org/shift@main", "hub:shift@" + "0" * 40, PINNED[:-1], "hub:"])
def test_a_hub_metric_without_a_commit_is_refused(name: str) -> None:
    with pytest.raises(SuiteError, match=r"^t.yaml:9: 'hub:.*expected hub:OWNER/NAME@ and a commit of 40 hex digits"):
        metrics.check(task("accuracy", name), "class")


def test_a_hub_metric_is_refused_unless_its_code_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRANSFER_SUITE_HUB_METRICS", raising=False)
    told = r"code from the Hub .* set TRANSFER_SUITE_HUB_METRICS=1 to say that such code is trusted"
    with pytest.raises(SuiteError, match=rf"^t.yaml:9: .*{told}"):
        metrics.check(task("accuracy", PINNED), "class")
    with pytest.raises(SuiteError, match=told):
        metrics.score([PINNED], np.array([1]), np.array([1]))


def test_a_hub_metric_is_refused_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFER_SUITE_HUB_METRICS", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SuiteError, match=r"^t.yaml:9: .*HF_HUB_OFFLINE forbids"):
        metrics.check(task("accuracy", PINNED), "class")


def test_a_hub_metric_cannot_be_main() -> None:
    with pytest.raises(SuiteError, match=r"cannot be main: .* Those that can: accuracy, average_precision"):
        metrics.check(task(PINNED, "accuracy"), "class")


def test_of_a_hub_metric_nothing_is_known() -> None:
    info = metrics.info(PINNED, None)
    assert (info.name, info.range, info.greater_is_better) == (PINNED, (None, None), True)
    assert PINNED not in metrics.names()
