"""A Llama-shaped layer on random weights: what one token of an answer takes of a device."""

from __future__ import annotations

import math
from typing import Any

from msgspec import Struct

from policy_engine.probe.device import Bench

CONTEXT_TOKENS, HEAD = 512, 64


class Shape(Struct, frozen=True):
    """Sizes of a layer: grouped-query attention with four query heads to each cached one, and a gated MLP."""

    hidden: int
    inner: int
    kv_heads: int

    @property
    def heads(self) -> int:
        return self.hidden // HEAD

    @property
    def bytes(self) -> int:
        """What is read for one token, in bf16: weights, and keys and values of the context."""
        qkv = (self.hidden + 2 * self.kv_heads * HEAD) * self.hidden
        weights = qkv + self.hidden * self.hidden + 3 * self.inner * self.hidden
        return 2 * (weights + 2 * self.kv_heads * CONTEXT_TOKENS * HEAD)

    def halved(self) -> Shape:
        return Shape(self.hidden // 2, self.inner // 2, max(self.kv_heads // 2, 1))


#: Of a model of one billion parameters, and of eight.
SMALL, LARGE = Shape(2048, 8192, 8), Shape(4096, 14336, 16)


class Layer:
    """Weights and cache of one layer on the device."""

    def __init__(self, bench: Bench, shape: Shape, tile: Any) -> None:
        self._functions, self._shape = bench.torch.nn.functional, shape
        h, kv, dtype = shape.hidden, shape.kv_heads, bench.torch.bfloat16
        scale = 0.5 / math.sqrt(h)
        self._qkv = bench.random((h + 2 * kv * HEAD, h), dtype, tile, scale)
        self._out = bench.random((h, h), dtype, tile, scale)
        self._up = bench.random((2 * shape.inner, h), dtype, tile, scale)
        self._down = bench.random((h, shape.inner), dtype, tile, scale)
        self._keys = bench.random((1, kv, CONTEXT_TOKENS, HEAD), dtype, tile)
        self._values = bench.random((1, kv, CONTEXT_TOKENS, HEAD), dtype, tile)

    def __call__(self, x: Any) -> Any:
        """Return what the layer makes of one token (1 x hidden)."""
        f, shape = self._functions, self._shape
        h, kv = shape.hidden, shape.kv_heads
        y = f.rms_norm(x, (h,))
        q, k, v = f.linear(y, self._qkv).split([h, kv * HEAD, kv * HEAD], -1)
        self._keys[:, :, -1] = k.view(1, kv, HEAD)
        self._values[:, :, -1] = v.view(1, kv, HEAD)
        query = q.view(1, shape.heads, 1, HEAD)
        attended = f.scaled_dot_product_attention(query, self._keys, self._values, enable_gqa=True)
        x = x + f.linear(attended.reshape(1, h), self._out)
        gate, up = f.linear(f.rms_norm(x, (h,)), self._up).chunk(2, -1)
        return x + f.linear(f.silu(gate) * up, self._down)
