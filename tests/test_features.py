from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from suite import evaluation, features, files, models, strategies
from suite.environment import Machine
from suite.features import Reader
from suite.hub import resolve
from suite.spec import RunSpec, SuiteError

IDS = [f"row{i}" for i in range(7)]
ITEMS = [{"input_ids": list(range(2, 4 + i)), "attention_mask": [1] * (2 + i), "labels": i % 2} for i in range(7)]
LENGTHS = [len(item["input_ids"]) for item in ITEMS]  # type: ignore[arg-type]


def _collate(items: list[dict[str, Any]]) -> dict[str, Any]:
    longest = max(len(item["input_ids"]) for item in items)
    return {
        "input_ids": torch.tensor([item["input_ids"] + [0] * (longest - len(item["input_ids"])) for item in items]),
        "attention_mask": torch.tensor(
            [item["attention_mask"] + [0] * (longest - len(item["attention_mask"])) for item in items]
        ),
        "labels": torch.tensor([item["labels"] for item in items]),
    }


class Counted:
    """Builds a model and counts how often; the model counts its batches."""

    def __init__(self, folder: Path) -> None:
        self.built, self.batches, self._folder = 0, 0, folder

    def __call__(self) -> models.Model:
        self.built += 1
        model = models.load(resolve(str(self._folder)), 2, 0)
        inner = model.features

        def counted(pooling: str, **inputs: torch.Tensor) -> torch.Tensor:
            self.batches += 1
            return inner(pooling, **inputs)

        model.features = counted  # type: ignore[method-assign]
        return model


@pytest.fixture
def build(tiny_bert: Path, own_cache: Path) -> Counted:
    return Counted(tiny_bert)


def _reader(build: Callable[[], models.Model], pooling: str = "mean", **identity: Any) -> Reader:
    return Reader(build, pooling, _collate, "cpu", {"checkpoint": "sha256:1", "init": "pretrained", **identity})


def _files(cache: Path) -> list[Path]:
    return sorted(p for p in (cache / "features").rglob("*") if p.is_file())


def test_features_are_computed_once_and_read_the_second_time(build: Counted) -> None:
    first, second = _reader(build), _reader(build)
    one, two = (reader.read(ITEMS, LENGTHS, IDS) for reader in (first, second))
    assert one.shape == (7, 32) and one.dtype == np.float32
    assert np.array_equal(one, two)
    assert (build.built, build.batches) == (1, 1)
    assert (first.stored, second.stored) == (False, True)


def test_what_is_read_costs_and_counts_what_it_did_when_it_was_computed(build: Counted) -> None:
    first, second = _reader(build), _reader(build)
    for reader in (first, second):
        reader.read(ITEMS, LENGTHS, IDS)
    assert second.seconds == first.seconds > 0
    assert (
        second.params
        == first.params
        == sum(p.numel() for n, p in build().net.named_parameters() if not n.startswith("classifier."))
    )


def test_only_what_was_stored_counts_as_reused(build: Counted) -> None:
    first, second = _reader(build), _reader(build)
    first.read(ITEMS, LENGTHS, IDS)
    assert (first.reused_seconds, first.cost()["features_stored"]) == (0.0, False)
    second.read(ITEMS, LENGTHS, IDS)
    second.read(ITEMS[:3], LENGTHS[:3], IDS[:3])
    assert second.reused_seconds == first.seconds < second.seconds
    assert second.cost() == {
        "features_seconds": second.seconds,
        "features_reused_seconds": first.seconds,
        "features_stored": False,
    }


def test_features_are_the_mean_over_real_tokens_whatever_the_batch(build: Counted, tiny_bert: Path) -> None:
    found = _reader(build).read(ITEMS, LENGTHS, IDS)
    body = models.load(resolve(str(tiny_bert)), 2, 0).eval().net.base_model
    for row, item in zip(found, ITEMS, strict=True):
        with torch.no_grad():
            alone = body(input_ids=torch.tensor([item["input_ids"]])).last_hidden_state[0].mean(0)
        assert np.allclose(row, alone.numpy(), atol=1e-5)


TAGGED = [
    {"input_ids": list(range(2, 4 + i)), "attention_mask": [1] * (2 + i), "labels": labels}
    for i, labels in enumerate([[-100, 1], [-100, 0, -100], [2, -100, 0, 1], [-100] * 5])
]


