"""A batch in pieces has the numbers of the whole: with dropout, without, and however small the pieces are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import WORDS
from token_rows import padded
from torch import nn

from suite import models, training
from suite.hub import resolve
from suite.models import Model
from suite.optimiser import Recipe
from suite.spec import Budget, Mixture, Protocol, Selection, SuiteError
from suite.training import Part, Setting

SEEDS = {"order": 1, "dropout": 2}
SETTING = Setting(SEEDS, "cpu", "fp32", lambda event: None)
BATCH = 8


def _protocol(**changes: Any) -> Protocol:
    budget = Budget(epochs=1, min_steps=4, max_steps=4)
    values: dict[str, Any] = {"name": "p", "version": 1, "seeds": 1, "batch": BATCH, "budget": budget}
    return Protocol(**(values | {"selection": Selection(looks=2)} | changes))


def _rows(n: int = 32) -> list[dict[str, Any]]:
    generator = np.random.default_rng(0)
    sizes = generator.integers(3, 14, n)
    return [{"input_ids": generator.integers(5, len(WORDS), s).tolist(), "labels": i % 2} for i, s in enumerate(sizes)]


def _part() -> Part:
    rows = _rows()
    return Part(rows, [len(row["input_ids"]) for row in rows], rows[:10], padded, lambda outputs: 1.0)


class _Narrow(nn.Module):
    """Stands before a body and runs out of memory on more rows than fit."""

    def __init__(self, fits: int) -> None:
        super().__init__()
        self.fits, self.seen = fits, 0

    def forward(self, module: nn.Module, arguments: Any, named: Any) -> None:
        rows = next(iter(named.values())).shape[0]
        if module.training and rows > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        self.seen = max(self.seen, rows)


@pytest.fixture(scope="module", params=["sdpa", "eager"])
def wet_bert(request: pytest.FixtureRequest, save_bert: Callable[..., Path]) -> Path:
    """A tiny BERT with a lot of dropout."""
    dropout = {"hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.3}
    return save_bert(f"wet-bert-{request.param}", attn_implementation=request.param, **dropout)


def _builder(folder: Path, fits: int) -> Callable[[], Model]:
    def build() -> Model:
        model = models.load(resolve(str(folder)), 2, 0)
        model.net.bert.register_forward_pre_hook(_Narrow(fits).forward, with_kwargs=True)  # type: ignore[union-attr]
        return model

    return build


def _fit(folder: Path, fits: int, **changes: Any) -> training.Fit:
    return training.fit(_builder(folder, fits), {"t": _part()}, Recipe(1e-3), _protocol(**changes), SETTING)


@pytest.mark.parametrize(("fits", "size", "pieces"), [(4, 4, 2), (3, 2, 4), (1, 1, 8)])
def test_what_a_machine_of_little_memory_trains_is_what_a_large_one_trains(
    wet_bert: Path, fits: int, size: int, pieces: int
) -> None:
    large, small = _fit(wet_bert, BATCH), _fit(wet_bert, fits)
    assert (small.log["micro_batch"], small.log["accumulation"]) == (size, pieces)
    assert (large.log["micro_batch"], large.log["accumulation"]) == (BATCH, 1)
    assert small.log["effective_batch"] == large.log["effective_batch"] == BATCH
    assert small.log["loss"] == pytest.approx(large.log["loss"], abs=1e-5)
    untouched = dict(_builder(wet_bert, BATCH)().named_parameters())
    trained = dict(small.model.named_parameters())
    for name, value in large.model.named_parameters():
        assert torch.allclose(trained[name], value, atol=2e-5, rtol=0), name
    assert max((trained[name] - value).abs().max().item() for name, value in untouched.items()) > 1e-3


def test_without_the_noise_of_the_whole_the_pieces_would_train_another_model(
    wet_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import contextlib

    from suite import micro

    large = _fit(wet_bert, BATCH)
    monkeypatch.setattr(micro.Piece, "noise", lambda self: contextlib.nullcontext())
    small = dict(_fit(wet_bert, 4).model.named_parameters())
    assert max((small[n] - v).abs().max().item() for n, v in large.model.named_parameters()) > 1e-4


def test_tasks_of_one_step_and_pieces_of_one_batch_both_accumulate(wet_bert: Path) -> None:
    mixture = Mixture(tasks_per_step=2)
    setting = Setting(SEEDS, "cpu", "fp32", lambda event: None, mixture)
    fits = [
        training.fit(_builder(wet_bert, size), {"t": _part()}, Recipe(1e-3), _protocol(), setting)
        for size in (BATCH, 4)
    ]
    assert [fit.log["accumulation"] for fit in fits] == [2, 4]
    assert [fit.log["effective_batch"] for fit in fits] == [16, 16]
    assert [fit.log["steps"] for fit in fits] == [2, 2]
    small = dict(fits[1].model.named_parameters())
    for name, value in fits[0].model.named_parameters():
        assert torch.allclose(small[name], value, atol=2e-5, rtol=0), name


def test_looks_at_validation_take_smaller_batches_too(wet_bert: Path) -> None:
    looked: list[int] = []

    def refuse(module: nn.Module, arguments: Any, named: Any) -> None:
        rows = next(iter(named.values())).shape[0]
        looked.extend([] if module.training else [rows])
        if rows > 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    def build() -> Model:
        model = models.load(resolve(str(wet_bert)), 2, 0)
        model.net.bert.register_forward_pre_hook(refuse, with_kwargs=True)  # type: ignore[union-attr]
        return model

    fit = training.fit(build, {"t": _part()}, Recipe(1e-3), _protocol(), SETTING)
    assert fit.log["micro_batch"] == 2  # at 4 the looks would take 8 rows
    assert max(looked[-2:]) <= 4


def test_when_not_even_one_row_fits_it_says_what_to_change(wet_bert: Path) -> None:
    with pytest.raises(SuiteError, match=r"Not even one row fits into memory .*smaller max_length"):
        _fit(wet_bert, 0)


def test_batch_normalisation_in_training_is_not_cut(tiny_resnet: Path) -> None:
    pixels = np.random.default_rng(0).normal(size=(16, 3, 32, 32)).astype(np.float32)
    rows = [{"pixel_values": image, "labels": i % 2} for i, image in enumerate(pixels)]

    def collate(items: list[dict[str, Any]]) -> dict[str, Any]:
        images = torch.from_numpy(np.stack([item["pixel_values"] for item in items]))
        return {"pixel_values": images, "labels": torch.tensor([item["labels"] for item in items])}

    def build() -> Model:
        model = models.load(resolve(str(tiny_resnet)), 2, 0)
        narrow = _Narrow(4)
        model.register_forward_pre_hook(narrow.forward, with_kwargs=True)
        return model

    part = Part(rows, [1] * 16, rows, collate, lambda outputs: 1.0)
    with pytest.raises(SuiteError, match="batch normalisation of this checkpoint would give other numbers"):
        training.fit(build, {"t": part}, Recipe(1e-3), _protocol(), SETTING)
    resting = training.fit(build, {"t": part}, Recipe(1e-3, freeze_batch_norm=True), _protocol(), SETTING)
    assert resting.log["micro_batch"] == 4


def test_predictions_of_a_batch_that_does_not_fit_are_made_in_halves(wet_bert: Path) -> None:
    build, rows = _builder(wet_bert, BATCH), _rows(100)
    lengths = [len(row["input_ids"]) for row in rows]
    whole = training.predict(build(), rows, lengths, _part())
    narrow = build()

    def refuse(module: nn.Module, arguments: Any, named: Any) -> None:
        if next(iter(named.values())).shape[0] > 9:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory")

    narrow.register_forward_pre_hook(refuse, with_kwargs=True)
    halves = training.predict(narrow, rows, lengths, _part())
    assert np.allclose(np.asarray(whole), np.asarray(halves), atol=1e-6)


def test_recomputed_activations_give_bit_equal_weights(wet_bert: Path) -> None:
    kept, again = _fit(wet_bert, BATCH), _fit(wet_bert, BATCH, activation_checkpointing=True)
    assert again.model.net.is_gradient_checkpointing
    weights = dict(again.model.named_parameters())
    assert all(torch.equal(weights[name], value) for name, value in kept.model.named_parameters())
