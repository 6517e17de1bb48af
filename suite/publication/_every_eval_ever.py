"""A record in the schema of Every Eval Ever, version 0.3.0: the shared format of the EvalEval Coalition.

    https://github.com/evaleval/every_eval_ever   every_eval_ever/schemas/eval.schema.json

What the schema leaves open is text by name. Test examples are not exported: the schema wants each one's input, and a
record holds none.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from suite import metrics
from suite.publication._every_eval_ever_types import (
    Data,
    Evaluated,
    Interval,
    Log,
    Metric,
    Model,
    Score,
    Software,
    Source,
    Uncertainty,
)
from suite.spec import MetricInfo, Record, SuiteError, canonical_json
from suite.stats import intervals
from suite.tasks import LOCAL_BUILDERS

VERSION = "0.3.0"
COLLECTION = "transfer-suite"
CANONICAL = frozenset({"accuracy", "balanced_accuracy", "f1", "f1_macro", "f1_micro", "f1_weighted", "exact_match"})
"""Metrics that mean the same everywhere; others are named as ours."""


def document(record: Record, values: np.ndarray | None, organisation: str) -> dict[str, Any] | None:
    """Return a record as the schema has it; None of a model of random weights, and of a re-run of the same key.

    Args:
        record: the record.
        values: what each test example gives to the main metric, fp64 [n]; None where they are not independent.
        organisation: who publishes it.

    Raises:
        SuiteError: the record holds what the schema does not allow.
    """
    if record.spec.checkpoint.init != "pretrained" or record.attempt > 1:
        return None
    try:
        made = _log(record, values, organisation)
    except ValidationError as error:
        first = error.errors()[0]
        raise _unfit(record, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except ValueError as error:
        raise _unfit(record, f"created: {error}") from None
    return made.model_dump(mode="json", exclude_none=True)


def _unfit(record: Record, reason: str) -> SuiteError:
    return SuiteError(f"{record.key[:12]} does not fit Every Eval Ever {VERSION}: {reason}.")


def write(documents: Iterable[dict[str, Any]], folder: Path) -> list[Path]:
    """Write documents as the data store of Every Eval Ever has them, and return where.

    A file is named by what its run is named, so that writing again writes the same.
    """
    written = []
    for made in documents:
        developer, _, model = made["model_info"]["id"].rpartition("/")
        place = folder / "data" / COLLECTION / _part(developer or made["model_info"]["developer"]) / _part(model)
        place.mkdir(parents=True, exist_ok=True)
        name = uuid.UUID(bytes=hashlib.sha256(made["evaluation_id"].encode()).digest()[:16], version=4)
        written.append(place / f"{name}.json")
        written[-1].write_text(canonical_json(made) + "\n", encoding="utf-8")
    return written


def _part(name: str) -> str:
    """Return a name as a part of a path of any machine."""
    return re.sub(r"[^\w.-]+", "_", name).strip(".") or "_"


def _log(record: Record, values: np.ndarray | None, organisation: str) -> Log:
    name, made = f"{record.key[:12]}-{record.attempt}", datetime.datetime.fromisoformat(record.created)
    checkpoint = record.spec.checkpoint
    known: Any = record.environment.get("libraries") or {}
    moment = str(int(made.timestamp()))
    owner = checkpoint.name.partition("/")[0] if "/" in checkpoint.name else organisation
    return Log(
        schema_version=VERSION,
        evaluation_id=f"{COLLECTION}.{record.task}.{record.spec.strategy}.{name}/{checkpoint.name}/{moment}",
        evaluation_timestamp=record.created,
        retrieved_timestamp=moment,
        source_metadata=Source(
            source_name="Transfer Suite",
            source_type="evaluation_run",
            source_organization_name=organisation,
            evaluator_relationship="first_party" if owner == organisation else "third_party",
        ),
        eval_library=Software(name="transfer-suite", version=str(known.get("transfer-suite", "unknown"))),
        model_info=Model(
            name=checkpoint.name,
            id=checkpoint.name,
            developer=owner,
            inference_engine=Software(name="transformers", version=str(known.get("transformers", "unknown"))),
            additional_details=_of_model(record),
        ),
        evaluation_results=[_result(record, info, values) for info in _metrics_of(record)],
    )


def _of_model(record: Record) -> dict[str, str]:
    """Return what was made of the checkpoint: the score is that of its adapted weights, not its own."""
    spec, trained = record.spec, record.checkpoint.get("trainable_params")
    on_hub = not spec.checkpoint.revision.startswith("sha256:")
    details = {
        "deployment_type": "self_deployed",
        "model_availability": "open_weights" if on_hub else "unknown",
        "revision": spec.checkpoint.revision,
        "adaptation": spec.strategy,
        "adaptation_settings": canonical_json(spec.settings),
        "protocol": f"{spec.protocol.name} {spec.protocol.version}",
        "tasks_trained_on": ", ".join(task.name for task in spec.tasks),
        "training_examples": str(record.counts.get("train", 0)),
        "seed": str(spec.seed),
    }
    return details | ({} if trained is None else {"trainable_parameters": str(trained)})


def _metrics_of(record: Record) -> list[MetricInfo]:
    """Return the metrics of a record whose direction and range are known, the main one first."""
    known = set(metrics.names())
    others = [name for name in record.metrics if name in known and name != record.main.name]
    return [record.main, *(metrics.info(name, None) for name in others)]


def _result(record: Record, info: MetricInfo, values: np.ndarray | None) -> Evaluated:
    task, least, most = record.task_spec, *info.range
    main = info.name == record.main.name
    details = {
        "main_metric": str(main).lower(),
        "metric_version": str(info.version),
        "collapsed": str(record.collapsed).lower(),
        "failed_examples": str(record.counts.get("failed", 0)),
    }
    return Evaluated(
        evaluation_result_id=f"{record.key}-{record.attempt}#{info.name}",
        evaluation_name=record.task,
        evaluation_timestamp=record.created,
        source_data=_data(record),
        metric_config=Metric(
            evaluation_description=f"{task.description or task.name} ({info.name} on the test rows)",
            metric_id=info.name if info.name in CANONICAL else f"{COLLECTION}.{info.name}",
            metric_name=info.name,
            lower_is_better=not info.greater_is_better,
            score_type="continuous",
            min_score="-Infinity" if least is None else float(least),
            max_score="Infinity" if most is None else float(most),
        ),
        score_details=Score(
            score=record.metrics[info.name],
            details=details | ({} if info.chance is None else {"chance_level": f"{info.chance:g}"}),
            uncertainty=_uncertainty(record, values) if main else None,
        ),
    )


def _data(record: Record) -> Data:
    task, cut = record.task_spec, record.spec.resample
    data, local = task.dataset, task.dataset.path in LOCAL_BUILDERS
    details = {"task_version": str(task.version), "resample": cut, "fold": str(record.spec.fold)}
    said = {"config": data.config, "revision": data.revision, "source": data.source, "license": data.license}
    whole = cut == "holdout" and isinstance(task.splits.test, str)
    return Data(
        dataset_name=task.name if local else data.path,
        source_type="other" if local else "hf_dataset",
        hf_repo=None if local else data.path,
        hf_split=str(task.splits.test) if whole and not local else None,
        samples_number=None if local else record.counts.get("test", 0),
        additional_details=details | {name: value for name, value in said.items() if value is not None},
    )


def _uncertainty(record: Record, values: np.ndarray | None) -> Uncertainty | None:
    """Return the 95% interval over test examples, None where the examples cannot tell."""
    if values is None or len(values) < 2:
        return None
    estimate = intervals.two_way(values[None])
    found = estimate.interval()
    if found is None or not found[0] <= record.score <= found[1]:
        return None
    kind = "Clopper-Pearson" if estimate.counted else "t"
    method = f"{kind} over test examples; one run, so that another seed is not in it"
    lower, upper = map(float, found)
    interval = Interval(lower=lower, upper=upper, confidence_level=0.95, method=method)
    return Uncertainty(confidence_interval=interval, num_samples=len(values))
