"""Compilation of a model for training, tried before the first update.

The graph holds embedding, layers with their attention, and loss; it takes tokens, targets and the documents' layout, so it is
made once for all batches. Where there is no compiler, or what it made fails or differs, training goes on without.
"""

import time

import torch
from torch import nn

from textmill.base.errors import first_line
from textmill.model.architecture.attention import Masking
from textmill.model.architecture.decoder import Decoder
from textmill.model.architecture.kernels import Kernel
from textmill.model.data.batch import Batch
from textmill.model.device import autocast
from textmill.model.training.loop import Loss, next_token_loss

CLOSE = {"loss": 0.01, "gradient": 0.05}        # relative differences that rounding in bfloat16 explains


def compile_model(model: Decoder, masking: Masking, batch: Batch, precision: torch.dtype, wanted: bool | None) -> str:
    """Compile `model` in place for batches of this shape, on its device, where that is CUDA or `wanted`.

    What became of it in words; empty where nothing was asked for.
    """
    device = model.device
    if wanted is False or (wanted is None and device.type != "cuda"):
        return ""
    if not model.ONE_GRAPH:
        return "not compiled: what its experts get differs from batch to batch"
    if not isinstance(masking, Kernel):
        return "not compiled: attention is a loop over documents"
    begin, loss = time.monotonic(), next_token_loss(masking)
    expected = trial(model, loss, batch, precision)
    try:
        model.compile(fullgraph=True, dynamic=False)
        problem = ""
        for name, found, right in zip(("loss", "gradient"), trial(model, loss, batch, precision), expected, strict=True):
            if abs(found - right) > CLOSE[name] * abs(right):
                problem = f"its {name} would be {found:.4g}, uncompiled {right:.4g}"
    except Exception as error:          # no compiler, no Triton, a bug of a release: the same model runs without
        problem = first_line(error)
    if problem:
        model._compiled_call_impl = None        # what nn.Module.compile sets
        return f"not compiled ({problem})"
    return f"compiled in {time.monotonic() - begin:.0f} s"


def trial(model: Decoder, loss: Loss[Decoder, Batch], batch: Batch, precision: torch.dtype) -> tuple[float, float]:
    """The loss of a batch and the norm of its gradient, of which nothing is left."""
    device = model.device
    model.zero_grad(set_to_none=True)
    with autocast(device, precision):
        total = loss(model, batch.to(device))
    total.backward()
    norm = nn.utils.get_total_norm([weight.grad for weight in model.parameters() if weight.grad is not None])
    model.zero_grad(set_to_none=True)
    return float(total.detach()), float(norm)
