"""Every strategy in the folder keeps the same promises, on texts and images and on every target it declares."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import BAD, GOOD, sentences, write_task

from suite import evaluation, kinds, plugins, resampling, strategies
from suite.data import Prepared
from suite.environment import Machine
from suite.kinds import Target
from suite.outputs import Outputs
from suite.plan import Request, plan
from suite.spec import Protocol, RunSpec, SuiteError, canonical_json
from suite.strategies import Adapted
from suite.tasks import load_protocol

STRATEGIES = plugins.names("strategies")
MODALITIES = ("text", "image")
QUICK: dict[str, dict[str, Any]] = {"few_shot": {"episodes": 25}}
"""Settings under which a strategy has less to do."""

both = pytest.mark.parametrize("modality", MODALITIES)
each = pytest.mark.parametrize("name", STRATEGIES)


@pytest.fixture(scope="session")
def jobs(inputs: Any, planned: Callable[..., list[RunSpec]], job_of: Callable[[RunSpec], Any]) -> Any:
    """Return the job of a strategy on a modality."""

    def make(name: str, modality: str) -> Any:
        (spec,) = planned(*inputs[modality], name, settings=QUICK.get(name, {}))
        return job_of(spec)

    return make


TEXT_KINDS: dict[Target, tuple[str, str, str]] = {
    "labels": ("multi_label_classification", "{text: text, labels: labels}", ""),
    "number": ("text_similarity", "{text: text, text_pair: other, score: score}", ""),
    "tags": ("token_classification", "{tokens: words, tags: tags}", "labels: [O, B-GOOD, B-BAD]\n"),
    "class": ("multiple_choice", "{text: text, choices: choices, label: right}", ""),
    "text": ("question_answering", "{question: question, context: text, answers: answers}", ""),
}
"""A kind of texts for each target, and how it names the columns of `_row`; for classes the one with choices."""


def _row(row: int, text: str, label: str, other: str) -> dict[str, Any]:
    words = text.split()
    telling = next(word for word in words if word in GOOD + BAD)
    answers = {"text": [telling], "answer_start": [text.index(telling)]}
    return {
        "text": text,
        "other": other,
        "labels": [label] + ["long"] * (len(words) > 7),
        "score": len(words) / 2,
        "words": words,
        "tags": ["B-GOOD" if word in GOOD else "B-BAD" if word in BAD else "O" for word in words],
        "choices": [GOOD[row % 10], BAD[row % 7]][:: -1 if row % 3 else 1],
        "right": int((label == "good") == bool(row % 3)),
        "question": "it was",
        "answers": answers if row % 5 else {"text": [], "answer_start": []},
    }


@pytest.fixture(scope="session")
def tasks_of(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a task on texts for each target."""
    import datasets

    folder = tmp_path_factory.mktemp("targets")
    for split, n, seed in (("train", 48, 1), ("test", 24, 2)):
        pairs = zip(sentences(n, seed), sentences(n, seed + 10), strict=True)
        rows = [_row(row, a["sentence"], a["label"], b["sentence"]) for row, (a, b) in enumerate(pairs)]
        datasets.Dataset.from_list(rows).to_parquet(folder / f"{split}.parquet")
    return {
        target: write_task(folder, kind.replace("_", "-"), kind, columns, "parquet", more)
        for target, (kind, columns, more) in TEXT_KINDS.items()
    }


FITTED = [
    (name, target)
    for name in STRATEGIES
    for target in strategies.get(name).targets or TEXT_KINDS
    if (name, target) != ("few_shot", "class")  # choices are of no class that an episode could draw
]
REFUSED = [
    (name, target)
    for name in STRATEGIES
    for target in TEXT_KINDS
    if strategies.get(name).targets and target not in strategies.get(name).targets
]


def _tested(job: Any, outcome: Adapted) -> Prepared:
    return outcome.tested or job.part.test  # type: ignore[no-any-return]


def _same(first: Outputs, second: Outputs) -> bool:
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def _outputs(job: Any, outcome: Adapted) -> Outputs:
    (task,) = job.parts
    assert outcome.outputs.keys() == {task}
    return outcome.outputs[task]


@pytest.fixture(scope="session")
def adapted(jobs: Any) -> Callable[[str, str], tuple[Any, Adapted]]:
    """Return a job and what came of it, computed once for all tests."""
    kept: dict[tuple[str, str], tuple[Any, Adapted]] = {}

    def run(name: str, modality: str) -> tuple[Any, Adapted]:
        if (name, modality) not in kept:
            job = jobs(name, modality)
            kept[name, modality] = job, strategies.get(name).fit(job)
        return kept[name, modality]

    return run


