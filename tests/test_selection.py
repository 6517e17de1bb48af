"""Choosing a checkpoint: the race on records, the screen, the recommendation, and their commands."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import call, end, records, start, wait_for_record
from conftest import sentences, write_task
from every_kind import write_tasks
from made_records import LOSS, grid, made

from suite.index import Contents
from suite.selection import Raced, race, recommend, screen
from suite.selection._words import parameters
from suite.spec import Result, RunSpec, SuiteError, TaskSpec
from suite.stats.racing import Look
from suite.store import Store

# -- races on made results ---------------------------------------------------------------------------------------------

SKILL = {"ace": 0.9, "deuce": 0.899, "jack": 0.7, "lag": 0.6}


@pytest.fixture(scope="module")
def rivals(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Folders that look like checkpoints; nothing of them is ever loaded."""
    base = tmp_path_factory.mktemp("rivals")
    for name in SKILL:
        (base / name).mkdir()
        (base / name / "config.json").write_text('{"model_type": "bert"}')
        (base / name / "model.safetensors").write_bytes(name.encode())
    return [str(base / name) for name in SKILL]


@pytest.fixture(scope="module")
def six_tasks(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    import pandas as pd

    folder = tmp_path_factory.mktemp("six")
    for split, n, seed in (("train", 16, 1), ("test", 8, 2)):
        pd.DataFrame(sentences(n, seed)).to_csv(folder / f"{split}.csv", index=False)
    columns = "{text: sentence, label: label}"
    return [str(write_task(folder, f"task-{i}", "text_classification", columns)) for i in range(6)]


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody look at the data: it is made up."""
    for room in ("suite.grid", "suite.selection._course"):
        monkeypatch.setattr(f"{room}.check_data", lambda specs: None)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch, unread: None) -> list[str]:
    """Let runs take no time: what a checkpoint scores is its skill and a little noise. Returns who was run."""
    from suite import evaluation

    said: list[str] = []

    def play(spec: RunSpec, machine: Any, progress: Any, keep: Any, resume: Any) -> list[Result]:
        model, task = spec.checkpoint.name, spec.tasks[0].name
        said.append(f"{model} {task} {spec.seed}")
        noise = np.random.default_rng([*f"{model} {task}".encode(), spec.seed]).normal(0, 0.01)
        values = np.zeros(1000)
        values[: round(1000 * (SKILL[model] + noise))] = 1
        return [made(model, task, values, spec_fields=dict(spec), columns={})]

    monkeypatch.setattr(evaluation, "evaluate", play)
    return said


@pytest.fixture
def go(rivals: list[str], six_tasks: list[str], tmp_path: Path) -> Callable[..., Raced]:
    def run(models: list[str] | None = None, tasks: list[str] | None = None, **more: Any) -> Raced:
        place = {"store": tmp_path / "results", "device": "cpu", "threads": 1, "protocol": "quick", "seeds": 4}
        return race(models or rivals, tasks or six_tasks, **place | more)

    return run


def test_a_race_ends_in_those_that_may_be_best_and_says_what_it_saved(
    go: Callable[..., Raced], played: list[str]
) -> None:
    raced = go()
    assert {one.model for one in raced.survivors} == {"ace", "deuce"}
    assert {one.model for one in raced.removed} == {"jack", "lag"}
    assert raced.leader is not None
    assert raced.leader.state == "leading"
    assert raced.runs == len(played) == len(set(played))
    assert raced.runs_full == 4 * 6 * 4
    assert raced.saved == pytest.approx(1 - len(played) / 96)
    assert 0.2 < raced.saved < 0.8
    for one in raced.removed:
        assert one.behind is not None
        assert one.margin is not None
        assert one.behind > one.margin > 0
        assert one.at in (4, 6)
        assert one.mean == pytest.approx(2 * SKILL[one.model] - 1, abs=0.03)  # accuracy .5 is chance


def test_tasks_come_in_an_order_that_depends_on_their_names_alone(
    go: Callable[..., Raced], six_tasks: list[str], played: list[str], tmp_path: Path
) -> None:
    one, other = go(), go(tasks=six_tasks[::-1], store=tmp_path / "other")
    assert one.tasks == other.tasks
    assert one.tasks != sorted(one.tasks)
    assert one.looks == other.looks


def test_runs_of_a_race_are_records_and_the_same_race_again_runs_nothing(
    go: Callable[..., Raced], played: list[str], tmp_path: Path
) -> None:
    first = go()
    ran = len(played)
    assert len(records(tmp_path / "results")) == ran
    again = go()
    assert len(played) == ran
    assert again.stored == ran
    assert again.as_json() == first.as_json() | {"stored": ran}
    assert again.looks == first.looks


class EnoughError(Exception):
    """Whoever watches has enough."""


@pytest.mark.parametrize("after", [1, 10, 30, 45])
def test_a_race_that_was_stopped_goes_on_to_the_same_end(
    go: Callable[..., Raced], played: list[str], tmp_path: Path, after: int
) -> None:
    straight = go(store=tmp_path / "straight")
    played.clear()

    def watch(raced: Raced, event: Any) -> None:
        if len(played) == after:
            raise EnoughError

    with pytest.raises(EnoughError):
        go(watch=watch)
    ended = go()
    assert len(played) == len(set(played)) == straight.runs  # nothing is run twice, nothing is lost
    assert ended.as_json() | {"stored": 0} == straight.as_json()
    assert ended.looks == straight.looks


def test_what_is_watched_is_every_run_and_every_look(go: Callable[..., Raced], played: list[str]) -> None:
    seen: list[Any] = []
    raced = go(watch=lambda raced, event: seen.append(event))
    assert [event for event in seen if isinstance(event, Look)] == raced.looks
    assert len([event for event in seen if hasattr(event, "record")]) == raced.runs


def test_a_checkpoint_whose_run_fails_is_named_with_its_reason(
    go: Callable[..., Raced], played: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from suite import evaluation

    play = evaluation.evaluate

    def trip(spec: RunSpec, *more: Any) -> list[Result]:
        if spec.checkpoint.name == "ace":
            raise SuiteError("It lies down.")
        return play(spec, *more)

    monkeypatch.setattr(evaluation, "evaluate", trip)
    raced = go()
    (failed,) = raced.failed
    assert failed.model == "ace"
    assert failed.reason is not None
    assert failed.reason.endswith("It lies down.")
    assert [one.model for one in raced.survivors] == ["deuce"]
    assert "Failed, and so not judged: ace." in raced.words


@pytest.mark.usefixtures("unread")
def test_if_all_fail_nobody_is_left(go: Callable[..., Raced], monkeypatch: pytest.MonkeyPatch) -> None:
    from suite import evaluation

    def trip(spec: RunSpec, *more: Any) -> list[Result]:
        raise ValueError("no such weights")

    monkeypatch.setattr(evaluation, "evaluate", trip)
    raced = go()
    assert raced.leader is None
    assert raced.survivors == []
    assert len(raced.failed) == 4
    assert raced.runs == 0
    assert raced.words.startswith("Nobody is left: ace, deuce, jack, lag failed.")
    assert not np.isnan(raced.saved)
    json.dumps(raced.as_json(), allow_nan=False)


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize(("score", "collapsed"), [(500, False), (500, True)])
def test_equals_and_the_collapsed_all_stay_and_the_words_say_why(
    go: Callable[..., Raced], monkeypatch: pytest.MonkeyPatch, score: int, collapsed: bool
) -> None:
    from suite import evaluation

    def play(spec: RunSpec, machine: Any, progress: Any, keep: Any, resume: Any) -> list[Result]:
        values = np.zeros(1000)
        values[:score] = 1
        name = spec.checkpoint.name
        return [made(name, spec.tasks[0].name, values, spec_fields=dict(spec), collapsed=collapsed)]

    monkeypatch.setattr(evaluation, "evaluate", play)
    raced = go()
    assert len(raced.survivors) == 4
    assert raced.removed == []
    assert raced.runs == raced.runs_full
    assert raced.saved == 0
    assert "no two seeds differ anywhere" in raced.words


@pytest.mark.usefixtures("unread")
def test_losses_are_turned_round(go: Callable[..., Raced], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from suite import evaluation

    def play(spec: RunSpec, machine: Any, progress: Any, keep: Any, resume: Any) -> list[Result]:
        name = spec.checkpoint.name
        noise = np.random.default_rng([*name.encode(), *spec.tasks[0].name.encode(), spec.seed]).normal(0, 0.01)
        return [made(name, spec.tasks[0].name, [1 - SKILL[name] + noise] * 4, main=LOSS, spec_fields=dict(spec))]

    monkeypatch.setattr(evaluation, "evaluate", play)
    raced = go()
    assert {one.model for one in raced.removed} == {"jack", "lag"}


def test_one_seed_of_few_tasks_removes_nobody_and_the_words_say_why(
    go: Callable[..., Raced], six_tasks: list[str], played: list[str]
) -> None:
    raced = go(tasks=six_tasks[:3], seeds=1)
    assert len(raced.survivors) == 4
    assert raced.looks == []
    assert "one seed of fewer than four tasks shows no noise to judge by; allow more seeds" in raced.words


def test_where_seeds_make_no_difference_one_of_every_task_decides(go: Callable[..., Raced], played: list[str]) -> None:
    raced = go(strategy="few_shot")
    assert len(raced.survivors) == 1
    assert raced.runs <= raced.runs_full == 4 * 6
    assert {one.split()[2] for one in played} == {"0"}


def test_one_task_is_enough(go: Callable[..., Raced], six_tasks: list[str], played: list[str]) -> None:
    raced = go(tasks=six_tasks[:1])
    assert {one.model for one in raced.survivors} == {"ace", "deuce"}


def test_folders_of_one_name_are_told_apart_and_equal_ones_are_one(
    go: Callable[..., Raced], rivals: list[str], played: list[str], tmp_path: Path
) -> None:
    twin, copy = tmp_path / "a" / "ace", tmp_path / "b" / "ace"
    for folder in (twin, copy):
        shutil.copytree(rivals[0], folder)
    (twin / "model.safetensors").write_bytes(b"other")
    raced = go(models=[rivals[0], str(twin), str(copy)])
    assert len(raced.entrants) == 2
    assert all(re.fullmatch(r"ace \[[0-9a-f]{8}\]", one.label) for one in raced.standings())


def test_tables_for_notebooks(go: Callable[..., Raced], played: list[str]) -> None:
    raced = go()
    assert list(raced.to_pandas()["label"]) == [one.label for one in raced.standings()]
    assert raced.words in raced._repr_html_()


# -- races that cannot be ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0, 7.0, float("nan")])
def test_a_risk_is_between_0_and_1(go: Callable[..., Raced], alpha: float) -> None:
    with pytest.raises(SuiteError, match=r"alpha is .*; expected a risk between 0 and 1, such as 0\.05\."):
        go(alpha=alpha)


def test_a_race_takes_two(go: Callable[..., Raced], rivals: list[str], six_tasks: list[str]) -> None:
    for models in (rivals[:1], [rivals[0], rivals[0]]):
        with pytest.raises(SuiteError, match="A race takes two checkpoints at least; ace is the only one given"):
            go(models=models)


def test_texts_and_images_do_not_race_each_other(
    go: Callable[..., Raced], rivals: list[str], six_tasks: list[str], tiny_resnet: Path, image_task: Path
) -> None:
    with pytest.raises(SuiteError, match="reads texts and tiny-resnet reads images; a race is between checkpoints on"):
        go(models=[rivals[0], str(tiny_resnet)], tasks=[*six_tasks, str(image_task)])


def test_shared_trunks_and_resampled_data_are_refused(go: Callable[..., Raced]) -> None:
    with pytest.raises(SuiteError, match="A race runs task by task"):
        go(strategy="multitask")
    with pytest.raises(SuiteError, match="leave --resample out"):
        go(resample="kfold:3")


def test_losses_and_scores_have_no_mean(
    go: Callable[..., Raced], six_tasks: list[str], tmp_path: Path, rivals: list[str]
) -> None:
    folder = Path(six_tasks[0]).parent
    columns, more = "{text: sentence, label: label}", "main: log_loss\nmetrics: [log_loss]\n"
    lossy = str(write_task(folder, "lossy", "text_classification", columns, "csv", more))
    with pytest.raises(SuiteError, match="lossy is scored by a loss and the other tasks are not"):
        go(tasks=[*six_tasks, lossy])


def test_a_mistake_in_the_last_tasks_data_is_told_before_the_first_run(
    go: Callable[..., Raced], six_tasks: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from suite import evaluation

    monkeypatch.setattr(evaluation, "evaluate", None)  # nothing may be run
    folder = tmp_path / "bad"
    shutil.copytree(Path(six_tasks[0]).parent, folder)
    for path in folder.glob("*.yaml"):
        path.unlink()
    columns = "{text: sentance, label: label}"
    bad = [str(write_task(folder, f"bad-{i}", "text_classification", columns)) for i in range(2)]
    with pytest.raises(SuiteError) as caught:
        go(tasks=[*six_tasks[:5], *bad])
    assert len(str(caught.value).splitlines()) == 2
    assert "column 'sentance' is not in" in str(caught.value)
    assert records(tmp_path / "results") == []


def test_all_wrong_words_are_told_at_once_and_nothing_is_stored(go: Callable[..., Raced], tmp_path: Path) -> None:
    with pytest.raises(SuiteError) as caught:
        go(models=["bundled/tiny-brt", "/nowhere"], tasks=["wordnet-poss"])
    assert len(str(caught.value).splitlines()) == 3
    assert not (tmp_path / "results").exists()


# -- the command race, on real runs ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small_berts(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The tiny checkpoint, and two whose weights are noise."""
    from safetensors.numpy import load_file, save_file

    found = [str(tiny_bert)]
    for seed in (1, 2):
        folder = tmp_path_factory.mktemp("small") / f"noise-{seed}"
        shutil.copytree(tiny_bert, folder)
        rng = np.random.default_rng(seed)
        weights = load_file(folder / "model.safetensors")
        drawn = {name: rng.normal(0, 3, value.shape).astype(value.dtype) for name, value in weights.items()}
        save_file(drawn, folder / "model.safetensors", metadata={"format": "pt"})
        found.append(str(folder))
    return found


@pytest.fixture(scope="module")
def command(small_berts: list[str], text_task: Path, pair_task: Path, tiny_protocol: Path) -> list[Any]:
    place = ["--protocol", tiny_protocol, "--device", "cpu", "--threads", 1, "--seeds", 3]
    return ["race", "-m", *small_berts, "-t", text_task, pair_task, *place]


LOOK_FIELDS = {"look", "at", "leader", "removed", "left", "runs"}
RACE_FIELDS = {"survivors", "leader", "removed", "failed", "runs", "runs_full", "saved"}


def test_race_json_has_a_line_a_look_and_ends_in_one_object(command: list[Any], tmp_path: Path) -> None:
    told = call(*command, "-s", "linear_probe", "--store", tmp_path, "--json")
    assert told.code == 0, told.err
    assert told.err == ""
    *looks, last = told.objects
    assert looks
    assert all(look.keys() >= LOOK_FIELDS for look in looks)
    assert last.keys() >= RACE_FIELDS
    assert last["runs_full"] == 3 * 2 * 3
    assert last["runs"] == len(records(tmp_path)) == looks[-1]["runs"]
    assert len(last["survivors"]) + len(last["removed"]) == 3
    assert last["leader"]["label"] in [one["label"] for one in last["survivors"]]
    rows = json.loads(call("leaderboard", "--store", tmp_path, "--format", "json").out)
    by_name = {row["model"]: row for row in rows}
    leader = by_name[last["leader"]["model"]]
    assert last["leader"]["mean"] == pytest.approx(leader["mean"])  # the race's M is the leaderboard's


def test_race_says_in_words_and_a_table_what_came_of_it(command: list[Any], tmp_path: Path) -> None:
    told = call(*command, "-s", "linear_probe", "--store", tmp_path)
    assert told.code == 0
    assert "Race" in told.out
    assert "of 18 in the full grid" in told.out
    assert "look after 2 of 2 tasks:" in told.err
    assert re.search(r"\d+ run, 0 stored before\. Results in", told.err)
    again = call(*command, "-s", "linear_probe", "--store", tmp_path)
    assert again.out == told.out
    assert "0 run, " in again.err


@pytest.mark.slow
def test_an_interrupted_race_goes_on_to_the_same_end(
    small_berts: list[str], text_task: Path, tiny_protocol: Path, tmp_path: Path
) -> None:
    place = ["--protocol", tiny_protocol, "--device", "cpu", "--threads", 1, "--seeds", 4]
    words = [str(word) for word in ["race", "-m", *small_berts[:2], "-t", text_task, "-s", "full", *place, "--store"]]
    straight = call(*words, tmp_path / "straight", "--json")
    assert straight.code == 0
    process = start(*words, str(tmp_path / "stopped"))
    wait_for_record(tmp_path / "stopped", process)
    os.killpg(process.pid, signal.SIGINT)
    told = end(process)
    assert told.code == 130
    assert "Traceback" not in told.err
    assert "All runs that had finished are stored; the same command does the rest." in told.err
    kept = len(records(tmp_path / "stopped"))
    *looks, last = straight.objects
    assert 0 < kept < last["runs"]
    *looks_again, last_again = call(*words, tmp_path / "stopped", "--json").objects
    assert looks_again == looks
    assert last_again == last | {"stored": kept}


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--alpha", "2"], "alpha is 2.0; expected a risk between 0 and 1, such as 0.05."),
        (["--init", "rndom"], "--init is 'rndom'; expected pretrained or random."),
        (["-s", "ful"], "No strategy named 'ful'. Did you mean 'full'?"),
        (["--seeds", "0"], "--seeds is 0; expected at least 1."),
    ],
)
def test_wrong_words_of_a_race_are_one_sentence(
    command: list[Any], tmp_path: Path, more: list[str], sentence: str
) -> None:
    told = call(*command, "--store", tmp_path / "results", *more)
    assert told.code == 2
    (mistake,) = told.mistakes
    assert mistake.startswith(sentence)
    assert not (tmp_path / "results").exists()