def _collate_tagged(items: list[dict[str, Any]]) -> dict[str, Any]:
    longest = max(len(item["labels"]) for item in items)
    labels = [item["labels"] + [-100] * (longest - len(item["labels"])) for item in items]
    return _collate([item | {"labels": 0} for item in items]) | {"labels": torch.tensor(labels)}


@pytest.mark.parametrize("at_once", [1, 3, 512])
def test_the_features_of_words_are_those_of_their_first_tokens(
    at_once: int, build: Counted, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "AT_ONCE", at_once)
    readers = [Reader(build, "mean", _collate_tagged, "cpu", {"checkpoint": "sha256:1"}) for _ in range(2)]
    found, again = (reader.read_words(TAGGED, [2, 3, 4, 5], IDS[:4]) for reader in readers)
    assert found.counts.tolist() == [1, 1, 3, 0]
    body = models.load(resolve(str(tiny_bert)), 2, 0).eval().net.base_model
    with torch.no_grad():
        tokens = [body(input_ids=torch.tensor([item["input_ids"]])).last_hidden_state[0].numpy() for item in TAGGED]
    words = [values[np.array(item["labels"]) != -100] for values, item in zip(tokens, TAGGED, strict=True)]
    assert found.values.dtype == np.float32 and np.allclose(found.values, np.concatenate(words), atol=1e-5)
    assert np.array_equal(found.values, again.values) and np.array_equal(found.counts, again.counts)
    assert [reader.stored for reader in readers] == [False, True] and build.built == 1
    some = found[np.array([2, 3, 0, 2])]
    assert some.counts.tolist() == [3, 0, 1, 3]
    assert np.array_equal(some.values, found.values[[2, 3, 4, 0, 2, 3, 4]])


def test_words_and_pooled_features_have_addresses_of_their_own(build: Counted, own_cache: Path) -> None:
    reader = Reader(build, "mean", _collate_tagged, "cpu", {"checkpoint": "sha256:1"})
    assert reader.read(TAGGED, [2, 3, 4, 5], IDS[:4]).shape == (4, 32)
    assert reader.read_words(TAGGED, [2, 3, 4, 5], IDS[:4]).values.shape == (5, 32)
    assert len(_files(own_cache)) == 2


@pytest.mark.parametrize(
    "change", [{"pooling": "cls"}, {"checkpoint": "sha256:2"}, {"init": 5}, {"max_length": 9}, {"threads": 2}]
)
def test_whatever_features_depend_on_gives_another_address(change: Any, build: Counted, own_cache: Path) -> None:
    _reader(build).read(ITEMS, LENGTHS, IDS)
    _reader(build, **change).read(ITEMS, LENGTHS, IDS)
    assert len(_files(own_cache)) == build.built == 2


def test_other_rows_or_another_order_have_another_address(build: Counted, own_cache: Path) -> None:
    reader = _reader(build)
    reader.read(ITEMS, LENGTHS, IDS)
    reader.read(ITEMS[:3], LENGTHS[:3], IDS[:3])
    turned = reader.read(ITEMS[::-1], LENGTHS[::-1], IDS[::-1])
    assert len(_files(own_cache)) == 3
    assert np.array_equal(turned, reader.read(ITEMS, LENGTHS, IDS)[::-1])


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _flip(content: bytes) -> bytes:
    return content[:-3] + bytes([content[-3] ^ 0xFF]) + content[-2:]


@pytest.mark.parametrize("damage", [_cut, _flip, lambda content: b"", lambda content: b"\xff" * 100])
def test_a_damaged_file_is_computed_again(damage: Any, build: Counted, own_cache: Path) -> None:
    whole = _reader(build).read(ITEMS, LENGTHS, IDS)
    (file,) = _files(own_cache)
    content = file.read_bytes()
    file.write_bytes(damage(content))
    reader = _reader(build)
    assert np.array_equal(reader.read(ITEMS, LENGTHS, IDS), whole)
    assert (build.built, reader.stored) == (2, False)
    assert np.array_equal(_reader(build).read(ITEMS, LENGTHS, IDS), whole)
    assert build.built == 2


