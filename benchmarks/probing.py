"""What probes cost: 5 seeds x 7 strengths beside the one feature pass, scikit-learn's fits and mteb's protocol.

    python benchmarks/probing.py

All times are processor seconds of one thread, imports aside (`starts.py` has these). The first run of a probe computes
its features; the other seeds read them, and so does the first again in processes that have run no such probe. Then, on
the same features, in turn for each seed: our fits of all strengths, and scikit-learn's LogisticRegression with its
default tolerance. `above` is how far the worst of them leaves the penalised sum of losses above its minimum.

mteb's protocol is written out as mteb 2.26.24 has it (mteb/abstasks/classification.py: AbsTaskClassification): ten
times LogisticRegression(max_iter=100) on 8 rows a class, drawn anew from the order that the last draw left, each
tested on all test rows; seed 42. It learns from 80 rows a class and chooses no strength, so that it says less.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import dataclasses
import multiprocessing
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
from measuring import Pair, parser, ratio, tell
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score

from suite import evaluation, features, strategies
from suite.environment import Machine, Precisions
from suite.plan import Request, plan
from suite.spec import RunSpec
from suite.stats import logistic
from suite.strategies import _rows, linear_probe

STRENGTHS = [10.0**power for power in range(-4, 3)]
SHOTS, EXPERIMENTS, SEED = 8, 10, 42
PROCESSES = 3


def cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor seconds that some work takes, and what it gives."""
    began = time.process_time()
    found = work()
    return time.process_time() - began, found


def warm(machine: Machine) -> None:
    """Import and look up all that a run needs, so that none of it is measured."""
    request = Request(("bundled/tiny-bert",), ("wordnet-pos",), ("linear_probe",), seeds=1, protocol="quick")
    (spec,) = plan(request)
    evaluation.evaluate(spec, machine, lambda event: None)


def planned(options: argparse.Namespace) -> list[RunSpec]:
    """Return the runs, one a seed."""
    request = Request((options.model,), (options.task,), ("linear_probe",), options.seeds, "standard", offline=True)
    return [spec.model_copy(update={"settings": spec.settings | {"C": STRENGTHS}}) for spec in plan(request)]


def runs(specs: list[RunSpec], options: argparse.Namespace, machine: Machine) -> dict[str, Any]:
    """Return what the first run, its feature pass and the repeated ones take."""
    passes: list[float] = []
    inner = features.map_batches

    def timed(*arguments: Any, **named: Any) -> Any:
        seconds, found = cpu(lambda: inner(*arguments, **named))
        passes.append(seconds)
        return found

    features.map_batches = timed
    whole = [cpu(lambda spec=spec: evaluation.evaluate(spec, machine, lambda event: None)) for spec in specs]
    features.map_batches = inner
    again = elsewhere(options, machine)
    repeated = statistics.median(seconds for seconds, _ in whole[1:])
    first = whole[0][0]
    return {
        "feature_pass_seconds": round(sum(passes), 3),
        "first_run_seconds": round(first, 3),
        "repeated_run_seconds": {"same process": round(repeated, 3), "another process": round(again, 3)},
        "first_over_repeated": {"same process": round(first / repeated, 1), "another process": round(first / again, 1)},
        "accuracy": [round(result.record.metrics["accuracy"], 4) for _, (result,) in whole],
        "strengths_chosen": [result.record.training["C"] for _, (result,) in whole],
    }


def elsewhere(options: argparse.Namespace, machine: Machine) -> float:
    """Return what the first run takes in other processes that plan it themselves, the median of a few."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        return statistics.median(pool.submit(alone, options, machine).result() for _ in range(PROCESSES))


def alone(options: argparse.Namespace, machine: Machine) -> float:
    """Return what the first run takes in this process, which has run nothing else of its model and task."""
    warm(machine)
    spec = planned(options)[0]
    seconds, (result,) = cpu(lambda: evaluation.evaluate(spec, machine, lambda event: None))
    assert result.record.training["features_stored"]
    return seconds


def fits(spec: RunSpec, train: Any) -> tuple[Pair, dict[str, float]]:
    """Return what all strengths of one seed take, ours and scikit-learn's, and how far each is above the minimum."""
    examples = linear_probe.chosen_rows(len(train.labels), 0.9, spec.seeds()["split"])
    x, labels = train.take(examples, 0)
    x = linear_probe.standardiser(x)(x)
    limits = logistic.Limits(float(spec.settings["tolerance"]))
    ours, lines = cpu(lambda: logistic.one_of(x, labels, STRENGTHS, limits))
    theirs, probes = cpu(
        lambda: [LogisticRegression(C=strength, max_iter=1000).fit(x, labels) for strength in STRENGTHS]
    )
    lowest = logistic.one_of(x, labels, STRENGTHS, logistic.Limits(1e-6))
    heights = np.array(
        [
            [height(x, labels, a.weights, a.intercept, strength), height(x, labels, b.coef_.T, b.intercept_, strength)]
            for a, b, strength in zip(lines, probes, STRENGTHS, strict=True)
        ]
    )
    least = [height(x, labels, a.weights, a.intercept, c) for a, c in zip(lowest, STRENGTHS, strict=True)]
    above = (heights - np.array(least)[:, None]).max(axis=0)
    return Pair(ours, theirs), {"ours": round(float(above[0]), 5), "scikit-learn": round(float(above[1]), 5)}