def test_a_race_in_which_one_cannot_be_loaded_ends_with_1(command: list[Any], tiny_bert: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny_bert, broken)
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps(config | {"hidden_size": 31}))
    told = call(*command, "-m", broken, "-s", "linear_probe", "--store", tmp_path / "results", "--json")
    assert told.code == 1
    last = told.objects[-1]
    assert [one["label"] for one in last["failed"]] == ["broken"]
    assert "broken" in last["failed"][0]["reason"]
    assert len(last["survivors"]) + len(last["removed"]) == 3


# -- screen ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kinds_of_task(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_tasks(tmp_path_factory.mktemp("kinds"))


@pytest.fixture(scope="module")
def with_head(save_transformers: Any) -> Path:
    """A tiny BERT that was trained to tell three classes apart."""
    import torch
    from conftest import WORDS
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(3)
    sizes: Any = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(WORDS), max_position_embeddings=64, num_labels=3, **sizes)
    return save_transformers(BertForSequenceClassification(config), "with-head", token_types=True)


def test_a_screen_measures_every_kind_or_says_why_not(
    small_berts: list[str], with_head: Path, tiny_resnet: Path, kinds_of_task: dict[str, Path], tiny_protocol: Path
) -> None:
    found = screen(
        [small_berts[0], str(with_head), str(tiny_resnet)],
        [str(path) for path in kinds_of_task.values()],
        protocol=str(tiny_protocol),
        device="cpu",
        threads=1,
    )
    assert found.failed == []
    cells = {(cell.model, cell.kind): cell for cell in found.cells}
    assert len(cells) == 2 * 5 + 2  # two that read texts, one that reads images
    assert ("tiny-resnet", "image_multi_label_classification") in cells
    assert found.notes == ["question-answering: no measure says anything of answers that are spans of a text."]
    for (model, kind), cell in cells.items():
        assert cell.logme is not None, (model, kind)
        assert (cell.h_score is None) == (kind == "text_similarity")
        assert (cell.leep is None) != ((model, kind) in {("with-head", "text_classification"), *_timm_heads(cells)})
        assert cell.leep is not None or "LEEP" in cell.note
        assert cell.params
    assert cells["tiny-bert", "token_classification"].n > cells["tiny-bert", "text_classification"].n  # words
    assert cells["tiny-bert", "multiple_choice"].n in range(60, 97, 2)  # two choices a row that validation left
    assert cells["tiny-bert", "text_classification"].width == 32
    means = found.mean_ranks()
    assert {modality: [cell.model for cell, _ in group] for modality, group in means.items()}["image"] == [
        "tiny-resnet"
    ]
    by_name = {cell.model: ranks for cell, ranks in means["text"]}
    own = [cell.ranks["h_score"] for cell in found.cells if cell.model == "tiny-bert" and "h_score" in cell.ranks]
    assert by_name["tiny-bert"]["h_score"] == pytest.approx(np.mean(own))  # nobody has one on numbers
    assert by_name["tiny-bert"]["leep"] is None
    assert by_name["with-head"]["leep"] == 1.0


