"""Kept weights of the usual architectures of both libraries answer again, whole and as an adapter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from every_kind import IMAGES, write_tasks

import suite
from suite import evaluation
from suite.environment import Machine
from suite.store import Store

from .test_architectures import NAMES, folder

__all__ = ["folder"]  # a fixture


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("strategy", ["full", "lora"])
def test_kept_weights_give_the_same_bits(
    name: str,
    strategy: str,
    folder: Callable[[str], Path],
    planned: Any,
    inputs: Any,
    machine: Machine,
    tmp_path: Path,
) -> None:
    from suite.hub import resolve

    base = folder(name)
    task = inputs[resolve(str(base)).modality][1]
    (spec,) = planned(base, task, strategy)
    (result,) = evaluation.evaluate(spec, machine, lambda event: None, str(tmp_path))
    assert result.unkept is None and result.weights is not None
    store = Store(str(tmp_path / "store"))
    store.put(result)
    (check,) = suite.verify(store, level="infer", models=[str(base)], tasks=[str(task)])
    assert check.ok and "scores the same bits" in check.detail, check.detail


@pytest.mark.slow
@pytest.mark.parametrize("name", ["timm-distilled-vit", "timm-swin", "transformers-vit"])
@pytest.mark.parametrize("strategy", ["full", "lora"])
def test_each_task_of_a_trunk_keeps_a_model_that_answers_again(
    name: str,
    strategy: str,
    folder: Callable[[str], Path],
    images: dict[str, Path],
    tiny_protocol: Path,
    tmp_path: Path,
) -> None:
    base, words = str(folder(name)), [str(path) for path in images.values()]
    place = {"protocol": str(tiny_protocol), "store": tmp_path / "store", "device": "cpu", "threads": 1, "seeds": 1}
    report = suite.run(base, words, strategy, joint=True, keep_weights=True, **place)
    assert not report.failures and len(report.records) == 2
    checks = list(suite.verify(tmp_path / "store", level="infer", models=[base], tasks=words))
    assert all(check.ok for check in checks), checks


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: path for kind, path in write_tasks(tmp_path_factory.mktemp("kinds")).items() if kind in IMAGES}
