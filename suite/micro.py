"""A batch in pieces that fit into memory, with the numbers of the whole.

Every piece is padded like the whole batch, its loss counts by its rows, and its dropout is its own rows'
part of the noise that the whole batch would have drawn. So what comes out depends on the size of the
pieces by rounding alone. One exception is left: fused attention on a GPU draws its noise inside the
kernel, and there the pieces have noise of their own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True)
class Piece:
    """Some rows of a batch: their inputs, how many of the batch's rows they are, and the noise they get."""

    inputs: dict[str, Any]
    start: int
    count: int
    rows: int
    device: torch.device
    before: torch.Tensor

    @property
    def share(self) -> float:
        """The share of the batch's rows."""
        return self.count / self.rows

    @contextlib.contextmanager
    def noise(self) -> Iterator[None]:
        """Draw dropout as the whole batch would; the last piece leaves the generator where the whole leaves it."""
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(self.before, self.device)
        else:
            torch.set_rng_state(self.before)
        with _NoiseOfWhole(self.rows, self.start, self.count):
            yield


def pieces(inputs: Mapping[str, Any], size: int, device: torch.device, place: int = 0, places: int = 1) -> list[Piece]:
    """Return a batch in pieces of at most `size` rows, to be run on a device one after the other.

    Of several places that share the batch it is those of one: the rows are cut into `places` stretches, as equal
    as can be.
    """
    rows = rows_of(inputs)
    first, end = (rows * one // places for one in (place, place + 1))
    before = torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()

    def part(start: int) -> dict[str, Any]:
        stop = min(start + size, end)
        return {k: v[start:stop] if isinstance(v, torch.Tensor) else v for k, v in inputs.items()}

    return [Piece(part(at), at, min(size, end - at), rows, device, before) for at in range(first, end, size)]


def rows_of(inputs: Mapping[str, Any]) -> int:
    """Return how many rows a batch has."""
    return next(len(value) for value in inputs.values() if isinstance(value, torch.Tensor))


class _NoiseOfWhole(TorchFunctionMode):
    """Dropout draws for the whole batch and uses the part of the rows at hand."""

    def __init__(self, rows: int, start: int, count: int) -> None:
        super().__init__()
        self._rows, self._start, self._count = rows, start, count

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        named = named or {}
        if function is functional.dropout:
            return self._dropout(*arguments, **named)
        if function is functional.scaled_dot_product_attention and named.get("dropout_p", 0.0) > 0:
            return self._attention(*arguments, **named)
        return function(*arguments, **named)

    def _dropout(self, x: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:
        if not training or p == 0 or x.shape[0] % self._count:
            return functional.dropout(x, p, training, inplace)
        return x * self._noise(x, p)

    def _noise(self, x: torch.Tensor, p: float) -> torch.Tensor:
        """Return this piece's part of what dropout multiplies the whole batch's x by."""
        each = x.shape[0] // self._count  # rows of x a row of the batch: choices, for one
        whole = torch.ones((self._rows * each, *x.shape[1:]), dtype=x.dtype, device=x.device)
        noise = functional.dropout(whole, p, True)
        return noise[self._start * each : (self._start + self._count) * each]

    def _attention(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        **named: Any,
    ) -> torch.Tensor:
        """Return softmax(q k^T * scale + mask) v with dropout on the weights (PyTorch's own reference code)."""
        if is_causal or query.shape[0] % self._count or query.is_cuda:
            return functional.scaled_dot_product_attention(
                query, key, value, attn_mask, dropout_p, is_causal, scale=scale, **named
            )
        weights = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
        if attn_mask is not None:
            weights = (
                weights.masked_fill(~attn_mask, -torch.inf) if attn_mask.dtype == torch.bool else weights + attn_mask
            )
        weights = weights.softmax(-1)
        return (weights * self._noise(weights, dropout_p)) @ value