def _timm_heads(cells: dict[tuple[str, str], Any]) -> set[tuple[str, str]]:
    return {("tiny-resnet", "image_classification")}  # it was made with five classes


def test_a_screen_agrees_with_measures_of_the_probes_own_features(
    tiny_bert: Path, text_task: Path, tiny_protocol: Path, own_cache: Path
) -> None:
    from safetensors.numpy import load_file

    from suite.stats.transferability import h_score, logme

    (cell,) = screen(str(tiny_bert), str(text_task), protocol=str(tiny_protocol), device="cpu", threads=1).cells
    (file,) = own_cache.glob("features/*/*.safetensors")
    x = load_file(file)["features"]
    assert x.shape == (cell.n, cell.width)
    again = screen(str(tiny_bert), str(text_task), protocol=str(tiny_protocol), device="cpu", threads=1).cells
    assert again == [cell]
    (spec,) = _planned(tiny_bert, text_task, tiny_protocol)
    from suite import evaluation
    from suite.environment import Machine

    labels = np.asarray(evaluation.prepared(spec, Machine("cpu", 1), lambda event: None).part.train.labels)
    assert cell.logme == pytest.approx(logme(x, labels), rel=1e-12)
    assert cell.h_score == pytest.approx(h_score(x, labels), rel=1e-12)
    evaluation.evaluate(spec, Machine("cpu", 1), lambda event: None)
    assert len(list(own_cache.glob("features/*/*.safetensors"))) == 3  # the probe made those of its other splits alone