def _protocol(path: Path, name: str, **settings: Any) -> Protocol:
    return load_protocol(str(path)).model_copy(update={"settings": {name: settings}})


@each
def test_importing_a_strategy_loads_no_heavy_library(name: str, loaded_by: Callable[[str], set[str]]) -> None:
    assert loaded_by(f"suite.strategies.{name}") == set()


def test_an_unknown_strategy_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SuiteError, match="Did you mean 'lora'"):
        strategies.get("lorra")


@both
@each
def test_the_recipe_is_plain_json_and_made_anew_each_time(name: str, modality: Any) -> None:
    strategy = strategies.get(name)
    recipe = strategy.recipe(modality)
    assert json.loads(canonical_json(recipe)) == recipe
    recipe.clear()
    assert strategy.recipe(modality)


@both
@each
def test_every_setting_can_be_set_by_a_protocol(name: str, modality: Any, tiny_protocol: Path) -> None:
    recipe = strategies.get(name).recipe(modality)
    for setting, value in recipe.items():
        other = value / 2 if isinstance(value, float) else value
        found = strategies.settings(name, modality, _protocol(tiny_protocol, name, **{setting: other}))
        assert found == recipe | {setting: other}


@each
def test_a_setting_that_a_strategy_lacks_is_refused(name: str, tiny_protocol: Path) -> None:
    known = next(iter(strategies.get(name).recipe("text")))
    with pytest.raises(SuiteError, match=rf"No setting of {name} named '{known}x'. Did you mean '{known}'"):
        strategies.settings(name, "text", _protocol(tiny_protocol, name, **{f"{known}x": 1}))


@each
def test_a_setting_of_another_type_is_refused(name: str, tiny_protocol: Path) -> None:
    for setting in strategies.get(name).recipe("text"):
        with pytest.raises(SuiteError, match=f"{name}.{setting} is"):
            strategies.settings(name, "text", _protocol(tiny_protocol, name, **{setting: {"a": 1}}))


@both
@each
def test_fit_gives_finite_float32_outputs_for_every_tested_row(name: str, modality: str, adapted: Any) -> None:
    job, outcome = adapted(name, modality)
    tested, logits = _tested(job, outcome), _outputs(job, outcome)
    assert logits.shape == (len(tested), job.part.n_outputs)
    assert logits.dtype == np.float32 and np.isfinite(logits).all()
    assert len(np.unique(logits, axis=0)) > 1, "every row got the same logits"


@both
@each
def test_what_is_tested_are_rows_of_the_test_split(name: str, modality: str, adapted: Any) -> None:
    job, outcome = adapted(name, modality)
    tested, known = _tested(job, outcome), dict(zip(job.part.test.ids, job.part.test.labels, strict=True))
    assert len(set(tested.ids)) == len(tested.ids) == len(tested.labels)
    assert all(known[row.rpartition("-")[2]] == label for row, label in zip(tested.ids, tested.labels, strict=True))
    assert (outcome.tested is None) == (outcome.told_apart is None)


@both
@each
def test_fit_again_gives_bit_equal_outputs(name: str, modality: str, adapted: Any, jobs: Any, own_cache: Path) -> None:
    again = jobs(name, modality)
    assert _same(_outputs(*adapted(name, modality)), _outputs(again, strategies.get(name).fit(again)))


@pytest.mark.parametrize(("name", "target"), FITTED)
def test_every_declared_target_is_fitted(
    name: str, target: str, planned: Any, job_of: Any, tiny_bert: Path, tasks_of: dict[str, Path], machine: Machine
) -> None:
    (spec,) = planned(tiny_bert, tasks_of[target], name, settings=QUICK.get(name, {}))
    job = job_of(spec)
    outcome = strategies.get(name).fit(job)
    found, part = _outputs(job, outcome), job.part
    assert part.target == target and isinstance(found, list) == part.per_token
    assert len(found) == len(part.test.items)
    widths = [(length, part.n_outputs) if part.per_token else (part.n_outputs,) for length in part.test.lengths]
    assert [row.shape for row in found] == widths
    assert all(row.dtype == np.float32 and np.isfinite(row).all() for row in found)
    (result,) = evaluation.evaluate(spec, machine, lambda event: None)
    _, scores = kinds.get(spec.tasks[0].kind).decode(found, part.test)
    assert _same([np.array(row, dtype=np.float32) for row in result.columns["scores"]], scores), "not the same again"
    assert result.record.counts["failed"] == 0 and result.record.counts["scored"] == len(result.columns["id"]) == 24
    assert all(np.isfinite(value) for value in result.record.metrics.values())


