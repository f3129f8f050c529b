"""RMSNorm, and rotary positions over normed heads: computed in float32, given in the type they got.

On a CPU each is one step of autograd, as torch has no fused kernel of these there: op by op, autograd keeps and casts every
intermediate, which took a third of an update. Elsewhere they are plain operations, which a compiler makes one of.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F


class RMSNorm(nn.RMSNorm):
    """Zhang and Sennrich 2019."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.device.type != "cpu" or torch.compiler.is_compiling():
            return F.rms_norm(x.float(), self.normalized_shape, self.weight, self.eps).to(x.dtype)
        result: torch.Tensor = Norm.apply(x, self.weight, self.eps)
        return result


def rotary_norm(x: torch.Tensor, weight: torch.Tensor, positions: torch.Tensor, eps: float | None) -> torch.Tensor:
    """Heads (rows, length, heads, width) normed, weighed by (heads, width) and turned by positions (2, length, 1, width)."""
    if x.device.type == "cpu" and not torch.compiler.is_compiling():
        result: torch.Tensor = RotaryNorm.apply(x, weight, positions, eps)
        return result
    first, second = (F.rms_norm(x.float(), x.shape[-1:], None, eps) * weight).chunk(2, dim=-1)
    cosines, sines = positions[..., :x.shape[-1] // 2]
    return torch.cat([first * cosines - second * sines, second * cosines + first * sines], dim=-1).to(x.dtype)


class Norm(torch.autograd.Function):
    """x (…, width) over its root mean square, times weight (width,) or (heads, width)."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
        scaled, scale = _scaled(x, eps)
        context.save_for_backward(x, weight, scale)
        return scaled.mul_(weight).to(x.dtype)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, scale = context.saved_tensors
        return *_norm_backward(gradients[0].float(), x, weight, scale), None


class RotaryNorm(torch.autograd.Function):
    """`rotary_norm` on a CPU."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor, weight: torch.Tensor, positions: torch.Tensor, eps: float) -> torch.Tensor:
        scaled, scale = _scaled(x, eps)
        context.save_for_backward(x, weight, scale, positions)
        return turn(scaled.mul_(weight), positions, 1).to(x.dtype)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, scale, positions = context.saved_tensors
        return *_norm_backward(turn(gradients[0].float(), positions, -1), x, weight, scale), None, None


def _scaled(x: torch.Tensor, eps: float) -> tuple[torch.Tensor, torch.Tensor]:
    scale = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
    scale = scale.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
    return x.float() * scale, scale


def _norm_backward(gradient: torch.Tensor, x: torch.Tensor, weight: torch.Tensor,
                   scale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients of x and of weight, given that of the result in float32."""
    scaled = x.float() * scale
    product = gradient * scaled
    to_weight = product.flatten(0, -1 - weight.dim()).sum(0)
    mean = product.mul_(weight).mean(-1, keepdim=True)
    to_x = (gradient * weight).sub_(scaled.mul_(mean)).mul_(scale)
    return to_x.to(x.dtype), to_weight.to(weight.dtype)


def turn(x: torch.Tensor, positions: torch.Tensor, direction: int) -> torch.Tensor:
    """Rotary positions: each pair (n, n + width / 2) turned by its angle, forward (1) or back (-1)."""
    half = x.shape[-1] // 2
    cosines, sines = positions[0, ..., :half], positions[1, ..., :half]
    result = torch.empty_like(x)
    first, second = x[..., :half], x[..., half:]
    torch.mul(first, cosines, out=result[..., :half]).addcmul_(second, sines, value=-direction)
    torch.mul(second, cosines, out=result[..., half:]).addcmul_(first, sines, value=direction)
    return result
