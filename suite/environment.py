"""What machine and which versions a run ran on: it explains a difference, it never hides a result."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.metadata
import os
import platform
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from suite.spec import Modality, Precision, Protocol, SuiteError

LIBRARIES = (
    "transfer-suite",
    "torch",
    "transformers",
    "datasets",
    "evaluate",
    "timm",
    "peft",
    "accelerate",
    "huggingface_hub",
    "tokenizers",
    "safetensors",
    "numpy",
    "scikit-learn",
    "pyarrow",
)


COMPILE = "TRANSFER_SUITE_COMPILE"
"""The environment variable that says whether training is compiled: 0, 1 (wherever it can be) or auto (as measured)."""


@dataclass(frozen=True)
class Precisions:
    """What a machine does best, for bodies that read texts and for those that read images."""

    text: Precision = "fp32"
    image: Precision = "fp32"


@dataclass(frozen=True)
class Machine:
    """Where runs go: `cpu` or `cuda`, how many threads a run may use, and what a protocol's `auto` means there.

    `devices` is how many GPUs one run trains on; on a CPU it is so many processes, which is of use to tests alone.
    """

    device: str
    threads: int
    precision: Precisions = Precisions()
    devices: int = 1

    def precision_of(self, protocol: Protocol, modality: Modality) -> Precision:
        """Return what numbers a run of a modality under a protocol is computed in."""
        by_modality = {"text": self.precision.text, "image": self.precision.image}
        return by_modality[modality] if protocol.precision == "auto" else protocol.precision


def choose(device: str, threads: int | None, workers: int = 1, gpus: float | None = None) -> Machine:
    """Return the machine to use; `auto` takes a GPU where there is one, and `gpus` so many for each run.

    Raises:
        SuiteError: a GPU is asked for that is not there, or numbers or environment variables that make no sense.
    """
    compiling()
    cores = count_cores()
    if workers < 1 or workers > cores:
        raise SuiteError(f"--workers is {workers}; this machine has {cores} cores, so expected 1 to {cores}.")
    if threads is not None and not 1 <= threads <= cores:
        raise SuiteError(f"--threads is {threads}; this machine has {cores} cores, so expected 1 to {cores}.")
    if device not in ("auto", "cpu", "cuda"):
        raise SuiteError(f"--device is '{device}'; expected auto, cpu or cuda.")
    devices = 1 if gpus is None else _count_devices(gpus, device, workers)
    if device != "cpu":
        device = _accelerator(asked=device == "cuda")
    return Machine(device, threads or max(1, cores // workers), devices=devices)


def _count_devices(gpus: float, device: str, workers: int) -> int:
    """Return how many GPUs a run trains on, if this machine has them.

    Raises:
        SuiteError: it has not, or the words contradict each other.
    """
    asked = f"--gpus-per-run is {gpus:g}"
    if gpus < 1 or not float(gpus).is_integer():
        raise SuiteError(f"{asked}; expected a whole number. A part of a GPU goes with --engine ray.")
    if device == "cpu":
        raise SuiteError(f"{asked}, but --device is cpu; leave one of them out.")
    if workers > 1:
        raise SuiteError(f"{asked} and --workers {workers}; more than one run at a time goes with --engine ray.")
    import torch

    there = torch.cuda.device_count()
    if there < gpus:
        raise SuiteError(f"{asked}, but torch sees {there or 'no'} GPU{'s' if there > 1 else ''} here.")
    return int(gpus)


def compiling() -> str:
    """Return what the environment variable says of compiling: 0, 1 or auto.

    Raises:
        SuiteError: it says something else.
    """
    word = os.environ.get(COMPILE) or "auto"
    if word not in ("0", "1", "auto"):
        raise SuiteError(f"{COMPILE} is '{word}'; expected 0, 1 or auto.")
    return word


def count_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _accelerator(asked: bool) -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if asked:
        raise SuiteError("--device is cuda, but torch sees no GPU here; use --device cpu or auto.")
    return "cpu"


def describe(machine: Machine, precision: str) -> dict[str, JsonValue]:
    """Return what a record says of the machine and the versions."""
    return {
        "device": machine.device,
        "device_name": device_name(machine.device),
        "devices": machine.devices,
        "precision": precision,
        "threads": machine.threads,
        "platform": platform.platform(),
        "python": platform.python_version(),
        "libraries": dict(versions()),
        "code_commit": code_commit(),
    }


@functools.cache
def device_name(device: str) -> str:
    """Return the name of the GPU, or of the processor as the system gives it."""
    if device == "cpu":
        return platform.processor() or platform.machine()
    import torch

    return torch.cuda.get_device_name()


@functools.cache
def hardware(device: str) -> str:
    """Return the GPU, or the processor with the instructions that torch uses of it: others may round otherwise."""
    if device != "cpu":
        return device_name(device)
    import torch

    return f"{processor()}, {torch.backends.cpu.get_cpu_capability()}"


@functools.cache
def processor() -> str:
    """Return the processor's name and make, which `device_name` may leave at its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@functools.cache
def versions() -> dict[str, str]:
    """Return the installed versions of the libraries that numbers depend on."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@functools.cache
def code_commit() -> str | None:
    """Return the commit of the checkout that the package is run from, None outside one."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def watch_memory() -> None:
    """Let `peak_memory` tell what is held from now on, where the system can; else it tells of the whole process.

    What was freed before goes back to the system first: glibc would keep hundreds of megabytes of it.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
    with contextlib.suppress(OSError):  # other systems, or one that does not let it
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory() -> int:
    """Return the most memory this process has held since `watch_memory`, in bytes."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
