"""One trunk, one head a task: shared weights, heads of their own, full and under adapters."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from suite import models, optimiser, trunks
from suite.hub import resolve
from suite.models import Model
from suite.optimiser import Recipe
from suite.strategies import lora

HEADS = {
    "two": ("AutoModelForSequenceClassification", 2),
    "words": ("AutoModelForTokenClassification", 5),
    "spans": ("AutoModelForQuestionAnswering", 2),
    "choices": ("AutoModelForMultipleChoice", 4),
    "three": ("AutoModelForSequenceClassification", 3),
}
SETTINGS: Any = {"rank": 2, "alpha": 4, "dropout": 0.0}


def _builds(folder: Path, tasks: list[str]) -> dict[str, Callable[[], Model]]:
    ref = resolve(str(folder))
    return {task: functools.partial(models.load, ref, HEADS[task][1], 0, HEADS[task][0]) for task in tasks}


def _image_builds(folder: Path) -> dict[str, Callable[[], Model]]:
    ref = resolve(str(folder))
    return {f"of.{n}": functools.partial(models.load, ref, n, 0, "AutoModelForImageClassification") for n in (2, 3)}


def _text(task: str) -> dict[str, torch.Tensor]:
    shape = (2, 4, 7) if task == "choices" else (2, 7)
    ids = torch.arange(int(torch.tensor(shape).prod())).reshape(shape) % 20 + 5
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


@pytest.mark.parametrize("order", [list(HEADS), list(HEADS)[::-1]])
def test_heads_of_every_sort_share_one_body_whichever_comes_first(order: list[str], tiny_bert: Path) -> None:
    builds = _builds(tiny_bert, order)
    shared = trunks.share(builds, {}).eval()
    alone = {task: build().eval() for task, build in builds.items()}
    for task in order:
        with torch.no_grad():
            mine, own = shared.logits(task=task, **_text(task)), alone[task].logits(**_text(task))
        assert torch.allclose(mine, own, atol=1e-6), task
    bodies = {id(net.bert) for net in shared.net.nets.values()}
    assert len(bodies) == 1


def test_it_needs_one_trunks_memory(tiny_bert: Path) -> None:
    builds = _builds(tiny_bert, list(HEADS))
    sizes = {task: sum(p.numel() for p in build().parameters()) for task, build in builds.items()}
    shared = sum(p.numel() for p in trunks.share(builds, {}).parameters())
    body = max(sum(p.numel() for p in build().net.bert.parameters()) for build in builds.values())
    heads = sum(
        sum(p.numel() for name, p in build().net.named_parameters() if not name.startswith("bert."))
        for build in builds.values()
    )
    assert shared == body + heads < 1.1 * max(sizes.values())


def test_the_loss_of_a_task_is_its_own_times_its_weight(tiny_bert: Path) -> None:
    shared = trunks.share(_builds(tiny_bert, ["two", "three"]), {"two": 3.0}).eval()
    labels = torch.tensor([1, 0])
    for task, weight in (("two", 3.0), ("three", 1.0)):
        out = shared(labels=labels, task=task, **_text(task))
        assert out["loss"].item() == pytest.approx(weight * functional.cross_entropy(out["logits"], labels).item())


def test_a_step_of_one_task_moves_the_trunk_and_its_own_head_alone(tiny_bert: Path) -> None:
    shared = trunks.share(_builds(tiny_bert, ["two", "three"]), {})
    shared(labels=torch.tensor([1, 0]), task="three", **_text("three"))["loss"].backward()
    moved = {name for name, p in shared.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert any(".bert.encoder." in name for name in moved)
    assert {name for name in moved if "classifier" in name} == {
        "net.nets.t1.classifier.weight",
        "net.nets.t1.classifier.bias",
    }


def _fast(model: Model) -> set[str]:
    groups = optimiser.parameter_groups(model, Recipe(1.0, 10.0), 0.1)
    names = {id(p): name for name, p in model.named_parameters()}
    return {names[id(p)] for group in groups if group["lr"] == 10.0 for p in group["params"]}


def test_every_head_and_the_pooler_learn_faster(tiny_bert: Path) -> None:
    fast = _fast(trunks.share(_builds(tiny_bert, ["two", "words", "spans"]), {}))
    modules = {name.rpartition(".")[0] for name in fast}
    assert modules == {
        "net.nets.t0.bert.pooler.dense",
        "net.nets.t0.classifier",
        "net.nets.t1.classifier",
        "net.nets.t2.qa_outputs",
    }


@pytest.mark.parametrize("order", [["two", "words", "spans"], ["words", "two"]])
def test_under_adapters_the_body_rests_and_every_head_is_trained(order: list[str], tiny_bert: Path) -> None:
    model = lora.adapt(trunks.share(_builds(tiny_bert, order), {}), SETTINGS)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert all("lora_" in name or "modules_to_save" in name for name in trained)
    heads = {name for name in trained if "classifier" in name or "qa_outputs" in name}
    assert len({name.split(".nets.")[1].split(".")[0] for name in heads}) == len(order)
    assert _fast(model) == {name for name in trained if "lora_" not in name}
    assert sum("lora_A" in name for name in trained) == sum(
        "lora_A" in name for name, _ in lora.adapt(_builds(tiny_bert, ["two"])["two"](), SETTINGS).named_parameters()
    )
    for task in order:
        assert torch.isfinite(model.logits(task=task, **_text(task))).all()


def test_an_update_of_the_adapter_reaches_every_task(tiny_bert: Path) -> None:
    model = lora.adapt(trunks.share(_builds(tiny_bert, ["two", "words"]), {}), SETTINGS).eval()
    before = {task: model.logits(task=task, **_text(task)) for task in ("two", "words")}
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_B" in name:
                p.add_(0.5)
    for task, logits in before.items():
        assert not torch.allclose(model.logits(task=task, **_text(task)), logits, atol=1e-5)


@pytest.mark.parametrize("adapters", [False, True])
def test_backbones_of_timm_share_too(adapters: bool, tiny_resnet: Path) -> None:
    builds = _image_builds(tiny_resnet)
    shared = trunks.share(builds, {})
    pixels = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for task, build in builds.items():
        with torch.no_grad():
            own = build().eval().logits(pixel_values=pixels)
            assert torch.allclose(shared.eval().logits(task=task, pixel_values=pixels), own, atol=1e-5)
    assert {name.rpartition(".")[0] for name in _fast(shared)} == {"net.heads.t0", "net.heads.t1"}
    if adapters:
        model = lora.adapt(shared, SETTINGS)
        trained = {name for name, p in model.named_parameters() if p.requires_grad}
        assert sum("modules_to_save" in name for name in trained) == 4
        assert model.logits(task="of.3", pixel_values=pixels).shape == (4, 3)
