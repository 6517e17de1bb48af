"""The learning rates of a fit, one after the other: which is the best, in which precision, how far it has come."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from suite import environment
from suite.models import Model
from suite.optimiser import Recipe
from suite.spec import Protocol, canonical_json, digest
from suite.training import _pace
from suite.training._attempts import CompiledError, Request, fit_in_memory, narrow
from suite.training._checkpoints import Checkpoints, Found, State
from suite.training._parts import Fit, Part, Setting
from suite.training._watch import fill, write_moving

_WINNER = "winner.safetensors"


class Rates:
    """Tries every learning rate of a protocol; goes on from a checkpoint if there is one."""

    def __init__(
        self,
        build: Callable[[], Model],
        parts: Mapping[str, Part],
        recipe: Recipe,
        protocol: Protocol,
        setting: Setting,
    ) -> None:
        checkpoints = Checkpoints(setting, lambda: _identity(parts, recipe, protocol, setting))
        self._found = checkpoints.find()
        self._state = self._found.state if self._found else State(setting.precision, protocol.batch)
        self._recipe = recipe
        self._request = Request(build, parts, protocol, replace(setting, precision=self._state.precision), checkpoints)
        self._best = self._restored(self._found) if self._found else None

    def try_all(self) -> Fit | None:
        """Return the fit of the best learning rate, None if the loss of each was no number."""
        state, checkpoints = self._state, self._request.checkpoints
        multiples = self._request.protocol.selection.learning_rates
        while state.place < len(multiples):
            if (failure := self._try(multiples[state.place])) is not None:
                self._go_uncompiled(failure)
                continue
            if checkpoints.due() if state.place < len(multiples) else checkpoints.due_at_end():
                checkpoints.save(state, self._keep)
        if self._best is None:
            return None
        said: dict[str, Any] = {"tried": state.tried, "retries": state.retries, "precision": state.precision}
        said |= {"compiled": bool(state.compiled)}
        unsaved = {"unsaved": checkpoints.trouble} if checkpoints.trouble else {}
        return Fit(self._best.model, self._best.log | said | unsaved)

    def fall_back(self) -> bool:
        """Take fp32, not compiled, where it was otherwise so far; return False if it was that already."""
        state = self._state
        if state.precision == "fp32" and not state.compiled:
            return False
        retry = {"what": "loss", "step": state.diverged_at, "precision": state.precision, "then": "fp32"}
        state.retries.append(retry | ({"compiled": True} if state.compiled else {}))
        self._begin_anew()
        state.precision = "fp32"
        self._request = replace(self._request, setting=replace(self._request.setting, precision="fp32"))
        return True

    def _go_uncompiled(self, why: str) -> None:
        """Begin anew without compiling: all learning rates are tried by the same code."""
        _pace.rule_out(self._request, self._recipe, why)
        self._state.retries.append({"what": "compiling", "reason": why})
        self._request.setting.progress({"note": f"Compiled, a training failed ({why}); it is trained as it is."})
        self._begin_anew()

    def _begin_anew(self) -> None:
        state = self._state
        state.place, state.tried, state.diverged_at, state.best, state.compiled = 0, [], None, None, False
        self._best = None
        _pace.free(self._request.setting.device)

    def _try(self, multiple: float) -> str | None:
        """Train by a learning rate; return why that failed, if it may be because its steps were compiled."""
        state, found = self._state, self._found
        self._found = None
        scaled = replace(self._recipe, learning_rate=self._recipe.learning_rate * multiple)
        try:
            one = fit_in_memory(self._request, scaled, state, self._keep, found if found and found.trainer else None)
        except CompiledError as error:
            return str(error)
        told = {k: one.log[k] for k in ("learning_rate", "validation", "loss")}
        state.tried.append({k: v if math.isfinite(v) else None for k, v in told.items()})
        state.place += 1
        diverged_at = one.log.pop("diverged_at")
        if diverged_at is not None:
            state.diverged_at = state.diverged_at or diverged_at
        elif self._best is None or one.log["validation"] > self._best.log["validation"]:
            self._best, state.best = one, one.log
        return None

    def _keep(self, folder: Path) -> None:
        """Write the best learning rate's weights into a checkpoint."""
        if self._best is not None:
            write_moving(self._best.model, folder / _WINNER)

    def _restored(self, found: Found) -> Fit | None:
        """Return the best fit that a checkpoint holds."""
        if found.state.best is None:
            return None
        setting = self._request.setting
        model = self._request.build().to(torch.device(setting.device))
        if found.state.precision == "bf16":
            narrow(model, setting.device)
        fill(model, load_file(found.folder / _WINNER))
        return Fit(model, found.state.best)


def _identity(parts: Mapping[str, Part], recipe: Recipe, protocol: Protocol, setting: Setting) -> str:
    """Return a digest of all that the numbers of a training depend on, this code and this machine included."""
    rows = {task: [len(part.validation), *part.train_lengths] for task, part in parts.items()}
    said = {
        "run": setting.run,
        "recipe": asdict(recipe),
        "protocol": protocol.model_dump(mode="json"),
        "seeds": dict(setting.seeds),
        "mixture": setting.mixture.model_dump(mode="json"),
        "precision": setting.precision,
        "device": setting.device,
        "compiling": environment.compiling(),
        "threads": torch.get_num_threads(),
        "versions": environment.versions(),
        "code": environment.code_commit(),
        "rows": rows,
    }
    return digest(canonical_json(said).encode())
