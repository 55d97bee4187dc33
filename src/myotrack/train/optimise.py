"""`Optimiser`: Adam, or Muon for hidden matrices and Adam for the rest, as one; with clipping, and words for NaN."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from myotrack.train.env import Diverged, State
from myotrack.train.muon import Muon
from myotrack.train.networks import Residual
from myotrack.train.team import ALONE, Team


@dataclass(frozen=True)
class OptimiserSettings:
    """How networks are moved down a gradient."""

    kind: Literal["adam", "muon"] = "adam"
    """'muon' makes steps of hidden matrices orthogonal, as long as Adam's would be, so that the same rates serve; all
    else is left to Adam. Worth its time (`muon`) on a GPU and for small networks."""
    rate: float = 3e-4
    """Size of a step in the beginning."""
    decay: float = 0.0
    """Share of every weight, times the rate, that is lost per step."""
    clip: float = 1.0
    """Longest gradient, over all parameters together; a longer one is shortened to it."""

    def __post_init__(self) -> None:
        if self.rate <= 0 or self.clip <= 0 or self.decay < 0:
            raise ValueError(f"An optimiser needs a positive rate and clip and no negative decay, got {self}.")


class Optimiser:
    """Moves the parameters of some modules."""

    def __init__(self, modules: Mapping[str, nn.Module], settings: OptimiserSettings, team: Team = ALONE) -> None:
        """Prepare; no parameter is touched.

        Args:
            modules: By name, for errors and the state. Parameters that need no gradient are left out.
            settings: How to move.
            team: Whose gradients are added up.
        """
        self._team = team
        named = {
            f"{name}.{key}": weight for name, module in modules.items() for key, weight in module.named_parameters()
        }
        self._parameters = {name: weight for name, weight in named.items() if weight.requires_grad}
        self._clip, self._rate = settings.clip, settings.rate
        nets = [part for module in modules.values() for part in module.modules() if isinstance(part, Residual)]
        square = {id(weight) for net in nets for weight in net.hidden()} if settings.kind == "muon" else set()
        hidden = [weight for weight in self._parameters.values() if id(weight) in square]
        others = [weight for weight in self._parameters.values() if id(weight) not in square]
        adam = torch.optim.AdamW(others, lr=settings.rate, weight_decay=settings.decay, fused=True)
        self._optimisers: list[torch.optim.Optimizer] = [adam]
        if hidden:
            self._optimisers.append(Muon(hidden, settings.rate, settings.decay))

    @property
    def rate(self) -> float:
        """Size of a step."""
        return self._rate

    def set_rate(self, rate: float) -> None:
        """Make longer or shorter steps from now on."""
        self._rate = rate
        for optimiser in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for optimiser in self._optimisers:
            optimiser.zero_grad()

    def step(self) -> float:
        """Move down the gradient, shortened if it is too long.

        Returns:
            Length of the gradient before it was shortened.

        Raises:
            Diverged: A gradient is not finite. Nothing has moved.
        """
        self._add_up()
        found = [weight.grad for weight in self._parameters.values() if weight.grad is not None]
        norm = torch.nn.utils.get_total_norm(found)
        length = float(norm)
        if not length < float("inf"):
            raise Diverged(
                f"The gradient of '{self._worst()}' is not finite; go on from a checkpoint with a lower rate."
            )
        torch.nn.utils.clip_grads_with_norm_(list(self._parameters.values()), self._clip, norm)
        for optimiser in self._optimisers:
            optimiser.step()
        return length

    def state(self) -> State:
        """Memory of past gradients, by parameter, and the rate; copies on the CPU."""
        state = {"rate": torch.tensor(self._rate, dtype=torch.float64)}
        for name, weight in self._parameters.items():
            for optimiser in self._optimisers:
                kept = optimiser.state.get(weight, {})
                state |= {f"{name}.{key}": value.detach().cpu().clone() for key, value in kept.items()}
        return state

    def load(self, state: State) -> None:
        """Go on from a state of an optimiser of the same kind and parameters.

        Raises:
            ValueError: It belongs to other parameters.
        """
        memory: dict[str, dict[str, Tensor]] = {}
        for name, value in state.items():
            if name != "rate":
                parameter, key = name.rsplit(".", 1)
                memory.setdefault(parameter, {})[key] = value
        strange = sorted(memory.keys() - self._parameters.keys())
        if strange:
            raise ValueError(f"The state of an optimiser speaks of '{strange[0]}', which these networks do not have.")
        for optimiser in self._optimisers:
            optimiser.state.clear()
            mine = {id(weight) for group in optimiser.param_groups for weight in group["params"]}
            for name, kept in memory.items():
                weight = self._parameters[name]
                if id(weight) in mine:
                    optimiser.state[weight] = {key: value.clone().to(weight.device) for key, value in kept.items()}
        self.set_rate(float(state["rate"]))

    def _add_up(self) -> None:
        """Let every process have the sum of all gradients, in one message; who has none adds nothing."""
        if self._team.size == 1:
            return
        weights = list(self._parameters.values())
        for weight in weights:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        total = self._team.sum(torch.cat([weight.grad.flatten() for weight in weights if weight.grad is not None]))
        for weight, part in zip(weights, total.split([weight.numel() for weight in weights]), strict=True):
            weight.grad = part.view_as(weight)

    def _worst(self) -> str:
        """The first parameter whose gradient is not finite, or the longest one."""
        lengths = {name: w.grad.double().norm() for name, w in self._parameters.items() if w.grad is not None}
        for name, length in lengths.items():
            if not torch.isfinite(length):
                return name
        return max(lengths, key=lambda name: float(lengths[name]))
