"""Old records load for ever, and neither their keys nor their scores move while SEMANTICS does not."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from suite import metrics
from suite.leaderboard import rank
from suite.spec import (
    SEMANTICS,
    Carve,
    CheckpointRef,
    DatasetRef,
    Protocol,
    Record,
    RunSpec,
    Splits,
    TaskSpec,
    canonical_json,
    digest,
)
from suite.store import Store

GOLDEN = Path(__file__).parent / "golden"
ENTRIES = sorted(GOLDEN.glob("store/records/??/*"))
KEYS = {
    "linear_probe": "dc3f49a11101390c7008f1313d2716599d3608ccc08c6b32696eb3e56197b24d",
    "full": "0152125e37bdfcfa8aec9173439df2882fa17ecb7cd14a077ad9336781085039",
}


@pytest.fixture(params=["store", "newer"])
def store(request: pytest.FixtureRequest) -> Store:
    return Store(str(GOLDEN / request.param))


@pytest.fixture(params=sorted(KEYS))
def record(request: pytest.FixtureRequest, store: Store) -> Record:
    return store.get(KEYS[request.param])


def test_the_golden_store_holds_the_golden_keys(store: Store) -> None:
    assert sorted(store.find("")) == sorted(KEYS.values())


def test_a_golden_record_still_loads(record: Record) -> None:
    assert record.task == "golden"
    assert record.attempt == 1
    assert record.metrics.keys() == set(record.task_spec.metrics)


def test_fields_of_a_newer_schema_are_kept() -> None:
    for key in KEYS.values():
        newer, older = Store(str(GOLDEN / "newer")).get(key), Store(str(GOLDEN / "store")).get(key)
        assert newer.schema_version == older.schema_version + 1
        assert newer.model_extra == {"energy_joules": 12.5, "calibration": {"ece": 0.1}}
        assert newer.cost["energy_joules"] == 12.5
        assert (newer.score, newer.spec) == (older.score, older.spec)


def test_the_key_of_a_golden_spec_has_not_moved(record: Record) -> None:
    assert record.spec.key(record.task) == record.key
    assert RunSpec.model_validate_json(record.spec.model_dump_json(by_alias=True)).key() == record.key


def test_the_bytes_of_golden_records_are_those_that_were_put() -> None:
    assert len(ENTRIES) == len(KEYS)
    for entry in ENTRIES:
        digests = json.loads((entry / "digest.json").read_text())
        assert digests == {name: digest((entry / name).read_bytes()) for name in ("record.json", "predictions.parquet")}
        body = json.loads((entry / "record.json").read_text())
        assert (entry / "record.json").read_text() == canonical_json(body)
        assert body["predictions"] == digests["predictions.parquet"]


def test_golden_predictions_give_the_golden_scores(record: Record, store: Store) -> None:
    columns = store.predictions(record.key)
    classes = {name: i for i, name in enumerate(record.data["classes"])}  # type: ignore[arg-type]
    labels, predictions = (np.array([classes[name] for name in columns[c]]) for c in ("label", "prediction"))
    assert len(set(columns["id"])) == len(labels) == record.counts["test"]
    for name, value in record.metrics.items():
        assert metrics.value(name, labels, predictions) == pytest.approx(value, abs=1e-12)
        assert metrics.score([name], labels, predictions)[name] == pytest.approx(value, abs=1e-12)
    contributions = metrics.contributions(record.main.name, labels, predictions)
    assert contributions.tolist() == columns["value"]
    assert np.mean(columns["value"]) == pytest.approx(record.score, abs=1e-12)
    assert np.array(columns["scores"]).argmax(1).tolist() == predictions.tolist()
    assert np.array(columns["scores"]).sum(1) == pytest.approx(np.ones(len(labels)), abs=1e-6)


def test_golden_records_stand_on_a_board(store: Store) -> None:
    kept = store.url
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "suite.store._upkeep.Keeper.settle", lambda self, parts, fresh: None
        )  # the golden folder stays as it is
        board = rank(kept)
    assert {row.strategy: row.tasks["golden"].mean for row in board.rows} == {
        strategy: store.get(key).score for strategy, key in KEYS.items()
    }
    assert not board.left_out


@pytest.mark.skipif(SEMANTICS != 1, reason="run tests/golden/make.py for the new SEMANTICS and put its keys here")
def test_the_same_runs_today_have_the_golden_keys_rows_and_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(GOLDEN))
    monkeypatch.setenv("TRANSFER_SUITE_CACHE", str(tmp_path / "cache"))
    import make

    report = make.carry_out(tmp_path / "store")
    del sys.modules["make"]
    assert not report.failures
    golden, today = Store(str(GOLDEN / "store")), Store(str(tmp_path / "store"))
    assert {record.spec.strategy: record.key for record in report.records} == KEYS
    for key in KEYS.values():
        old, new = golden.get(key), today.get(key)
        for field in ("spec", "task", "main", "counts", "data", "seeds", "collapse_rule"):
            assert getattr(new, field) == getattr(old, field), field
        for name in ("id", "label", "prediction"):
            assert today.predictions(key)[name] == golden.predictions(key)[name]
        scores = (np.array(store.predictions(key)["scores"]) for store in (golden, today))
        assert np.abs(np.subtract(*scores)).max() < 0.02  # another processor rounds otherwise
        assert new.metrics == pytest.approx(old.metrics, abs=1e-12)


def test_a_spec_that_is_written_out_here_has_the_key_that_is_written_out_here() -> None:
    spec = RunSpec(
        semantics=1,
        checkpoint=CheckpointRef(name="org/model", revision="0123456789abcdef0123456789abcdef01234567", init="random"),
        tasks=(
            TaskSpec(
                name="films",
                version=3,
                kind="text_classification",
                dataset=DatasetRef(path="org/films", config="short", revision="f" * 40, license="mit"),
                splits=Splits(validation=Carve(fraction=0.2, seed=7)),
                columns={"text": "review", "label": "stars"},
                labels=("bad", "good"),
                metrics=("accuracy", "f1_macro"),
                main="f1_macro",
                chance=0.5,
                delta=0.02,
                limits={"train": 1000},
                cluster="films",
                tags=("english",),
            ),
        ),
        strategy="lora",
        settings={"learning_rate": 5e-4, "head_multiplier": 2.0, "rank": 8, "alpha": 16, "dropout": 0.0},
        protocol=Protocol.model_validate_json(
            '{"name": "tiny", "version": 2, "seeds": 3, "batch": 16, "budget": {"epochs": 1.5, "min_steps": 4, '
            '"max_steps": 40}, "selection": {"looks": 2, "learning_rates": [1.0, 3.0]}, "limits": {"validation": 50}}'
        ),
        seed=11,
    )
    assert spec.key() == "2fd35189bd8cc9461a3662344a13277dd70f5b7ca39a939809f15ca71d2fd94d"
    assert spec.seeds() == {
        "init": 2695283617,
        "order": 2575933094,
        "augmentation": 536696741,
        "dropout": 1109140029,
        "split": 1173425932,
    }