def _planned(model: Path, task: Path, protocol: Path) -> list[RunSpec]:
    from suite.plan import Request, plan

    return plan(Request((str(model),), (str(task),), ("linear_probe",), seeds=1, protocol=str(protocol)))


def test_leep_is_that_of_the_trained_head(with_head: Path, text_task: Path, tiny_protocol: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from suite import evaluation
    from suite.environment import Machine
    from suite.stats.transferability import leep

    found = screen(str(with_head), str(text_task), protocol=str(tiny_protocol), device="cpu", threads=1)
    (spec,) = _planned(with_head, text_task, tiny_protocol)
    part = evaluation.prepared(spec, Machine("cpu", 1), lambda event: None).part
    net, tokens = (
        AutoModelForSequenceClassification.from_pretrained(with_head).eval(),
        AutoTokenizer.from_pretrained(with_head),
    )
    with torch.inference_mode():
        said = [
            net(**tokens.pad([{k: v for k, v in item.items() if k != "labels"}], return_tensors="pt")).logits.softmax(
                -1
            )
            for item in part.train.items
        ]
    assert found.cells[0].leep == pytest.approx(leep(torch.cat(said).numpy(), np.asarray(part.train.labels)), abs=1e-5)
    twin = screen(str(with_head), str(text_task), protocol=str(tiny_protocol), init="random", device="cpu", threads=1)
    assert twin.cells[0].leep is None
    assert twin.cells[0].label == "with-head (random init)"


def test_ranks_are_within_a_task_and_the_mean_over_all_of_them(
    small_berts: list[str], text_task: Path, pair_task: Path, tiny_protocol: Path
) -> None:
    found = screen(small_berts, [str(text_task), str(pair_task)], protocol=str(tiny_protocol), device="cpu", threads=1)
    for task in ("mood", "same-mood"):
        of_task = sorted((c for c in found.cells if c.task == task), key=lambda c: -(c.logme or 0))
        assert [cell.ranks["logme"] for cell in of_task] == [1, 2, 3]
        assert {cell.ranks["params"] for cell in of_task} == {2.0}  # all of one size
        assert all("leep" not in cell.ranks for cell in of_task)
    (ranked,) = found.mean_ranks().values()
    assert len(ranked) == 3
    for cell, means in ranked:
        own = [c.ranks["h_score"] for c in found.cells if c.model == cell.model]
        assert means["h_score"] == pytest.approx(np.mean(own))
        assert means["leep"] is None
    assert found.advice in found._repr_html_()
    assert len(found.to_pandas()) == 6


def test_screen_says_that_it_only_advises_and_who_could_not_be_measured(
    tiny_bert: Path, small_berts: list[str], text_task: Path, pair_task: Path, tiny_protocol: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny_bert, broken)
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps(config | {"hidden_size": 31}))
    words = ["-t", text_task, pair_task, "--protocol", tiny_protocol, "--device", "cpu", "--threads", 1]
    told = call("screen", "-m", small_berts[0], broken, *words)
    assert told.code == 1
    assert "Advisory: no measure eliminates a checkpoint" in told.out
    assert "failed  broken on mood: " in told.out
    assert "Mean rank" in told.out
    lines = call("screen", "-m", *small_berts, *words, "--json")
    assert lines.code == 0
    assert len(lines.objects) == 6
    expected = {"model", "task", "logme", "h_score", "leep", "params", "ranks", "note", "reason", "advisory"}
    assert all(expected <= one.keys() for one in lines.objects)


