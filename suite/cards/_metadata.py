"""What the Hub reads of a card: the front matter with its model-index, and the files of `.eval_results`.

Both name data sets of the Hub, so that tasks whose data lie in files are left out of them. Entries are ours by the name
of their source; where nobody said where the records are to be seen they have none, and are ours by how they end.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from huggingface_hub import EvalResult, EvalResultEntry, eval_result_entries_to_yaml
from huggingface_hub.repocard_data import eval_results_to_model_index

from suite import kinds, resampling, strategies
from suite.evidence.words import clean
from suite.spec import RunSpec, SuiteError, TaskSpec
from suite.tasks import LOCAL_BUILDERS

SOURCE = "Transfer Suite"
SIGNED = f", by {SOURCE}"
"""How an entry without a source ends: the Hub takes no name of a source without an address."""

TAG = "transfer-suite"
FOLDER = ".eval_results"
_KNOWN = {
    "f1_macro": "f1",
    "f1_micro": "f1",
    "f1_weighted": "f1",
    "entity_f1": "seqeval",
    "squad_f1": "squad",
    "pearson": "pearsonr",
    "spearman": "spearmanr",
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
}
"""What the Hub calls some metrics."""


@dataclass(frozen=True)
class Fact:
    """One number of a card, as metadata can hold it: which task and metric, and in words what it rests on."""

    spec: RunSpec
    task: TaskSpec
    metric: str
    value: float
    words: str
    date: str
    way: str
    main: bool = True

    @property
    def split(self) -> str | None:
        """The split of the data set that was the test; None where the rows were cut out of others."""
        try:
            cut = resampling.parse(self.spec.resample).name
        except SuiteError:
            return None
        known = self.spec.strategy in strategies.names()
        own = cut in ("kfold", "bootstrap", "loo") or (known and strategies.get(self.spec.strategy).own_rows)
        test = self.task.splits.test
        return test if isinstance(test, str) and not own else None


def on_hub(task: TaskSpec) -> bool:
    """Return whether a task's data is a data set of the Hub."""
    return task.dataset.path not in LOCAL_BUILDERS


def usable(facts: Iterable[Fact]) -> list[Fact]:
    """Return the facts that metadata can hold: numbers, on data sets of the Hub."""
    return [fact for fact in facts if on_hub(fact.task) and math.isfinite(fact.value)]


def pipeline_of(kind: str) -> str:
    """Return what the Hub calls the task of a kind, by the auto class that has its head: 'text-classification'."""
    if kind not in kinds.names():
        return kind.replace("_", "-")
    parts = re.findall("[A-Z][a-z]*", kinds.get(kind).auto.removeprefix("AutoModelFor"))
    return "-".join(parts).lower().replace("sequence-", "text-")


def metric_of(name: str) -> str:
    """Return what the Hub calls a metric."""
    return _KNOWN.get(name, name)


def source_of(url: str) -> str | None:
    """Return the address at which a store can be seen: of a data set of the Hub its page, None of any other."""
    found = re.fullmatch(r"hf://datasets/([\w.-]+/[\w.-]+)(@[^/]*)?(/.*)?", url)
    return f"https://huggingface.co/datasets/{found[1]}" if found else None


def is_ours(result: Any) -> bool:
    """Return whether a result of a model-index is one that was made here."""
    if not isinstance(result, dict):
        return False
    source, metrics = result.get("source"), result.get("metrics")
    if source is not None or not isinstance(metrics, list) or not metrics:
        return isinstance(source, dict) and source.get("name") == SOURCE
    names = [metric.get("name") if isinstance(metric, dict) else None for metric in metrics]
    return all(isinstance(name, str) and name.endswith(SIGNED) for name in names)


def model_index(name: str, facts: Sequence[Fact], source: str | None) -> list[dict[str, Any]]:
    """Return a model-index of one model, one result a task; none where no task is on the Hub.

    Tasks of one data set stand apart: the Hub's client would put their metrics together.
    """
    by_task: dict[str, list[Fact]] = {}
    for fact in usable(facts):
        by_task.setdefault(fact.task.name, []).append(fact)
    found = [eval_results_to_model_index(name, [_result(fact, source) for fact in of]) for of in by_task.values()]
    if not found:
        return []
    return [{"name": name, "results": [result for (model,) in found for result in model["results"]]}]


def _told(fact: Fact, source: str | None) -> str:
    """Return what a number is in words, signed where no source says whose it is."""
    return clean(f"{fact.metric}, {fact.words}{'' if source else SIGNED}")


def _result(fact: Fact, source: str | None) -> EvalResult:
    data = fact.task.dataset
    return EvalResult(
        task_type=pipeline_of(fact.task.kind),
        task_name=fact.task.name,
        dataset_type=data.path,
        dataset_name=" ".join(filter(None, (data.path, data.config))),
        dataset_config=data.config,
        dataset_split=fact.split,
        dataset_revision=data.revision,
        metric_type=metric_of(fact.metric),
        metric_name=_told(fact, source),
        metric_value=round(fact.value, 6),
        source_name=SOURCE if source else None,
        source_url=source,
    )


def eval_results(facts: Sequence[Fact], source: str | None) -> dict[str, str]:
    """Return the files of `.eval_results` by path: one a task and way to adapt, as the Hub wants variants apart."""
    found: dict[str, list[Fact]] = {}
    for fact in usable(facts):
        found.setdefault(f"{FOLDER}/{TAG}-{_slug(fact.task.name)}-{_slug(fact.way)}.yaml", []).append(fact)
    return {path: _file(of, source) for path, of in sorted(found.items())}


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "x"


def _file(facts: Sequence[Fact], source: str | None) -> str:
    entries = [
        EvalResultEntry(
            dataset_id=fact.task.dataset.path,
            task_id=fact.task.dataset.config or "default",
            value=round(fact.value, 6),
            dataset_revision=fact.task.dataset.revision,
            date=fact.date,
            source_url=source,
            source_name=SOURCE if source else None,
            notes=_told(fact, source),
        )
        for fact in facts
    ]
    text: str = yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True, width=1000)
    return text


def dump(metadata: dict[str, Any]) -> str:
    """Return metadata as YAML, without the lines that fence it."""
    text: str = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True, width=1000)
    return text