@pytest.mark.parametrize(("name", "target"), REFUSED)
def test_every_other_target_is_refused_with_what_to_use_instead(
    name: str, target: str, planned: Any, tiny_bert: Path, tasks_of: dict[str, Path]
) -> None:
    with pytest.raises(SuiteError, match=f"{name} cannot be asked of .*{strategies.get(name).instead}"):
        planned(tiny_bert, tasks_of[target], name)


@each
def test_a_strategy_says_which_targets_and_cuts_it_takes(name: str, inputs: Any, tiny_protocol: Path) -> None:
    strategy = strategies.get(name)
    assert set(strategy.targets) <= {kinds.get(kind).target for kind in kinds.names()}
    known = {"holdout": "holdout", "loo": "loo", "sequential": "partition:2:sequential"}
    known |= {cut: f"{cut}:2" for cut in ("kfold", "bootstrap", "partition")}
    assert {resampling.parse(word).name for word in known.values()} == known.keys() >= set(strategy.resamples)
    for cut, word in known.items():
        checkpoint, task = (str(path) for path in inputs["text"])
        request = Request((checkpoint,), (task,), (name,), 1, str(tiny_protocol), resample=word)
        if cut in strategy.resamples:
            assert {spec.resample for spec in plan(request)} == {word}
        else:
            with pytest.raises(SuiteError, match=f"{name} does not work with --resample {word}"):
                plan(request)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        (name, word)
        for name in STRATEGIES
        for word in ("kfold:2", "bootstrap:2", "partition:2", "partition:2:sequential", "loo")
        if resampling.parse(word).name in strategies.get(name).resamples
    ],
)
def test_every_declared_cut_is_evaluated(name: str, word: str, inputs: Any, planned: Any, machine: Machine) -> None:
    (spec,) = planned(*inputs["text"], name)
    spec = spec.model_copy(update={"resample": word, "fold": resampling.folds(word) - 1})
    (result,) = evaluation.evaluate(spec, machine, lambda event: None)
    assert result.record.counts["failed"] == 0 < result.record.counts["test"]
    assert ("stage_scores" in result.record.training) == word.endswith("sequential")


@both
@each
def test_sizes_are_recorded(name: str, modality: str, adapted: Any) -> None:
    job, outcome = adapted(name, modality)
    body_and_head = sum(p.numel() for p in job.build().parameters())
    assert 0 < outcome.trainable_params <= outcome.total_params
    assert outcome.total_params >= 0.9 * body_and_head


@both
@each
def test_the_log_is_plain_json_and_tells_the_score_on_validation(name: str, modality: str, adapted: Any) -> None:
    _, outcome = adapted(name, modality)
    assert json.loads(canonical_json(outcome.log)) == outcome.log
    assert 0 <= outcome.log["validation"] <= 1


@both
@each
def test_fit_leaves_the_rows_as_they_were(name: str, modality: str, jobs: Any, own_cache: Path) -> None:
    job = jobs(name, modality)
    before = copy.deepcopy([[dict(item) for item in split.items] for split in job.part.splits])
    strategies.get(name).fit(job)
    for old, split in zip(before, job.part.splits, strict=True):
        for item, now in zip(old, split.items, strict=True):
            assert item.keys() == now.keys() and all(np.array_equal(item[key], now[key]) for key in item)


@each
def test_another_seed_gives_other_outputs_where_seeds_count(
    name: str, adapted: Any, inputs: Any, planned: Any, job_of: Any
) -> None:
    (first, *_) = planned(*inputs["text"], name, settings=QUICK.get(name, {}))
    job = job_of(first.model_copy(update={"seed": 1}))
    same = _same(_outputs(*adapted(name, "text")), _outputs(job, strategies.get(name).fit(job)))
    assert same != strategies.get(name).seeded


@both
@each
def test_an_evaluation_records_scores_and_a_row_an_example(
    name: str, modality: str, inputs: Any, planned: Any, machine: Machine
) -> None:
    (spec,) = planned(*inputs[modality], name, settings=QUICK.get(name, {}))
    (result,) = evaluation.evaluate(spec, machine, lambda event: None)
    record = result.record
    assert record.key == spec.key()
    assert all(np.isfinite(value) for value in record.metrics.values())
    assert record.counts["failed"] == 0
    assert {len(column) for column in result.columns.values()} == {record.counts["test"]}
    assert np.mean(result.columns["value"]) == pytest.approx(record.metrics["accuracy"])


@each
def test_pairs_of_texts_are_evaluated_too(
    name: str, planned: Any, tiny_bert: Path, pair_task: Path, machine: Machine
) -> None:
    (spec,) = planned(tiny_bert, pair_task, name, settings=QUICK.get(name, {}))
    (result,) = evaluation.evaluate(spec, machine, lambda event: None)
    assert result.record.counts["failed"] == 0
    assert result.record.data["classes"] == ["other", "same"]
