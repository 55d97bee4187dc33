"""A stage that anybody can follow: a tiny network learns a line with Adam, its rows drawn by a generator."""

import time

import torch
from torch import nn

from myotrack.train.env import Diverged, State


class Line:
    """Learns y = 2 x; the score is the negative error."""

    def __init__(
        self, name: str = "line", seed: int = 0, fail_at: int = -1, poison_at: int = -1, pause: float = 0.0
    ) -> None:
        self.name = name
        self._generator = torch.Generator().manual_seed(seed)
        self.net = nn.Linear(1, 1)
        with torch.no_grad():
            self.net.weight.fill_(0.0)
            self.net.bias.fill_(1.0)
        self._optimiser = torch.optim.Adam(self.net.parameters(), lr=0.05)
        self.calls = 0
        self._fail_at, self._poison_at, self._pause = fail_at, poison_at, pause

    def advance(self) -> dict[str, float]:
        self.calls += 1
        time.sleep(self._pause)
        if self.calls == self._fail_at:
            raise Diverged("The line is not straight.")
        x = torch.randn(16, 1, generator=self._generator)
        loss = (self.net(x) - 2 * x).square().mean()
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        if self.calls == self._poison_at:
            with torch.no_grad():
                self.net.weight.fill_(float("nan"))
        return {"steps": 16.0, "score": -loss.item()}

    def state(self) -> State:
        state = {name: value.detach().clone() for name, value in self.net.state_dict().items()}
        for index, parameter in enumerate(self.net.parameters()):
            state |= {f"adam.{index}.{key}": value.clone() for key, value in self._optimiser.state[parameter].items()}
        return state | {"generator": self._generator.get_state(), "calls": torch.tensor(self.calls)}

    def load(self, state: State) -> None:
        self.net.load_state_dict({name: state[name].clone() for name in ("weight", "bias")})
        for index, parameter in enumerate(self.net.parameters()):
            prefix = f"adam.{index}."
            self._optimiser.state[parameter] = {
                name.removeprefix(prefix): value.clone() for name, value in state.items() if name.startswith(prefix)
            }
        self._generator.set_state(state["generator"])
        self.calls = int(state["calls"])