def test_a_cache_that_is_no_folder_costs_nothing_but_the_keeping(
    build: Counted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _reader(build).read(ITEMS, LENGTHS, IDS)
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("TRANSFER_SUITE_CACHE", str(tmp_path / "file"))
    assert np.array_equal(_reader(build).read(ITEMS, LENGTHS, IDS), whole)
    (said,) = files.troubles()
    assert said.startswith(f"Features cannot be kept in {tmp_path / 'file'}/features: ")
    assert said.endswith("free some space, or name another folder in TRANSFER_SUITE_CACHE.")


def test_a_full_disk_leaves_no_file_and_is_told_once(
    build: Counted, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        arrays = [_reader(build).read(ITEMS, LENGTHS, IDS) for _ in range(2)]
    assert np.array_equal(*arrays)
    assert build.built == 1  # what cannot be stored is still known to the process
    assert _files(own_cache) == []
    (said,) = files.troubles()
    assert "No space left on device. The runs go on" in said
    assert files.troubles() == []


def test_a_stored_file_can_be_read_by_others_as_the_umask_says(build: Counted, own_cache: Path) -> None:
    _reader(build).read(ITEMS, LENGTHS, IDS)
    plain = own_cache / "plain"
    plain.touch()
    (file,) = own_cache.rglob("*.safetensors")
    assert stat.S_IMODE(file.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRANSFER_SUITE_CACHE", str(tmp_path))
    assert features.cache_folder() == tmp_path
    monkeypatch.delenv("TRANSFER_SUITE_CACHE")
    assert features.cache_folder() == Path.home() / ".cache" / "transfer-suite"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count the model's passes over batches."""
    made: list[str] = []
    inner = models.TransformersModel.features

    def counted(self: Any, pooling: str, **inputs: torch.Tensor) -> torch.Tensor:
        made.append(pooling)
        return inner(self, pooling, **inputs)

    monkeypatch.setattr(models.TransformersModel, "features", counted)
    return made


def _evaluate(spec: RunSpec, machine: Machine) -> Any:
    (result,) = evaluation.evaluate(spec, machine, lambda event: None)
    return result.record


def test_all_seeds_and_strengths_share_one_computation(
    planned: Any, tiny_bert: Path, text_task: Path, machine: Machine, own_cache: Path, calls: list[str]
) -> None:
    first, *others = planned(tiny_bert, text_task, "linear_probe", seeds=3)
    record = _evaluate(first, machine)
    after_first = len(calls)
    assert after_first == 3 and len(_files(own_cache)) == 3  # one batch and one file a split
    later = [_evaluate(spec, machine) for spec in others]
    later.append(_evaluate(first.model_copy(update={"settings": first.settings | {"C": [0.5]}}), machine))
    assert len(calls) == after_first
    assert not record.training["features_stored"] and all(r.training["features_stored"] for r in later)
    assert all(r.cost["reused_seconds"] > 0 and r.checkpoint["params"] == record.checkpoint["params"] for r in later)


def test_a_random_twin_has_features_of_its_own_a_seed(
    planned: Any, tiny_bert: Path, text_task: Path, machine: Machine, own_cache: Path
) -> None:
    for spec in planned(tiny_bert, text_task, "linear_probe", seeds=2, init="random"):
        assert not _evaluate(spec, machine).training["features_stored"]
    assert len(_files(own_cache)) == 6


def test_a_pooling_that_the_checkpoint_lacks_is_a_suite_error(
    planned: Any, tiny_bert: Path, text_task: Path, job_of_text: Any, own_cache: Path
) -> None:
    with pytest.raises(SuiteError, match="no pooling of its own"):
        strategies.get("linear_probe").fit(job_of_text(pooling="native"))
    assert _files(own_cache) == []


@pytest.fixture
def job_of_text(planned: Any, tiny_bert: Path, text_task: Path, machine: Machine) -> Callable[..., Any]:
    """Return the job of a probe on texts with some settings changed."""

    class Reached(Exception):  # noqa: N818  # it is no error
        pass

    class Catcher:
        def fit(self, job: Any) -> Any:
            raise Reached(job)

    def make(**changed: Any) -> Any:
        (spec,) = planned(tiny_bert, text_task, "linear_probe", settings=changed)
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Reached) as reached:
            patch.setattr(evaluation.strategies, "get", lambda name: Catcher())
            evaluation.evaluate(spec, machine, lambda event: None)
        return reached.value.args[0]

    return make