def test_a_screen_of_nothing_but_spans_is_refused(kinds_of_task: dict[str, Path], tiny_bert: Path) -> None:
    told = call("screen", "-m", tiny_bert, "-t", kinds_of_task["question_answering"])
    assert told.code == 2
    assert told.mistakes == ["question-answering: no measure says anything of answers that are spans of a text."]


# -- recommend ---------------------------------------------------------------------------------------------------------


def stored(results: list[Result], folder: Path) -> str:
    store = Store(str(folder))
    for result in results:
        store.put(result)
    return str(folder)


def sized(name: str, skill: float, params: int, seconds: float, tasks: tuple[str, ...] = ("a", "b")) -> list[Result]:
    about = {"checkpoint": {"params": params, "trainable_params": 10}, "cost": {"seconds": seconds}}
    return grid({name: skill}, tasks, seeds=3, n=400, **about)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Four rows: the best, one as good with a third of its size, a small bad one, and one that nobody should take."""
    results = [
        *sized("large", 0.90, 300_000_000, 90.0),
        *sized("middle", 0.895, 100_000_000, 40.0),
        *sized("small", 0.70, 10_000_000, 5.0),
        *sized("waste", 0.60, 400_000_000, 99.0),
        *sized("half", 0.99, 1_000, 1.0, ("a",)),
    ]
    return stored(results, tmp_path_factory.mktemp("shelf"))


def test_without_a_budget_the_best_is_told_and_a_smaller_one_that_is_as_good(shelf: str) -> None:
    advice = recommend(shelf)
    assert advice.best is not None
    assert advice.beside is not None
    assert (advice.best.model, advice.beside.model) == ("large", "middle")
    assert advice.beside.apart is False
    assert [choice.model for choice in advice.front] == ["large", "middle", "small"]
    assert [choice.apart for choice in advice.front] == [False, False, True]
    assert re.fullmatch(
        r"large \(full\) is the best of 4 rows with M \d\d\.\d ±\d\.\d; middle \(full\) has 33% of its parameters, "
        r"takes 44% of its time and cannot be told apart from it \(M \d\d\.\d ±\d\.\d\): take that one where size "
        r"or time counts\.",
        advice.sentence,
    )


def test_rows_that_lack_a_task_take_no_part_and_are_named(shelf: str) -> None:
    advice = recommend(shelf)
    assert advice.provisional == ["half (full)"]
    assert "half" not in {choice.model for choice in advice.front}


def test_a_budget_moves_the_choice(shelf: str) -> None:
    advice = recommend(shelf, max_params=200_000_000)
    assert advice.best is not None
    assert advice.best.model == "middle"
    assert advice.beside is None
    assert advice.sentence.startswith("Take middle (full), the best of 2 rows within 200M parameters, with M ")
    assert [choice.fits for choice in advice.front] == [False, True, True]
    advice = recommend(shelf, max_params=200_000_000, max_seconds=6)
    assert advice.best is not None
    assert advice.best.model == "small"
    assert "the only row within 200M parameters and 6 s a run" in advice.sentence


def test_where_nothing_fits_the_nearest_is_told(shelf: str) -> None:
    advice = recommend(shelf, max_params=5_000_000)
    assert advice.best is None
    assert advice.beside is None
    assert advice.sentence.startswith(
        "No row fits 5M parameters; the nearest is small (full) with 10M parameters, 5.0 s "
    )
    assert [choice.model for choice in advice.front] == ["large", "middle", "small"]


def test_where_every_row_lacks_scores_that_is_said(tmp_path: Path) -> None:
    store = stored([*sized("x", 0.9, 10, 1.0, ("a",)), *sized("y", 0.8, 10, 1.0, ("b",))], tmp_path)
    advice = recommend(store)
    assert advice.front == []
    assert advice.sentence == (
        "No row has scores on all of a, b; these lack some: x (full), y (full). Run what they lack."
    )


def test_of_strategies_of_one_checkpoint_the_cheaper_is_told_if_it_is_as_good(tmp_path: Path) -> None:
    slow = grid({"m": 0.9}, ["a"], n=300, cost={"seconds": 50.0})
    fast = grid({"m": 0.9}, ["a"], n=300, strategy="lora", cost={"seconds": 10.0})
    advice = recommend(stored([*slow, *fast], tmp_path))
    both = {advice.best.way if advice.best else "", advice.beside.way if advice.beside else ""}
    assert both in ({"lora", ""}, {"full", "lora"})  # whichever has the better M by a hair
    assert (advice.beside or advice.best).way == "lora"  # type: ignore[union-attr]


def test_losses_have_their_own_words(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    results = [
        made(name, "t", scale * rng.chisquare(1, 200), seed=seed, main=LOSS)
        for name, scale in (("good", 0.1), ("bad", 1.0))
        for seed in range(3)
    ]
    advice = recommend(stored(results, tmp_path))
    assert advice.best is not None
    assert advice.best.model == "good"
    assert advice.best.interval is not None
    assert advice.best.interval[0] < advice.best.mean < advice.best.interval[1]
    assert "the best of 2 rows, with a mean loss of 0.0" in advice.sentence


def test_episodes_do_not_stand_beside_whole_test_sets(tmp_path: Path) -> None:
    results = [*sized("x", 0.7, 10, 1.0), *grid({"x": 0.99}, ["a", "b"], strategy="few_shot")]
    store = stored(results, tmp_path)
    assert [choice.strategy for choice in recommend(store).front] == ["full"]
    assert [choice.strategy for choice in recommend(store, strategy="few_shot").front] == ["few_shot"]


def test_sizes_and_times_that_nobody_knows_fit_no_budget(tmp_path: Path) -> None:
    store = stored(grid({"x": 0.9, "y": 0.5}, ["a"], checkpoint={}, cost={}), tmp_path)
    assert recommend(store).best is not None
    advice = recommend(store, max_params=10)
    assert advice.best is None
    assert "an unknown number of parameters, unknown time" in advice.sentence


def test_one_example_gives_no_interval_and_nothing_is_claimed_of_it(tmp_path: Path) -> None:
    results = [made(name, "t", [score], checkpoint={"params": n}) for name, score, n in (("x", 1.0, 9), ("y", 0.0, 1))]
    advice = recommend(stored(results, tmp_path))
    assert advice.best is not None
    assert advice.best.interval is None
    assert advice.beside is None
    assert advice.front[1].apart is None
    json.dumps(advice.as_json(), allow_nan=False)


def test_texts_and_images_have_no_mean_and_the_command_advises_on_each(tmp_path: Path) -> None:
    images = grid({"i": 0.8}, ["pictures"], task_fields={"kind": "image_classification"})
    store = stored([*sized("x", 0.7, 10, 1.0), *images], tmp_path)
    with pytest.raises(SuiteError, match="No checkpoint reads both texts and images"):
        recommend(store)
    told = call("recommend", "--store", store, "--json")
    assert told.code == 0
    assert [one["best"]["model"] for one in told.objects] == ["x", "i"]


def test_recommend_loads_no_training_library(shelf: str) -> None:
    import subprocess
    import sys

    code = (
        f"import sys\nfrom suite.selection import recommend\nrecommend({shelf!r})\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    heavy = {"torch", "transformers", "datasets", "evaluate", "peft", "timm", "accelerate", "ray", "gradio"}
    assert not heavy & set(done.stdout.split())


# -- the command recommend ---------------------------------------------------------------------------------------------


def test_recommend_json_is_one_object(shelf: str) -> None:
    told = call("recommend", "--store", shelf, "--max-params", "200M", "--max-seconds", "50", "--json")
    assert told.code == 0
    (one,) = told.objects
    assert one["best"]["model"] == "middle"
    assert one["max_params"] == 200_000_000
    assert {"front", "beside", "sentence", "provisional", "left_out", "tasks", "protocol"} <= one.keys()
    assert len(one["best"]["interval"]) == 2
    assert "row" not in one["best"]


def test_recommend_prints_the_front_and_a_sentence(shelf: str) -> None:
    told = call("recommend", "--store", shelf)
    assert told.code == 0
    assert "Pareto front" in told.out
    assert "not told apart from the best" in told.out
    assert "take that one where size or time counts." in told.out
    assert "left aside: half (full)." in told.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--max-params", "many"], "--max-params is 'many'; expected a number above 0, such as 30M, 810k or 1500000."),
        (["--max-params", "0"], "--max-params is '0'; expected a number above 0, such as 30M, 810k or 1500000."),
        (["--max-seconds", "-1"], "max_seconds is -1.0; expected a number above 0."),
        (["--max-seconds", "nan"], "max_seconds is nan; expected a number above 0."),
        (["-t", "wordnet-poss"], "No task or collection named 'wordnet-poss'. Did you mean 'wordnet-pos'?"),
        (["-s", "lora"], "The store holds no record that fits. Make some: suite run -m MODEL -t TASK -s STRATEGY"),
    ],
)
def test_wrong_words_of_a_recommendation_are_one_sentence(shelf: str, words: list[str], sentence: str) -> None:
    told = call("recommend", "--store", shelf, *words)
    assert told.code == 2
    (mistake,) = told.mistakes
    assert mistake.startswith(sentence)


def test_an_empty_store_has_no_advice(tmp_path: Path) -> None:
    told = call("recommend", "--store", tmp_path / "nowhere")
    assert told.code == 2
    assert told.mistakes == ["The store holds no record that fits. Make some: suite run -m MODEL -t TASK -s STRATEGY"]
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("word", "count"),
    [("30M", 30_000_000), ("810k", 810_000), ("1.5G", 1_500_000_000), ("1500000", 1_500_000), ("7B", 7_000_000_000)],
)
def test_sizes_are_words(word: str, count: int) -> None:
    from suite.cli.select import _count

    assert _count(word) == count


def test_parameters_are_shown_as_on_the_board() -> None:
    assert [parameters(n) for n in (22_600_000, 810_000, 12, None)] == ["22.6M", "810k", "12", "an unknown number of"]


def test_tasks_name_what_m_is_the_mean_over(shelf: str) -> None:
    contents: Contents = Store(shelf).contents()
    (spec,) = {entry.head.task_spec for entry in contents.entries if entry.head.task == "a"}
    advice = recommend(contents, [TaskSpec.model_validate_json(spec)])
    assert advice.tasks == ["a"]
    assert advice.best is not None
    assert advice.best.model == "half"
