"""Joint training as a user meets it: kinds mixed on one trunk, a record a task, and what sharing did."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import call
from conftest import write_task

import suite
from suite import batches, evaluation, kinds, strategies, tasks
from suite.environment import Machine
from suite.mixtures import parse_mixture
from suite.plan import Request, plan
from suite.spec import Mixture, RunSpec, SuiteError
from suite.store import Store

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="session")
def token_task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Words tagged by whether they are about the weather."""
    import pandas as pd

    folder = tmp_path_factory.mktemp("weather")
    words = ["a", "sunny", "day", "in", "the", "town", "cold", "with", "music"]
    weather = {"sunny", "cold"}
    for split, n in (("train", 40), ("test", 16)):
        generator = np.random.default_rng(n)
        rows = [[words[i] for i in generator.integers(0, len(words), 6)] for _ in range(n)]
        tags = [["B-W" if word in weather else "O" for word in row] for row in rows]
        pd.DataFrame({"tokens": rows, "tags": tags}).to_parquet(folder / f"{split}.parquet", index=False)
    columns = "{tokens: tokens, tags: tags}"
    return write_task(folder, "weather", "token_classification", columns, "parquet", "labels: [O, B-W]\n")


@pytest.fixture(scope="session")
def score_task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of texts and the share of words that they have in common."""
    import pandas as pd

    folder = tmp_path_factory.mktemp("overlap")
    words = ["sunny", "day", "town", "cold", "music", "weather"]
    for split, n in (("train", 40), ("test", 16)):
        generator = np.random.default_rng(n)
        pairs = [[generator.choice(words, 3, replace=False).tolist() for _ in range(2)] for _ in range(n)]
        rows = [{"a": " ".join(a), "b": " ".join(b), "score": len({*a} & {*b}) / 3} for a, b in pairs]
        pd.DataFrame(rows).to_parquet(folder / f"{split}.parquet", index=False)
    columns = "{text: a, text_pair: b, score: score}"
    return write_task(folder, "overlap", "text_similarity", columns, "parquet")


@pytest.fixture
def four(text_task: Path, pair_task: Path, token_task: Path, score_task: Path) -> tuple[str, ...]:
    return tuple(map(str, (text_task, pair_task, token_task, score_task)))


def _joint(model: Path, words: tuple[str, ...], protocol: Path, strategy: str = "full", **more: Any) -> list[RunSpec]:
    return plan(Request((str(model),), words, (strategy,), 1, str(protocol), joint=True, **more))


@pytest.mark.parametrize("strategy", ["full", "lora"])
def test_kinds_mix_on_one_trunk_and_each_task_has_a_record(
    strategy: str, four: tuple[str, ...], tiny_bert: Path, tiny_protocol: Path, machine: Machine
) -> None:
    (spec,) = _joint(tiny_bert, four, tiny_protocol, strategy)
    assert [task.name for task in spec.tasks] == ["mood", "overlap", "same-mood", "weather"]
    results = evaluation.evaluate(spec, machine, lambda event: None)
    records = [result.record for result in results]
    assert [record.task for record in records] == [task.name for task in spec.tasks]
    assert len({record.key for record in records}) == 4
    assert all(np.isfinite(record.score) for record in records)
    log = records[0].training
    assert set(log["validation_by_task"]) == {task.name for task in spec.tasks}
    assert log["validation"] == pytest.approx(np.mean(list(log["validation_by_task"].values())))
    assert log["samples_by_task"] == {task.name: 32 for task in spec.tasks}  # four steps of eight, as alone
    assert log["steps"] == 16
    again = evaluation.evaluate(spec, machine, lambda event: None)
    assert [result.columns for result in results] == [result.columns for result in again]


def test_images_share_a_backbone_of_timm(
    image_task: Path, tiny_resnet: Path, tiny_protocol: Path, machine: Machine, tmp_path: Path
) -> None:
    import shutil

    folder = tmp_path / "hue"
    shutil.copytree(image_task.parent, folder)
    text = (folder / image_task.name).read_text(encoding="utf-8").replace("name: colour", "name: hue")
    (folder / "hue.yaml").write_text(text, encoding="utf-8")
    (spec,) = _joint(tiny_resnet, (str(image_task), str(folder / "hue.yaml")), tiny_protocol)
    records = [result.record for result in evaluation.evaluate(spec, machine, lambda event: None)]
    assert [record.task for record in records] == ["colour", "hue"]


def test_it_makes_no_difference_which_task_is_named_first(
    four: tuple[str, ...], tiny_bert: Path, tiny_protocol: Path
) -> None:
    keys = [spec.key("mood") for words in (four, four[::-1]) for spec in _joint(tiny_bert, words, tiny_protocol)]
    assert keys[0] == keys[1]


def test_the_mixture_is_part_of_a_results_identity_and_a_single_task_has_none(
    four: tuple[str, ...], tiny_bert: Path, tiny_protocol: Path, planned: Callable[..., list[RunSpec]], text_task: Path
) -> None:
    mixtures = [None, Mixture(sampling="uniform"), Mixture(weights={"mood": 2.0}), Mixture(tasks_per_step=4)]
    keys = [_joint(tiny_bert, four, tiny_protocol, mixture=mixture)[0].key("mood") for mixture in mixtures]
    assert len(set(keys)) == 4
    (single,) = planned(tiny_bert, text_task, "full")
    assert single.mixture is None and single.key("mood") == single.key() and single.key() not in keys


def test_multitask_is_short_for_full_and_joint(four: tuple[str, ...], tiny_bert: Path, tiny_protocol: Path) -> None:
    request = Request((str(tiny_bert),), four, ("multitask", "lora"), 1, str(tiny_protocol))
    specs = plan(request)
    assert [(spec.strategy, len(spec.tasks)) for spec in specs] == [("lora", 1)] * 4 + [("full", 4)]
    assert specs[-1].key("mood") == _joint(tiny_bert, four, tiny_protocol)[0].key("mood")


def test_one_optimiser_step_sees_every_task(
    four: tuple[str, ...], tiny_bert: Path, tiny_protocol: Path, machine: Machine
) -> None:
    mixture = Mixture(sampling="uniform", tasks_per_step=4)
    (spec,) = _joint(tiny_bert, four, tiny_protocol, mixture=mixture)
    log = evaluation.evaluate(spec, machine, lambda event: None)[0].record.training
    assert (log["steps"], log["accumulation"], log["effective_batch"]) == (4, 4, 32)


@pytest.mark.parametrize("protocol", ["quick", "standard"])
def test_four_bundled_tasks_together_cost_what_they_cost_alone(protocol: str) -> None:
    names = ["wordnet-pos", "wordnet-relation", "wordnet-supersense", "wordnet-entities"]
    recipe = tasks.load_protocol(protocol)
    rows = {}
    for name in names:
        (task,) = tasks.load(name)
        rows[name] = [1] * len(evaluation.load_data(kinds.get(task.kind).complete(task), recipe).train)
    alone = sum(batches.steps_of(recipe, len(lengths)) for lengths in rows.values())
    joint = batches.plan(rows, recipe, 0, Mixture())
    assert joint.steps * joint.accumulation == alone


def test_the_command_stores_a_record_a_task_and_shows_what_sharing_did(
    four: tuple[str, ...], tiny_bert: Path, tiny_protocol: Path, tmp_path: Path
) -> None:
    common = (
        "-m",
        tiny_bert,
        "-t",
        *four[:2],
        "--protocol",
        tiny_protocol,
        "--store",
        tmp_path / "store",
        "--seeds",
        "2",
    )
    single = call("run", *common, "-s", "full")
    assert single.code == 0, single.err
    joint = call("run", *common, "-s", "multitask")
    assert joint.code == 0, joint.err
    assert "full, joint of 2" in joint.out and "Transfer" in joint.out and "same-mood" in joint.out
    assert "4 run, 0 stored before, 0 failed" in joint.err
    assert len(Store(str(tmp_path / "store")).names()) == 8
    told = call("transfer", "--store", tmp_path / "store", "--json")
    assert {effect["task"] for effect in told.objects} == {"mood", "same-mood"}
    assert all(effect["seeds"] == [2, 2] for effect in told.objects)
    again = call("run", *common, "-s", "full", "--joint", "--json")
    assert [line["stored"] for line in again.objects] == [True] * 4
    assert call("verify", "--all", "--store", tmp_path / "store").code == 0


def test_python_says_the_same(four: tuple[str, ...], tiny_bert: Path, tiny_protocol: Path, tmp_path: Path) -> None:
    report = suite.run(
        str(tiny_bert), four[:2], "full", protocol=str(tiny_protocol), seeds=1, joint=True, store=tmp_path / "s"
    )
    assert [record.task for record in report.records] == ["mood", "same-mood"]
    found = suite.transfer(tmp_path / "s")
    assert found.effects == [] and len(found.missing) == 2


# -- what is refused ---------------------------------------------------------------------------------------------------


def _refusal(*words: Any, **more: Any) -> str:
    with pytest.raises(SuiteError) as caught:
        plan(Request(*words, **more))
    return str(caught.value)


def test_tasks_of_two_modalities_share_no_trunk(
    text_task: Path, image_task: Path, tiny_bert: Path, tiny_protocol: Path
) -> None:
    words = ((str(tiny_bert),), (str(text_task), str(image_task)), ("full",), 1, str(tiny_protocol))
    assert (
        _refusal(*words, joint=True)
        == "mood gives texts and colour gives images; tasks that share a trunk give the same."
    )


@pytest.mark.parametrize("strategy", [name for name in strategies.names() if not strategies.get(name).joint])
def test_what_trains_no_trunk_shares_none(
    strategy: str, four: tuple[str, ...], tiny_bert: Path, tiny_protocol: Path
) -> None:
    told = _refusal((str(tiny_bert),), four[:2], (strategy,), 1, str(tiny_protocol), joint=True)
    assert told == f"{strategy} trains no trunk that tasks could share; --joint goes with full, lora."


def test_one_task_is_no_mixture(text_task: Path, tiny_bert: Path, tiny_protocol: Path) -> None:
    told = _refusal((str(tiny_bert),), (str(text_task),), ("multitask",), 1, str(tiny_protocol))
    assert told == "--joint with the task mood alone; expected at least two tasks."


def test_two_versions_of_a_task_under_one_name_are_refused_with_what_differs(
    token_task: Path, tiny_bert: Path, tiny_protocol: Path, tmp_path: Path
) -> None:
    import shutil

    folder = tmp_path / "again"
    shutil.copytree(token_task.parent, folder)
    other = folder / token_task.name
    other.write_text(other.read_text(encoding="utf-8").replace("[O, B-W]", "[B-W, O]"), encoding="utf-8")
    told = _refusal((str(tiny_bert),), (str(token_task), str(other)), ("full",), 1, str(tiny_protocol))
    assert "The name 'weather' means two different tasks: their labels differ" in told
    assert "('O', 'B-W')" in told and "('B-W', 'O')" in told


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("moood=1", None, None), "--sampling: No task named 'moood'. Did you mean 'mood'?"),
        (("mood=1", None, None), "--sampling gives no rate for same-mood."),
        ((None, "tone=2", None), "--weights: No task named 'tone'."),
    ],
)
def test_a_mixture_names_tasks_of_the_run(
    words: Any, sentence: str, four: tuple[str, ...], tiny_bert: Path, tiny_protocol: Path
) -> None:
    mixture = parse_mixture(*words)
    told = _refusal((str(tiny_bert),), four[:2], ("full",), 1, str(tiny_protocol), joint=True, mixture=mixture)
    assert told.startswith(sentence)


@pytest.mark.parametrize(
    "words", [("often", None, None), ("temperature:0", None, None), (None, "a=-1", None), (None, None, 0)]
)
def test_a_mixture_that_means_nothing_is_told_what_there_is(words: Any) -> None:
    with pytest.raises(SuiteError, match="expected proportional, uniform, temperature:T or TASK=RATE"):
        parse_mixture(*words)


@pytest.mark.parametrize("words", [("a=x", None, None), ("temperature:hot", None, None), (None, "a", None)])
def test_a_number_that_is_none_is_named(words: Any) -> None:
    with pytest.raises(SuiteError, match="is no number"):
        parse_mixture(*words)


def test_a_mixture_without_joint_is_refused(four: tuple[str, ...], tiny_bert: Path, tiny_protocol: Path) -> None:
    words = ((str(tiny_bert),), four[:2], ("full",), 1, str(tiny_protocol))
    told = functools.partial(_refusal, *words, mixture=Mixture(tasks_per_step=2))()
    assert told == "How tasks mix (--sampling, --weights, --tasks-per-step) is said of --joint; add it."


def test_a_mixture_goes_with_whichever_strategy_is_joint(
    four: tuple[str, ...], tiny_bert: Path, tiny_protocol: Path
) -> None:
    mixture = Mixture(sampling="uniform")
    request = Request((str(tiny_bert),), four[:2], ("multitask", "lora"), 1, str(tiny_protocol), mixture=mixture)
    assert [spec.mixture for spec in plan(request)] == [None, None, mixture]


def test_a_copy_of_a_task_file_is_the_same_task(
    token_task: Path, tiny_bert: Path, tiny_protocol: Path, tmp_path: Path
) -> None:
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(token_task.parent, folder)
    words = (str(token_task), str(folder / token_task.name))
    (spec,) = plan(Request((str(tiny_bert),), words, ("lora",), 1, str(tiny_protocol)))
    assert spec.tasks[0].file == str(token_task)
