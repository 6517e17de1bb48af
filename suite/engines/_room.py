"""What a cluster has room for: arithmetic on its nodes' resources, without a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from suite.spec import SuiteError

Node = Mapping[str, float]
"""All of a node's resources, taken ones too: `CPU`, `GPU`."""


@dataclass(frozen=True)
class Share:
    """What one run takes of its node: threads, and whole GPUs or a fraction of one."""

    threads: int
    gpus: float = 0.0

    @property
    def words(self) -> str:
        """The share as a sentence names it."""
        gpus = f" and {self.gpus:g} GPU{'s' if self.gpus > 1 else ''}" if self.gpus else ""
        return f"{self.threads} CPU{'s' if self.threads > 1 else ''}{gpus}"

    def times(self, nodes: Iterable[Node]) -> int:
        """Return how many runs at once the nodes have room for."""
        return sum(self._on(node) for node in nodes)

    def _on(self, node: Node) -> int:
        by_cpu = int(node.get("CPU", 0) // self.threads)
        if not self.gpus:
            return by_cpu
        there = int(node.get("GPU", 0))
        if self.gpus >= 1:
            return min(by_cpu, there // int(self.gpus))
        return min(by_cpu, there * int(1 / self.gpus + 1e-9))  # a fraction never lies across two


def gpus_of(device: str, asked: float | None, nodes: Sequence[Node]) -> float:
    """Return how much of a GPU a run gets: what is asked, else one where the device means a GPU, else none.

    Raises:
        SuiteError: the words contradict each other, or the cluster has no GPU.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise SuiteError(f"--device is '{device}'; expected auto, cpu or cuda.")
    if asked is not None and not (0 < asked < 1 or (asked >= 1 and float(asked).is_integer())):
        raise SuiteError(f"--gpus-per-run is {asked:g}; a run uses a part of one GPU, below 1, or a whole number.")
    if asked is not None and device == "cpu":
        raise SuiteError(f"--gpus-per-run is {asked:g}, but --device is cpu; leave one of them out.")
    there = sum(node.get("GPU", 0) for node in nodes)
    if (device == "cuda" or asked is not None) and not there:
        word = "--device is cuda" if asked is None else f"--gpus-per-run is {asked:g}"
        raise SuiteError(f"{word}, but no node of the cluster has a GPU; use --device cpu.")
    if asked is not None:
        return asked
    return 1.0 if there and device != "cpu" else 0.0


def share(threads: int | None, gpus: float, workers: int, nodes: Sequence[Node]) -> Share:
    """Return what each of `workers` runs at once takes; without `threads` as many of them as there is room for.

    Raises:
        SuiteError: the cluster has not what is asked, whatever runs on it.
    """
    most = int(max((node.get("CPU", 0) for node in nodes), default=0))
    if threads is not None and not 1 <= threads <= max(1, most):  # a cluster without CPUs is told of below
        raise SuiteError(f"--threads is {threads}; the largest node of the cluster has {most} CPUs.")
    choices = [threads] if threads is not None else range(max(1, most), 0, -1)
    if workers >= 1:
        for one in (Share(count, gpus) for count in choices):
            if one.times(nodes) >= workers:
                return one
    least = Share(threads or 1, gpus)
    room = least.times(nodes)
    if not room:
        raise SuiteError(f"No node of the cluster has room for a run of {least.words}.")
    runs = f"{room} run{'s' if room > 1 else ''} at once of {least.words} each"
    raise SuiteError(f"--workers is {workers}; the cluster has room for {runs}, so expected 1 to {room}.")
