from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import parts
import pytest
from scipy.stats import t as student

from suite import evaluation, kinds, strategies
from suite.data import Prepared
from suite.environment import Machine
from suite.spec import SuiteError
from suite.strategies import Adapted, Part

LOWEST = np.finfo(np.float32).min
FEW: dict[str, Any] = {"ways": 4, "shots": 3, "queries": 6, "episodes": 40}


def _rows(n: int, name: str, classes: int = 8, noise: float = 1.0, seed: int = 0) -> Prepared:
    """Return rows of 12 features whose class is told by a centre, with noise."""
    generator = np.random.default_rng([seed, len(name), ord(name[0])])
    centres = np.random.default_rng(1).normal(size=(classes, 12))
    labels = np.arange(n) % classes
    return parts.rows((centres[labels] + noise * generator.normal(size=(n, 12))).astype(np.float32), labels, name)


def _part(classes: int = 8, noise: float = 1.0, seed: int = 0) -> Part:
    splits = (_rows(n, name, classes, noise, seed) for n, name in ((80, "train"), (64, "held"), (72, "test")))
    return parts.part("class", classes, *splits)


@pytest.fixture
def fit(monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda of, **settings: parts.fit(monkeypatch, "few_shot", of, **(FEW | settings))


def _tested(found: Adapted) -> Prepared:
    assert found.tested is not None
    return found.tested


def test_every_tested_row_has_an_id_a_label_and_the_cluster_of_its_episode(fit: Any) -> None:
    of = _part()
    tested = _tested(fit(of))
    assert len(tested) == len(set(tested.ids)) == len(tested.labels) == 40 * 4 * 6
    assert tested.ids[0].startswith("e001-") and tested.ids[-1].startswith("e040-")
    label_of = dict(zip(of.test.ids, of.test.labels.tolist(), strict=True))
    episodes, rows = zip(*(name.split("-") for name in tested.ids), strict=True)
    assert [label_of[row] for row in rows] == tested.labels.tolist()
    assert tested.clusters == list(episodes) and len(set(episodes)) == 40
    assert (tested.items, tested.lengths) == ([], [])


def test_classes_outside_the_episode_get_the_lowest_float(fit: Any) -> None:
    found = fit(_part())
    tested, logits = _tested(found), found.outputs["t"]
    assert logits.dtype == np.float32 and np.isfinite(logits).all()
    for episode in set(tested.clusters):
        inside = [cluster == episode for cluster in tested.clusters]
        classes = set(tested.labels[inside].tolist())
        assert len(classes) == 4
        assert all(set(np.flatnonzero(row > LOWEST).tolist()) == classes for row in logits[inside])
    predictions, scores = kinds.get("text_classification").decode(logits, tested)
    assert (scores[logits == LOWEST] == 0).all() and np.allclose(scores.sum(axis=1), 1)
    accuracy = (predictions == tested.labels).mean()
    assert found.log["heads"][found.log["head"]]["accuracy"] == pytest.approx(accuracy)
    assert found.told_apart == 4 and accuracy > 1 / 4


@pytest.mark.parametrize("head", ["prototype", "ridge", "best"])
def test_the_episodes_are_the_same_for_every_checkpoint_seed_and_head(fit: Any, head: str) -> None:
    of = _part()
    other = parts.part("class", 8, *(replace(s, items=_rows(len(s), "x", seed=9).items) for s in of.splits))
    one, two = fit(of), fit(other, head=head, ridge=[3.0], seed=99)
    assert _tested(one).ids == _tested(two).ids
    assert not np.array_equal(one.outputs["t"], two.outputs["t"])


def test_other_rows_give_other_episodes(fit: Any) -> None:
    of = _part()
    train = replace(of.train, ids=[f"other{name}" for name in of.train.ids])
    assert _tested(fit(of)).ids != _tested(fit(replace(of, train=train))).ids


def test_the_head_is_chosen_on_validation_episodes_and_never_by_the_test_rows(fit: Any) -> None:
    of = _part(noise=2.0)
    found = fit(of)
    shuffled = replace(of.test, labels=np.random.default_rng(0).permutation(of.test.labels))
    again = fit(replace(of, test=shuffled))
    for field in ("head", "ridge", "validation", "tried"):
        assert found.log[field] == again.log[field]
    assert found.log["validation"] == max(one["validation"] for one in found.log["tried"])
    best = next(one for one in found.log["tried"] if one["validation"] == found.log["validation"])
    assert (found.log["head"], found.log["ridge"]) == (best["head"], best["ridge"])
    swapped = fit(replace(of, validation=replace(of.validation, labels=of.validation.labels[::-1].copy())))
    assert swapped.log["tried"] != found.log["tried"]


def test_the_log_tells_both_heads_with_a_t_interval_over_episodes(fit: Any) -> None:
    of = _part(noise=2.0)
    summary = fit(of).log["heads"]
    for head in ("prototype", "ridge"):
        found = fit(of, head=head)
        tested = _tested(found)
        right = found.outputs["t"].argmax(axis=1) == tested.labels
        shares = right.reshape(40, -1).mean(axis=1)
        half = student.ppf(0.975, 39) * shares.std(ddof=1) / np.sqrt(40)
        assert found.log["head"] == head and found.log["heads"] == summary
        assert summary[head]["accuracy"] == pytest.approx(shares.mean())
        assert summary[head]["interval"] == pytest.approx([shares.mean() - half, shares.mean() + half])
    assert (fit(of, head="prototype").log["ridge"], fit(of, head="ridge", ridge=[2.0]).log["ridge"]) == (None, 2.0)


def test_clear_classes_are_told_apart_and_hidden_ones_are_not(fit: Any) -> None:
    for noise, accuracy in ((0.01, 1.0), (1e6, 0.25)):
        of = _part(noise=noise)
        summary = fit(of, episodes=200).log["heads"]
        assert all(one["accuracy"] == pytest.approx(accuracy, abs=0.08) for one in summary.values())


def test_features_are_centred_by_the_training_rows(fit: Any) -> None:
    of = _part()
    moved = [replace(s, items=[{"x": 2 * item["x"] + 50} for item in s.items]) for s in of.splits]
    one, two = fit(of, head="ridge", ridge=[1.0]), fit(parts.part("class", 8, *moved), head="ridge", ridge=[1.0])
    assert np.allclose(one.outputs["t"], two.outputs["t"], atol=1e-3)


def test_with_fewer_classes_than_ways_all_of_them_take_part(fit: Any) -> None:
    found = fit(_part(classes=3), ways=5)
    assert found.log["ways"] == 3 and found.told_apart == 3
    assert (found.outputs["t"] > LOWEST).all() and found.trainable_params == 3 * 12


def test_classes_without_enough_rows_are_left_out_and_counted(fit: Any) -> None:
    of = _part()
    kept = np.flatnonzero((of.train.labels != 2) | (np.arange(80) < 16))  # class 2 keeps two rows
    train = parts.rows(np.stack([of.train.items[i]["x"] for i in kept]), of.train.labels[kept], "train")
    few = np.flatnonzero((of.test.labels != 5) & ((of.test.labels != 6) | (np.arange(72) < 16)))
    test = parts.rows(np.stack([of.test.items[i]["x"] for i in few]), of.test.labels[few], "test")
    found = fit(replace(of, train=train, test=test))
    tested = _tested(found)
    assert found.log["classes_left_out"] == {"validation": 1, "test": 2}
    assert not {2, 5} & set(tested.labels.tolist())
    sixes = [name for name, label in zip(tested.clusters or [], tested.labels, strict=True) if label == 6]
    assert sixes and {sixes.count(name) for name in sixes} == {2}  # all that there are
    assert len(tested) == 40 * 4 * 6 - 4 * len(set(sixes))


def test_less_than_two_classes_with_enough_rows_are_refused(fit: Any) -> None:
    with pytest.raises(SuiteError, match=r"two classes with 11 training rows each .* of 8 classes 0 have that.*shots"):
        fit(_part(), shots=11)


def test_choices_are_refused(fit: Any) -> None:
    of = parts.part("class", 3, *(parts.rows(np.zeros((9, 3, 4)), np.arange(9) % 3) for _ in range(3)), choices=True)
    with pytest.raises(SuiteError, match="choices have none; use -s linear_probe"):
        fit(of)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("pooling", "max"),
        ("head", "worst"),
        ("ways", 1),
        ("shots", 0),
        ("queries", 0),
        ("episodes", 1),
        ("ridge", []),
        ("ridge", [0.0]),
        ("ridge", ["1"]),
    ],
)
def test_settings_that_mean_nothing_are_refused(setting: str, value: Any) -> None:
    few_shot = strategies.get("few_shot")
    with pytest.raises(SuiteError, match=rf"few_shot\.{setting} is"):
        few_shot.check(few_shot.recipe("text") | {setting: value})


