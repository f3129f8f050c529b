"""Products with weights for decoding: x W^T, with what comes right before or after it in one call.

On a CPU the weights are reordered once for oneDNN. Its products were measured beside those of torch's `linear` (MKL, AMD
EPYC with AVX-512): for one row of 512 by a matrix of 512 x 16384 1.4 against 2.9 ms, and a row gives the same bits alone as
among 2 to 300 rows, which `linear` does not; so a text does not depend on what is generated beside it.
"""

from typing import Any

import torch
from torch.nn import functional as F

ONEDNN: Any = torch.ops.mkldnn


class Product:
    """A matrix (outputs, inputs) and perhaps a bias (outputs,), for x (rows, inputs)."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None, dtype: torch.dtype = torch.float32):
        weight = weight.detach().to(dtype)
        self.reordered = (weight.device.type == "cpu" and dtype == torch.float32 and torch.backends.mkldnn.is_available())
        self.weight = ONEDNN._reorder_linear_weight(weight) if self.reordered else weight
        self.bias = None if bias is None else bias.detach().to(dtype)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """The product x W^T + b."""
        if self.reordered:
            return ONEDNN._linear_pointwise(x, self.weight, self.bias, "none", [], "")
        return F.linear(x, self.weight, self.bias)

    def plus(self, x: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        """The product added to the residual stream."""
        if self.reordered:
            return ONEDNN._linear_pointwise.binary(x, residual, self.weight, self.bias, "add")
        return residual + F.linear(x, self.weight, self.bias)

    def times(self, x: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
        """The product times a gate (rows, outputs)."""
        if self.reordered:
            return ONEDNN._linear_pointwise.binary(x, gate, self.weight, self.bias, "mul")
        return gate * F.linear(x, self.weight, self.bias)

    def silu(self, x: torch.Tensor) -> torch.Tensor:
        """SiLU of the product."""
        if self.reordered:
            return ONEDNN._linear_pointwise(x, self.weight, self.bias, "swish", [], "")
        return F.silu(F.linear(x, self.weight, self.bias))

    def gelu(self, x: torch.Tensor) -> torch.Tensor:
        """GELU of the product, by its tanh form."""
        if self.reordered:
            return ONEDNN._linear_pointwise(x, self.weight, self.bias, "gelu", [], "tanh")
        return F.gelu(F.linear(x, self.weight, self.bias), approximate="tanh")
