"""The device to compute on, and the precision that is fast there."""

import torch

from textmill.model import ModelError


def choose_device(name: str, number: int = 0) -> torch.device:
    """The device called `name`; for "auto" cuda, then mps, then cpu, whichever is there first. `number`: of the card."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind in available if available[kind])
    if not available.get(name):
        raise ModelError(f"there is no {name} device here; use --device auto")
    return torch.device(name, number) if number and name == "cuda" else torch.device(name)


def precision_of(device: torch.device) -> torch.dtype:
    """bfloat16 where it is faster: on CUDA, and on CPUs with AVX-512 (measured 1.2 to 6 times); else float32."""
    fast = device.type == "cuda" or (device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX512")
    return torch.bfloat16 if fast else torch.float32


def autocast(device: torch.device, precision: torch.dtype) -> torch.autocast:
    """Products on `device` in this precision; nothing is changed for float32."""
    return torch.autocast(device.type, precision, enabled=precision != torch.float32)


def working_type(x: torch.Tensor) -> torch.dtype:
    """The type that products with `x` are computed in: autocast's where that is on, else its own."""
    return torch.get_autocast_dtype(x.device.type) if torch.is_autocast_enabled(x.device.type) else x.dtype
