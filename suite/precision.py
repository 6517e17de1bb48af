"""What `precision: auto` means on a machine: measured once, and kept in the cache.

Two small bodies, one of a transformer's layers and one of convolutions, take steps forward and backward in fp32 and
in bf16 autocast in turn, and read without learning. bf16 is what the machine does well for a modality if both are
clearly faster. A processor without instructions for bf16 is slower with it, and one with them may help texts and not
pictures.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite import files
from suite.environment import Machine, Precisions, device_name, processor, versions
from suite.resources import cache_folder
from suite.spec import Modality, Precision, SuiteError, canonical_json

if TYPE_CHECKING:
    import torch
    from torch import nn

CLEARLY = 1.15
"""bf16 is chosen where it is at least so many times faster than fp32."""

WARM_UP = 2
"""Pairs that are not counted: the first passes choose their kernels, and bf16 looks slower in them than it is."""

PAIRS = (3, 9)
"""So many pairs are counted: at least, and at most."""

SECONDS = 0.4
"""No further pair is begun after this time, for each of the four measurements."""

PINNED = "TRANSFER_SUITE_PRECISION"
"""The environment variable that says what `auto` means, `fp32` or `bf16`, in place of a measurement."""


@dataclass(frozen=True)
class Gain:
    """How many times faster bf16 is than fp32: in steps of training, and in reading alone."""

    training: float
    reading: float

    @property
    def precision(self) -> Precision:
        """What is done well."""
        return "bf16" if min(self.training, self.reading) >= CLEARLY else "fp32"


def measured(machine: Machine) -> Precisions:
    """Return what a machine does well for texts and for images; it is measured if the cache does not know.

    Raises:
        SuiteError: the environment variable names no precision.
    """
    if pinned := os.environ.get(PINNED):
        if pinned not in ("fp32", "bf16"):
            raise SuiteError(f"{PINNED} is '{pinned}'; expected fp32 or bf16.")
        return Precisions(pinned, pinned)  # type: ignore[arg-type]  # it is one of the two
    about = _about(machine)
    gains = _kept().get(about)
    if gains is None:
        gains = {modality: measure(machine, modality) for modality in ("text", "image")}
        _keep(about, gains)
    return Precisions(gains["text"].precision, gains["image"].precision)


def _about(machine: Machine) -> str:
    """Return what a measurement holds for, as text."""
    name = device_name(machine.device)
    if machine.device == "cpu":
        import torch

        name = f"{processor()}, {torch.backends.cpu.get_cpu_capability()}"
    return f"{machine.device}: {name}; torch {versions().get('torch')}"


# -- measuring ---------------------------------------------------------------------------------------------------------


def measure(machine: Machine, modality: Modality) -> Gain:
    """Return how many times faster bf16 is than fp32 on a machine for bodies that read a modality.

    Each is the median over pairs taken in turn, after some that only warm up. On a CPU the process's own time on one
    thread counts: what else the machine does has little say, while several threads would wait for each other.
    """
    import torch

    before, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(1)
    try:
        net, batch = (_text if modality == "text" else _image)(machine.device == "cuda")
        net, batch = net.to(machine.device), batch.to(machine.device)
        return Gain(*(_gain(lambda narrow, do=do: do(net, batch, narrow), machine.device) for do in (_step, _read)))  # type: ignore[misc]
    finally:
        torch.set_num_threads(before)
        torch.set_rng_state(state)


def _text(large: bool) -> tuple[nn.Module, torch.Tensor]:
    """Return a transformer's layer and a batch of 16 rows of 32 tokens, on a GPU of what keeps one busy."""
    import torch
    from torch import nn

    width, layers, rows, tokens = (768, 2, 64, 128) if large else (256, 1, 16, 32)
    layer = nn.TransformerEncoderLayer(width, width // 64, 4 * width, 0.0, "gelu", batch_first=True)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False), torch.randn(rows, tokens, width)


def _image(large: bool) -> tuple[nn.Module, torch.Tensor]:
    """Return three blocks of convolutions and a batch of 8 images of 32 x 32 pixels, on a GPU of larger ones."""
    import torch
    from torch import nn

    width, rows, side = (64, 64, 128) if large else (32, 8, 32)

    def block(into: int, out: int, stride: int) -> list[nn.Module]:
        return [nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]

    shapes = ((3, width, 1), (width, width, 1), (width, 2 * width, 2), (2 * width, 4 * width, 2))
    return nn.Sequential(*(part for shape in shapes for part in block(*shape))), torch.randn(rows, 3, side, side)


def _step(net: nn.Module, batch: torch.Tensor, narrow: bool) -> None:
    import torch

    net.train()
    net.zero_grad(set_to_none=True)
    with torch.autocast(batch.device.type, dtype=torch.bfloat16, enabled=narrow):
        loss = net(batch).float().square().mean()
    loss.backward()


def _read(net: nn.Module, batch: torch.Tensor, narrow: bool) -> None:
    import torch

    net.eval()
    with torch.inference_mode(), torch.autocast(batch.device.type, dtype=torch.bfloat16, enabled=narrow):
        for _ in range(3):  # one pass is short beside the clock
            net(batch)


def _gain(do: Callable[[bool], None], device: str) -> float:
    """Return how many times faster `do(True)` is than `do(False)`, the median over pairs."""
    for _ in range(WARM_UP):
        do(False)
        do(True)
    started, (least, most) = time.perf_counter(), PAIRS
    found: list[float] = []
    while len(found) < least or (len(found) < most and time.perf_counter() - started < SECONDS):
        wide, narrow = _seconds(do, False, device), _seconds(do, True, device)
        found.append(wide / narrow)
    return round(statistics.median(found), 3)


def _seconds(do: Callable[[bool], None], narrow: bool, device: str) -> float:
    clock = time.process_time if device == "cpu" else time.perf_counter
    _wait(device)
    started = clock()
    do(narrow)
    _wait(device)
    return max(clock() - started, 1e-9)


def _wait(device: str) -> None:
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


# -- keeping -----------------------------------------------------------------------------------------------------------


def _path() -> Path:
    return cache_folder() / "precision.json"


def _kept() -> dict[str, dict[str, Gain]]:
    """Return what was measured before; a file or an entry that says something else counts as none."""
    try:
        said = json.loads(_path().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    found = dict(_entries(said)) if isinstance(said, dict) else {}
    return {about: gains for about, gains in found.items() if {"text", "image"} <= gains.keys()}


def _entries(said: dict[str, Any]) -> Iterator[tuple[str, dict[str, Gain]]]:
    for about, gains in said.items():
        with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError):
            yield about, {m: Gain(float(one["training"]), float(one["reading"])) for m, one in gains.items()}


def _keep(about: str, gains: dict[str, Gain]) -> None:
    """Add a measurement to the file, whole or not at all; where that cannot be written it is made again."""
    said = {name: {m: vars(gain) for m, gain in one.items()} for name, one in {**_kept(), about: gains}.items()}
    with contextlib.suppress(OSError):
        files.write(_path(), canonical_json(said).encode())
