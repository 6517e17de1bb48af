from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from token_rows import padded, token_rows
from torch import nn

from suite import batches, evaluation, models, optimiser, training
from suite.environment import Machine
from suite.hub import resolve
from suite.optimiser import Recipe
from suite.spec import Budget, Protocol, RunSpec, Selection, SuiteError, canonical_json
from suite.strategies import lora
from suite.training import Part, Setting

SEEDS = {"order": 11, "dropout": 12}
QUIET = Setting(SEEDS, "cpu", "fp32", lambda event: None)
N = 40


def _protocol(**changes: Any) -> Protocol:
    values: dict[str, Any] = {
        "name": "p",
        "version": 1,
        "seeds": 1,
        "batch": 8,
        "budget": Budget(epochs=1, min_steps=5, max_steps=5),
        "selection": Selection(looks=1),
        "warmup": 0.3,
        "weight_decay": 0.1,
        "max_grad_norm": 0.05,
    }
    return Protocol(**(values | changes))


# -- training against a loop of one's own ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def steady_bert(save_bert: Callable[..., Path]) -> Path:
    """A tiny BERT without dropout, so that a loop of one's own needs no random numbers."""
    return save_bert("steady-bert", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)


@pytest.fixture(scope="module")
def build(steady_bert: Path) -> Callable[[], models.Model]:
    return lambda: models.load(resolve(str(steady_bert)), 2, 0)


def _part(score: Callable[[np.ndarray], float] | None = None, validation: int = 10) -> Part:
    rows = token_rows(N)
    return Part(
        rows, [len(r["input_ids"]) for r in rows], token_rows(validation, 1), padded, score or (lambda logits: 1.0)
    )


def _schedule(name: str, step: int, warm: int, steps: int) -> float:
    if step < warm:
        return step / warm
    left = (steps - step) / (steps - warm)
    return {"linear": left, "cosine": 0.5 * (1 + math.cos(math.pi * (1 - left))), "constant_with_warmup": 1.0}[name]


def _by_hand(model: models.Model, part: Part, recipe: Recipe, protocol: Protocol, steps: int) -> None:
    """Train as the textbook says: AdamW by its formula, the protocol's schedule, clipping by the global norm."""
    state = {}
    for name, p in model.net.named_parameters():
        rate = recipe.learning_rate * (recipe.head_multiplier if name in model.fresh else 1.0)
        state[name] = (p, rate, protocol.weight_decay if p.dim() > 1 else 0.0, torch.zeros_like(p), torch.zeros_like(p))
    warm = math.ceil(protocol.warmup * steps)
    model.train()
    for step, rows in enumerate(batches.row_order(part.train_lengths, protocol.batch, steps, SEEDS["order"])):
        batch = padded([part.train[row] for row in rows])
        model.zero_grad()
        logits = model.logits(**{k: v for k, v in batch.items() if k != "labels"})
        torch.nn.functional.cross_entropy(logits, batch["labels"]).backward()
        norm = torch.sqrt(sum(p.grad.detach().square().sum() for p, *_ in state.values() if p.grad is not None))
        scale = min(1.0, protocol.max_grad_norm / (norm.item() + 1e-6))
        with torch.no_grad():
            for p, rate, decay, m, v in state.values():
                if p.grad is None:
                    continue
                rate = rate * _schedule(protocol.schedule, step, warm, steps)
                gradient = p.grad * scale
                p.mul_(1 - rate * decay)
                m.mul_(0.9).add_(gradient, alpha=0.1)
                v.mul_(0.999).add_(gradient.square(), alpha=0.001)
                mean, deviation = m / (1 - 0.9 ** (step + 1)), (v / (1 - 0.999 ** (step + 1))).sqrt()
                p.sub_(rate * mean / (deviation + 1e-8))


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant_with_warmup"])
def test_full_fine_tuning_equals_a_loop_written_by_hand(build: Callable[[], models.Model], schedule: Any) -> None:
    protocol, recipe, part = _protocol(schedule=schedule), Recipe(1e-3, 5.0), _part()
    fit = training.fit(build, {"t": part}, recipe, protocol, QUIET)
    model, untouched = build(), dict(build().net.named_parameters())
    _by_hand(model, part, recipe, protocol, 5)
    trained = dict(fit.model.net.named_parameters())
    for name, value in model.net.named_parameters():
        assert torch.allclose(trained[name], value, atol=1e-5, rtol=0), name
    assert sum((trained[n] - v).abs().max().item() > 1e-4 for n, v in untouched.items()) > len(untouched) / 2


