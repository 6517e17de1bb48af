"""A request becomes pinned runs, or one sentence for each thing that is wrong with it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite import hub, kinds, tasks
from suite.plan import Request, plan
from suite.spec import RunSpec, SuiteError


def request(models: Any = ("bundled/tiny-bert",), chosen: Any = ("wordnet-pos",), **more: Any) -> Request:
    return Request(tuple(map(str, models)), tuple(map(str, chosen)), **{"strategies": ("linear_probe",), **more})


def test_a_request_is_the_product_of_its_words() -> None:
    specs = plan(request(chosen=("wordnet-pos", "wordnet-relation"), strategies=("full", "lora"), seeds=3))
    cells = [(spec.tasks[0].name, spec.strategy, spec.seed) for spec in specs]
    assert cells == [
        (task, strategy, seed)
        for task in ("wordnet-pos", "wordnet-relation")
        for strategy in ("full", "lora")
        for seed in (0, 1, 2)
    ]
    assert len({spec.key() for spec in specs}) == 12


def test_the_protocol_says_how_many_seeds() -> None:
    assert len(plan(request(protocol="quick"))) == tasks.load_protocol("quick").seeds
    assert len(plan(request(protocol="standard"))) == tasks.load_protocol("standard").seeds


def test_words_said_twice_count_once() -> None:
    twice = request(("bundled/tiny-bert",) * 2, ("wordnet-pos", "bundled-text"), strategies=("full", "full"), seeds=1)
    assert [spec.tasks[0].name for spec in plan(twice)] == ["wordnet-pos", "wordnet-supersense", "wordnet-relation"]


def test_everything_is_pinned() -> None:
    both = request(("bundled/tiny-bert", "bundled/tiny-resnet"), ("bundled",), strategies=("lora",), seeds=1)
    for spec in plan(both):
        assert spec.checkpoint.revision.startswith("sha256:")
        (task,) = spec.tasks
        assert task.dataset.revision
        assert task.main in task.metrics
        assert spec.settings


def test_checkpoints_are_paired_with_the_tasks_they_can_read() -> None:
    both = ("bundled/tiny-bert", "bundled/tiny-resnet")
    specs = plan(request(both, ("bundled",), strategies=("lora",), seeds=1))
    modality = {"bundled/tiny-bert": "text", "bundled/tiny-resnet": "image"}
    assert all(kinds.get(spec.tasks[0].kind).modality == modality[spec.checkpoint.name] for spec in specs)
    assert {spec.tasks[0].kind for spec in specs} == set(kinds.names())
    assert len(specs) == len(tasks.load("bundled")) == 12


def test_strategies_are_paired_with_the_tasks_they_can_fit() -> None:
    chosen = ("wordnet-questions", "wordnet-similarity", "wordnet-pos")
    specs = plan(request(chosen=chosen, strategies=("lora", "linear_probe", "few_shot"), seeds=1))
    pairs = {(spec.tasks[0].name, spec.strategy) for spec in specs}
    assert pairs == {(task, "lora") for task in chosen} | {
        ("wordnet-similarity", "linear_probe"),
        ("wordnet-pos", "linear_probe"),
        ("wordnet-pos", "few_shot"),
    }


@pytest.mark.parametrize(
    ("chosen", "ways", "sentence"),
    [
        (
            ("wordnet-questions",),
            ("linear_probe",),
            r"linear_probe cannot be asked of wordnet-questions \(question_ans",
        ),
        (("wordnet-questions", "wordnet-pos"), ("linear_probe",), "linear_probe cannot be asked of wordnet-questions"),
        (("wordnet-similarity",), ("lora", "few_shot"), "few_shot cannot be asked of wordnet-similarity"),
    ],
)
def test_what_a_strategy_cannot_fit_is_named_with_those_that_can(chosen: Any, ways: Any, sentence: str) -> None:
    with pytest.raises(SuiteError, match=sentence) as caught:
        plan(request(chosen=chosen, strategies=ways))
    assert "lora" in str(caught.value) and len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("word", "seeds", "runs"),
    [("kfold:4", 3, 12), ("bootstrap:5", 2, 10), ("partition:3", 2, 6), ("loo", 3, 1), ("holdout", 3, 3)],
)
def test_a_seed_has_a_run_a_fold_and_nothing_is_drawn_for_leave_one_out(word: str, seeds: int, runs: int) -> None:
    specs = plan(request(strategies=("linear_probe",), seeds=seeds, resample=word))
    assert len(specs) == runs == len({spec.key() for spec in specs})
    assert {spec.resample for spec in specs} == {word}


def test_few_shot_episodes_are_drawn_once_unless_the_body_is_random() -> None:
    assert len(plan(request(strategies=("few_shot",), seeds=3))) == 1
    assert len(plan(request(strategies=("few_shot",), seeds=3, init="random"))) == 3


@pytest.mark.parametrize(
    ("strategy", "word", "able"),
    [
        ("full", "loo", "linear_probe"),
        ("linear_probe", "partition:3:sequential", "full, lora"),
        ("few_shot", "kfold:3", "f"),
    ],
)
def test_a_cut_that_a_strategy_cannot_work_on_is_refused_with_those_that_can(
    strategy: str, word: str, able: str
) -> None:
    with pytest.raises(SuiteError, match=f"{strategy} does not work with --resample {word}.* {able}"):
        plan(request(strategies=(strategy,), resample=word))


def test_folds_and_seeds_have_seeds_of_their_own_but_one_body() -> None:
    specs = plan(request(strategies=("full",), seeds=2, resample="kfold:2"))
    roles = [spec.seeds() for spec in specs]
    assert len({found["order"] for found in roles}) == 4
    assert [found["init"] for found in roles] == [roles[0]["init"]] * 2 + [roles[2]["init"]] * 2
    assert len({spec.resample_seed() for spec in specs}) == 2


def test_runs_that_share_a_checkpoint_and_data_stand_side_by_side() -> None:
    specs = plan(request(("bundled/tiny-bert",), ("bundled-text",), strategies=("full", "linear_probe"), seeds=2))
    pairs = [(spec.checkpoint.name, spec.tasks[0].name) for spec in specs]
    assert len(list(dict.fromkeys(pairs))) == 3
    assert pairs == sorted(pairs, key=list(dict.fromkeys(pairs)).index)


def test_a_task_that_no_model_can_read_is_named() -> None:
    with pytest.raises(SuiteError, match="The task digits gives images, and none of the models reads any"):
        plan(request(chosen=("wordnet-pos", "digits")))


def test_init_and_seed_and_protocol_are_part_of_the_key() -> None:
    (one,) = plan(request(seeds=1))
    (twin,) = plan(request(seeds=1, init="random"))
    (quick,) = plan(request(seeds=1, protocol="quick"))
    assert len({one.key(), twin.key(), quick.key()}) == 3


def test_where_a_checkpoint_a_task_and_a_protocol_lie_does_not_move_the_key(
    tiny_bert: Path, text_task: Path, tiny_protocol: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (before,) = plan(request((tiny_bert,), (text_task,), protocol=str(tiny_protocol), seeds=1))
    shutil.copytree(tiny_bert, tmp_path / "deep" / tiny_bert.name)
    shutil.copytree(text_task.parent, tmp_path / "tasks")
    shutil.copy(tiny_protocol, tmp_path / "protocol.yaml")
    monkeypatch.chdir(tmp_path)
    (after,) = plan(request((f"./deep/{tiny_bert.name}",), ("tasks/mood.yaml",), protocol="protocol.yaml", seeds=1))
    assert after.key() == before.key()


def test_a_checkpoint_that_changes_has_another_key(tiny_bert: Path, text_task: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_bert, tmp_path / tiny_bert.name))
    before, after = (plan(request((folder,), (text_task,), seeds=1))[0] for folder in (tiny_bert, copy))
    assert before.key() == after.key()
    (copy / "README.md").write_text("what is not loaded does not count")
    assert plan(request((copy,), (text_task,), seeds=1))[0].key() == before.key()
    content = bytearray((copy / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (copy / "model.safetensors").write_bytes(content)
    assert plan(request((copy,), (text_task,), seeds=1))[0].key() != before.key()


def test_a_checkpoint_that_changes_while_it_is_used_is_told(tiny_bert: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_bert, tmp_path / "copy"))
    ref = hub.resolve(str(copy))
    (copy / "config.json").write_text((copy / "config.json").read_text() + " ")
    with pytest.raises(SuiteError, match="changed while they were being used"):
        hub.fetch(ref)


def test_a_protocol_sets_a_strategys_settings(tiny_protocol: Path, tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(tiny_protocol.read_text() + "settings: {lora: {rank: 2}}\n")
    (spec,) = plan(request(strategies=("lora",), protocol=str(path), seeds=1))
    assert spec.settings["rank"] == 2
    assert spec.settings["alpha"] == 16


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("{lora: {rnk: 2}}", "No setting of lora named 'rnk'. Did you mean 'rank'?"),
        ("{lora: {rank: two}}", "lora.rank is 'two'; expected something like 8."),
        ("{lora: {rank: 0}}", "lora.rank is 0; expected a whole number of at least 1."),
        ("{linear_probe: {C: []}}", "linear_probe.C is []; expected a list of numbers above 0."),
        ("{linear_probe: {pooling: max}}", "linear_probe.pooling is 'max'; expected one of mean, cls, native."),
    ],
)
def test_a_setting_that_means_nothing_is_refused(
    tiny_protocol: Path, tmp_path: Path, setting: str, expected: str
) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(f"{tiny_protocol.read_text()}settings: {setting}\n")
    with pytest.raises(SuiteError) as told:
        plan(request(strategies=("lora", "linear_probe"), protocol=str(path), seeds=1))
    assert expected in str(told.value)


@pytest.mark.parametrize("missing", ["models", "tasks", "strategies"])
def test_a_word_that_is_missing_is_named(missing: str) -> None:
    words = {"models": ("bundled/tiny-bert",), "tasks": ("wordnet-pos",), "strategies": ("full",)} | {missing: ()}
    with pytest.raises(SuiteError, match=r"No (model|task|strategy) \(-[mts]\) is given\."):
        plan(Request(**words))


def test_one_mistake_said_twice_is_told_once() -> None:
    with pytest.raises(SuiteError) as told:
        plan(request(chosen=("nowhere", "nowhere"), strategies=("ful", "ful")))
    assert len(str(told.value).splitlines()) == 2


@given(st.lists(st.text(max_size=12), max_size=3), st.lists(st.text(max_size=12), max_size=3), st.integers(-3, 3))
@settings(max_examples=40, deadline=None)
def test_any_words_are_a_plan_or_sentences(models: list[str], strategies: list[str], seeds: int) -> None:
    try:
        specs = plan(request(models, strategies=tuple(strategies), seeds=seeds))
    except SuiteError as error:
        assert str(error)
    else:
        assert all(isinstance(spec, RunSpec) for spec in specs)