def test_600_episodes_of_384_features_take_less_than_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    splits = [
        parts.rows(generator.normal(size=(2000, 384)).astype(np.float32), np.arange(2000) % 20, name)
        for name in ("train", "held", "test")
    ]
    of = parts.part("class", 20, *splits)
    started = time.perf_counter()
    found = parts.fit(monkeypatch, "few_shot", of)
    assert time.perf_counter() - started < 10
    assert found.outputs["t"].shape == (600 * 5 * 15, 20)


def test_the_features_are_those_that_a_probe_has_read(
    planned: Any, tiny_resnet: Path, image_task: Path, machine: Machine, own_cache: Path
) -> None:
    (probe,) = planned(tiny_resnet, image_task, "linear_probe")
    (spec,) = planned(
        tiny_resnet, image_task, "few_shot", seeds=3, settings={"episodes": 20}
    )  # one run: no seed counts
    for one, stored in ((probe, False), (spec, True)):
        (result,) = evaluation.evaluate(one, machine, lambda event: None)
        assert result.record.training["features_stored"] == stored
    record = result.record
    assert record.counts["test"] == len(result.columns["id"]) == record.counts["scored"]
    assert record.main.chance == pytest.approx(1 / 3) and set(result.columns["cluster"]) == {
        f"e{i:03d}" for i in range(1, 21)
    }