def test_the_log_says_how_many_steps_and_samples(build: Callable[[], models.Model]) -> None:
    log = training.fit(build, {"t": _part()}, Recipe(1e-3), _protocol(), QUIET).log
    assert (log["steps"], log["samples_seen"], log["effective_batch"]) == (5, 40, 8)
    assert log["effective_batch"] == log["micro_batch"] * log["accumulation"]


# -- what the optimiser is given ---------------------------------------------------------------------------------------


def _rates(model: models.Model) -> dict[str, tuple[float, float]]:
    groups = optimiser.parameter_groups(model, Recipe(1.0, 10.0), 0.1)
    names = {id(p): name for name, p in model.named_parameters()}
    return {names[id(p)]: (g["lr"], g["weight_decay"]) for g in groups for p in g["params"]}


def test_the_head_and_what_the_checkpoint_lacked_learn_faster(build: Callable[[], models.Model]) -> None:
    rates = _rates(build())
    fast = {name for name, (rate, _) in rates.items() if rate == 10.0}
    assert fast == {f"net.{part}.{kind}" for part in ("classifier", "bert.pooler.dense") for kind in ("weight", "bias")}
    assert {rate for rate, _ in rates.values()} == {1.0, 10.0}


def test_only_matrices_decay(build: Callable[[], models.Model]) -> None:
    model = build()
    for name, (_, decay) in _rates(model).items():
        assert decay == (0.1 if model.get_parameter(name).dim() > 1 else 0.0)


def test_the_same_parts_learn_faster_under_adapters(build: Callable[[], models.Model]) -> None:
    model = lora.adapt(build(), {"rank": 2, "alpha": 4, "dropout": 0.0})
    rates = _rates(model)
    assert set(rates) == {name for name, p in model.named_parameters() if p.requires_grad}
    fast = {name for name, (rate, _) in rates.items() if rate == 10.0}
    assert len(fast) == 4 and all("classifier" in name or "pooler.dense" in name for name in fast)
    assert all("lora_" in name for name in set(rates) - fast)


# -- looks at the validation split -------------------------------------------------------------------------------------


def _scores(values: list[float], seen: list[np.ndarray]) -> Callable[[np.ndarray], float]:
    """Return a score that says the given values one after the other and keeps the logits."""

    def score(logits: np.ndarray) -> float:
        seen.append(logits)
        return values[len(seen) - 1]

    return score


def test_the_best_look_is_restored(build: Callable[[], models.Model]) -> None:
    seen: list[np.ndarray] = []
    protocol = _protocol(budget=Budget(epochs=1, min_steps=6, max_steps=6), selection=Selection(looks=3))
    part = _part(_scores([0.2, 0.9, 0.4], seen))
    fit = training.fit(build, {"t": part}, Recipe(1e-2), protocol, QUIET)
    rows = part.validation
    logits = training.predict(fit.model, rows, [len(row["input_ids"]) for row in rows], part)
    assert (fit.log["best_step"], fit.log["validation"]) == (4, 0.9)
    assert np.allclose(logits, seen[1], atol=1e-5)
    assert not np.allclose(logits, seen[2], atol=1e-5)


@pytest.mark.parametrize(
    ("steps", "looks", "at"), [(6, 3, [2, 4, 6]), (7, 2, [4, 7]), (5, 3, [2, 4, 5]), (2, 4, [1, 2])]
)
def test_there_are_as_many_looks_as_asked_and_the_last_is_at_the_end(
    steps: int, looks: int, at: list[int], build: Callable[[], models.Model]
) -> None:
    protocol = _protocol(budget=Budget(epochs=1, min_steps=steps, max_steps=steps), selection=Selection(looks=looks))
    log = training.fit(build, {"t": _part()}, Recipe(1e-3), protocol, QUIET).log
    assert [entry["step"] for entry in log["curve"] if "validation" in entry] == at