def height(x: np.ndarray, labels: np.ndarray, weights: np.ndarray, bias: np.ndarray, strength: float) -> float:
    """Return the sum of losses and penalty."""
    from scipy.special import log_softmax

    own = log_softmax(x @ weights + bias, axis=1)[np.arange(len(x)), labels]
    return float((weights**2).sum() / (2 * strength) - own.sum())


def mteb(train: Any, test: Any) -> list[float]:
    """Return the accuracies of mteb's experiments."""
    rows = list(range(len(train.labels)))
    scores = []
    probe = LogisticRegression(max_iter=100, random_state=SEED)
    for _ in range(EXPERIMENTS):
        np.random.RandomState(SEED).shuffle(rows)
        drawn: dict[int, list[int]] = {}
        chosen = []
        for row in rows:
            of_class = drawn.setdefault(int(train.labels[row]), [])
            if len(of_class) < SHOTS:
                of_class.append(row)
                chosen.append(row)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            probe.fit(train.x[chosen], train.labels[chosen])
        scores.append(float(accuracy_score(test.labels, probe.predict(test.x))))
    return scores


def read(spec: RunSpec, machine: Machine) -> tuple[Any, Any]:
    """Return the train and test rows with the features that are stored."""
    job = evaluation.prepared(spec, machine, lambda event: None)
    part = job.part
    pooling = str(spec.settings["pooling"])
    reader = features.Reader(job.build, pooling, part.collate, job.device, part.identity, job.reading)
    train, _, test = _rows.read(reader, job)
    return train, test


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return all figures."""
    machine = Machine("cpu", 1, Precisions(text=options.precision))
    warm(machine)
    specs = planned(options)
    assert strategies.get("linear_probe").recipe("text")["solver"] == "path"
    found = runs(specs, options, machine)
    train, test = read(specs[0], machine)
    fitted = [fits(spec, train) for spec in specs]
    pairs = [pair for pair, _ in fitted]
    all_fits = sum(pair.ours for pair in pairs)
    seconds, scores = cpu(lambda: mteb(train, test))
    return {
        **found,
        "rows": {"train": len(train.labels), "test": len(test.labels)},
        "fits": len(STRENGTHS) * len(specs),
        "all_fits_seconds": round(all_fits, 3),
        "fits_over_feature_pass": round(all_fits / found["feature_pass_seconds"], 3),
        "scikit_learn": {
            "all_fits_seconds": round(sum(pair.theirs for pair in pairs), 3),
            "times_faster": ratio(pairs),
            "pairs": [dataclasses.asdict(pair) for pair in pairs],
            "above": [above for _, above in fitted],
        },
        "mteb": {
            "experiments": EXPERIMENTS,
            "seconds": round(seconds, 3),
            "accuracy": round(statistics.mean(scores), 4),
            "accuracy_sd": round(statistics.stdev(scores), 4),
            "seconds_a_fit": {
                "ours": round(all_fits / (len(STRENGTHS) * len(specs)), 4),
                "mteb": round(seconds / EXPERIMENTS, 4),
            },
        },
    }


def main() -> None:
    """Measure and tell."""
    options = parser(__doc__)
    options.add_argument("--model", default="bundled/minilm-l6")
    options.add_argument("--task", default="wordnet-supersense", help="one of classes")
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="what features are computed in")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TRANSFER_SUITE_CACHE"] = folder
        found = measure(asked)
    tell(f"probing_{asked.precision}", found, asked)


if __name__ == "__main__":
    main()
