"""`Team`: several processes that learn one policy, each with worlds of its own.

    torchrun --nproc-per-node 2 -m myotrack.workflow.cli train walk --out runs/walk

All start from the same networks and draw the same numbers; each takes the part for its worlds. Gradients, scales and
what decides about rates are added up over all, so that a team learns what one process with all the worlds would.
"""

import os

import torch
from jaxtyping import Float, Int
from torch import Tensor, distributed


class Team:
    """This process, and how many there are; alone, nothing is sent anywhere."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        """Take a place.

        Args:
            rank: Of this process, from 0.
            size: Of the team; if more than 1, `torch.distributed` is ready.
        """
        if not 0 <= rank < size:
            raise ValueError(f"A process of a team of {size} has a rank from 0 to {size - 1}, not {rank}.")
        self.rank, self.size = rank, size

    @classmethod
    def found(cls, device: str = "cpu") -> "Team":
        """The team that `torchrun` has started this process in; alone without it."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls()
        if device == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        if not distributed.is_initialized():
            distributed.init_process_group("nccl" if device == "cuda" else "gloo")
        return cls(distributed.get_rank(), size)

    @property
    def neighbours(self) -> int:
        """How many processes share this machine."""
        return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if self.size > 1 else 1

    def sum(self, values: Tensor) -> Tensor:
        """Of all processes, in each of them."""
        if self.size == 1:
            return values
        total = values.detach().clone()
        distributed.all_reduce(total)
        return total

    def any(self, flag: bool) -> bool:
        """Whether it is so for one of them."""
        return flag if self.size == 1 else bool(self.sum(torch.tensor(float(flag), device=self._device)) > 0)

    def mean(self, values: Float[Tensor, "*any"]) -> Tensor:
        """Of all numbers of all processes, of which each has some, or none."""
        return self.sum(values.sum()) / self.sum(torch.tensor(float(values.numel()), device=values.device))

    def spread(self, values: Float[Tensor, "*any"]) -> Tensor:
        """Standard deviation, Bessel's correction included, of all numbers of all processes."""
        apart = self.sum((values - self.mean(values)).square().sum())
        count = self.sum(torch.tensor(float(values.numel()), device=values.device))
        return (apart / (count - 1).clamp(min=1)).sqrt()

    def drawn(
        self, shape: torch.Size, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Float[Tensor, "*any"]:
        """Normal numbers for the worlds of this process (first axis), out of those for all worlds."""
        whole = torch.randn(self.size * shape[0], *shape[1:], generator=generator, device=generator.device, dtype=dtype)
        return whole[self.rank * shape[0] : (self.rank + 1) * shape[0]]

    def joined(self, values: Tensor) -> Tensor:
        """Of the worlds of all processes, in their order, each process having as many."""
        if self.size == 1:
            return values
        whole = torch.zeros(self.size, *values.shape, device=values.device)
        whole[self.rank] = values
        return self.sum(whole).flatten(0, 1).to(values.dtype)

    def mine(self, rows: Int[Tensor, "some"], worlds: int) -> Int[Tensor, "_"]:
        """Which of my rows are among these of the team.

        Rows of the team are step after step, in each the worlds of all processes in their order; mine likewise.

        Args:
            rows: Numbers of the team's rows.
            worlds: Of each process.
        """
        block = rows // worlds
        own = block % self.size == self.rank
        return ((block // self.size) * worlds + rows % worlds)[own]

    @property
    def _device(self) -> str:
        return "cuda" if distributed.get_backend() == "nccl" else "cpu"


ALONE = Team()
"""One process."""