def test_of_several_learning_rates_the_best_on_validation_is_kept(build: Callable[[], models.Model]) -> None:
    seen: list[np.ndarray] = []
    protocol = _protocol(selection=Selection(looks=1, learning_rates=(1.0, 3.0, 10.0)))
    part = _part(_scores([0.5, 0.8, 0.6], seen))
    fit = training.fit(build, {"t": part}, Recipe(1e-3), protocol, QUIET)
    assert fit.log["learning_rate"] == pytest.approx(3e-3)
    assert [(one["learning_rate"], one["validation"]) for one in fit.log["tried"]] == [
        (pytest.approx(1e-3), 0.5),
        (pytest.approx(3e-3), 0.8),
        (pytest.approx(1e-2), 0.6),
    ]
    rows = part.validation
    logits = training.predict(fit.model, rows, [len(row["input_ids"]) for row in rows], part)
    assert np.allclose(logits, seen[1], atol=1e-5)


def test_progress_tells_steps_and_loss(build: Callable[[], models.Model]) -> None:
    told: list[dict[str, Any]] = []
    training.fit(build, {"t": _part()}, Recipe(1e-3), _protocol(), Setting(SEEDS, "cpu", "fp32", told.append))
    assert [event["step"] for event in told] == [1, 2, 3, 4, 5]
    assert all(event["steps"] == 5 and math.isfinite(event["loss"]) for event in told)


# -- when it goes wrong ------------------------------------------------------------------------------------------------


class _Diverging(models.Model):
    """A model whose loss is no number from the third step on."""

    head = ("line",)
    fresh = frozenset()

    def __init__(self, when: int = 3) -> None:
        super().__init__()
        self.net = nn.Linear(1, 2)
        self.steps, self.when = 0, when

    def logits(self, **inputs: torch.Tensor) -> torch.Tensor:
        self.steps += self.training
        out: torch.Tensor = self.net(inputs["input_ids"][:, :1].float())
        return out * float("nan") if self.training and self.steps >= self.when else out


@pytest.mark.parametrize("when", [1, 3, 5])
def test_a_loss_that_is_no_number_is_a_suite_error(when: int) -> None:
    with pytest.raises(SuiteError, match="loss is not a finite number"):
        training.fit(lambda: _Diverging(when), {"t": _part()}, Recipe(1e-3), _protocol(), QUIET)


def test_a_learning_rate_that_diverges_loses_to_one_that_does_not() -> None:
    made = iter([_Diverging(2), _Diverging(99)])
    protocol = _protocol(selection=Selection(looks=1, learning_rates=(1.0, 2.0)))
    fit = training.fit(lambda: next(made), {"t": _part(_scores([0.9, 0.1], []))}, Recipe(1e-3), protocol, QUIET)
    assert fit.log["learning_rate"] == pytest.approx(2e-3)
    assert '"loss":null' in canonical_json(fit.log["tried"])


# -- again and again ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["full", "lora"])
def test_two_equal_runs_give_bit_equal_scores_though_the_first_left_other_random_numbers(
    strategy: str, planned: Callable[..., list[RunSpec]], tiny_bert: Path, text_task: Path, machine: Machine
) -> None:
    (spec,) = planned(tiny_bert, text_task, strategy)  # this BERT has dropout
    tables = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        (result,) = evaluation.evaluate(spec, machine, lambda event: None)
        tables.append((result.columns["scores"], result.record.training))
    assert tables[0] == tables[1]


def test_training_in_bf16_gives_float32_weights_and_scores(
    planned: Callable[..., list[RunSpec]], tiny_bert: Path, text_task: Path, machine: Machine
) -> None:
    tables = []
    for precision in ("bf16", "fp32"):
        (spec,) = planned(tiny_bert, text_task, "full", precision=precision)
        (result,) = evaluation.evaluate(spec, machine, lambda event: None)
        tables.append(np.array(result.columns["scores"]))
        assert result.record.environment["precision"] == precision
    assert np.isfinite(tables[0]).all()
    assert 0 < np.abs(tables[0] - tables[1]).max() < 0.05


@settings(max_examples=20)
@given(st.permutations(range(N)))
def test_predictions_come_in_the_order_of_the_rows(build_once: models.Model, order: list[int]) -> None:
    rows = token_rows(N)
    lengths = [len(row["input_ids"]) for row in rows]
    straight = np.asarray(training.predict(build_once, rows, lengths, _part()))
    mixed = training.predict(build_once, [rows[i] for i in order], [lengths[i] for i in order], _part())
    assert straight.dtype == np.float32
    assert np.allclose(mixed, straight[order], atol=1e-6)


@pytest.fixture(scope="module")
def build_once(build: Callable[[], models.Model]) -> models.Model:
    return build()
