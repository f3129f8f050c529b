"""Matrix products in 8-bit floats for training: of the layers' projections, forward and backward, each tensor scaled to fit.

Micikevicius et al. 2022: activations and weights as e4m3, gradients as e5m2, sums in float32; each tensor is divided by its own
largest magnitude at the time ("dynamic, tensorwise"). Weights stay in float32 for the optimizer. Hopper cards compute these
products at twice the rate of bfloat16; casting costs, so that it pays for widths from about 1,500 on.
"""

from typing import Any

import torch
from torch import nn

from textmill.model import ModelError
from textmill.model.architecture.decoder import Decoder

FORWARD, BACKWARD = torch.float8_e4m3fn, torch.float8_e5m2
MULTIPLE = 16           # of rows and columns, for the cards' products


class Float8Linear(nn.Linear):
    """A projection whose products are in 8 bits in training; elsewhere it is a plain one."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not torch.is_grad_enabled():
            return super().forward(x)
        output = product(x, self.weight)
        return output if self.bias is None else output + self.bias.to(output.dtype)


def use_float8(model: Decoder) -> None:
    """Make the projections inside the layers 8-bit ones. ModelError where card or sizes do not allow it."""
    if model.device.type == "cuda" and torch.cuda.get_device_capability(model.device) < (8, 9):
        raise ModelError("float8: this card has no 8-bit products; set it to false")
    for layer in model.decoder_layers:
        for name, module in layer.named_modules():
            if type(module) is nn.Linear:
                if any(size % MULTIPLE for size in module.weight.shape):
                    raise ModelError(f"float8: {name} is {tuple(module.weight.shape)}, and sizes have to be multiples of "
                                     f"{MULTIPLE}; take another shape, or set it to false")
                module.__class__ = Float8Linear         # the same weights under the same names


def product(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """X (…, width) times the transpose of weight (columns, width), bfloat16 (…, columns)."""
    result: torch.Tensor = Float8Product.apply(x.flatten(0, -2), weight)
    return result.view(*x.shape[:-1], len(weight))


class Float8Product(torch.autograd.Function):
    """The product, and both of its gradients, in 8 bits."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        small, large = cast(x, FORWARD), cast(weight, FORWARD)
        context.save_for_backward(*small, *large)
        context.types = x.dtype, weight.dtype
        return times(small, large)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, x_scale, weight, weight_scale = context.saved_tensors
        gradient, scale = cast(gradients[0], BACKWARD)
        to_x = times((gradient, scale), (weight.T.contiguous(), weight_scale))
        to_weight = times((gradient.T.contiguous(), scale), (x.T.contiguous(), x_scale))
        return to_x.to(context.types[0]), to_weight.to(context.types[1])


def cast(x: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """X in 8 bits, and the factor that gives it back, float32."""
    largest = torch.finfo(dtype).max
    scale = x.abs().amax().float().clamp(min=1e-12) / largest
    return (x.float() / scale).clamp(-largest, largest).to(dtype), scale


def times(first: tuple[torch.Tensor, torch.Tensor], second: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """First (rows, width) times the transpose of second (columns, width), bfloat16."""
    (a, a_scale), (b, b_scale) = first, second
    return torch._scaled_mm(a, b.T, scale_a=a_scale, scale_b=b_scale, out_dtype=torch.bfloat16)

