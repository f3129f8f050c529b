"""Training by several processes, one for each card, as `torchrun` starts them.

The batches of an update are the same for any number of processes: each takes every n-th of the update's `accumulate` batches.
Gradients are summed by DistributedDataParallel, or weights, gradients and optimizer state are divided by FSDP2 (`fully_shard`),
for models that one card cannot hold. The process of rank 0 alone prints, logs and writes; checkpoints hold whole tensors, so a
run is taken up by any number of processes.
"""

import contextlib
import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, cast

import torch
from torch import distributed, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from textmill.model import ModelError
from textmill.model.architecture.decoder import decoder_of

T = TypeVar("T")
M = TypeVar("M", bound=nn.Module)


class Processes:
    """The processes of a run, and which of them this one is."""

    def __init__(self, rank: int = 0, count: int = 1, local_rank: int = 0):
        self.rank, self.count, self.local_rank = rank, count, local_rank

    @staticmethod
    def here() -> "Processes":
        """As torchrun says in the environment; one process where nothing does."""
        rank, count, local = (int(os.environ.get(name, default)) for name, default in
                              (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0")))
        return Processes(rank, count, local)

    @contextlib.contextmanager
    def joined(self, device: torch.device) -> Iterator[None]:
        """The processes in touch with each other."""
        if self.count == 1:
            yield
            return
        if device.type == "cuda":
            torch.cuda.set_device(device)
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", rank=self.rank, world_size=self.count)
        try:
            yield
            self.wait()                     # none leaves while another still needs it
        finally:
            distributed.destroy_process_group()

    @property
    def first(self) -> bool:
        return self.rank == 0

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            distributed.barrier()

    def wrapped(self, model: M, shard: bool) -> M:
        """`model` with its gradients averaged over processes; divided among them where `shard`. It is called as it was."""
        if self.count == 1:
            return model
        if not shard:
            return cast(M, nn.parallel.DistributedDataParallel(model))
        from torch.distributed.fsdp import fully_shard

        warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view tensor")    # which nothing writes into
        for layer in decoder_of(model).decoder_layers:
            fully_shard(layer)
        fully_shard(model)
        return model

    def share(self, batches: Sequence[T]) -> Sequence[T]:
        """The batches of an update that this process takes. ModelError where they do not divide."""
        if len(batches) % self.count:
            raise ModelError(f"an update has {len(batches)} batches for {self.count} processes; set `accumulate` to a multiple "
                             f"of {self.count} (and `batch` to so much less, for the same update)")
        return batches[self.rank::self.count]

    @contextlib.contextmanager
    def gathering(self, model: nn.Module, last: bool) -> Iterator[None]:
        """Going backward through `model` as `wrapped` gave it; gradients are summed over processes at the `last` batch."""
        if isinstance(model, nn.parallel.DistributedDataParallel) and not last:
            with model.no_sync():
                yield
            return
        if self.count > 1 and not isinstance(model, nn.parallel.DistributedDataParallel):
            model.set_requires_gradient_sync(last)          # type: ignore[operator]   # a method that fully_shard adds
        yield

    def total(self, value: torch.Tensor) -> torch.Tensor:
        """The sum over all processes."""
        if self.count > 1:
            distributed.all_reduce(value)
        return value


ALONE = Processes()


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor, put together of what each process has; all have to ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def local(tensor: torch.Tensor) -> torch.Tensor:
    """What this process has of a tensor."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def gathered(part: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The whole of which each process has a `part`, divided as `like` is; all have to ask."""
    if not isinstance(like, DTensor):
        return part
    return whole(DTensor.from_local(part, like.device_mesh, like.placements, shape=like.shape, stride=like.stride()))


def divided(tensor: torch.Tensor, like: Any) -> torch.Tensor:
    """The tensor, divided as `like` is."""
    if isinstance(like, DTensor) and tensor.dim():
        return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements)
    return tensor
