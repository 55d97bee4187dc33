"""Networks: a residual multilayer perceptron, and a mirror that travels with its module."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from myotrack.algebra.permutation import SignedPermutation

_ACTIVATIONS = {"silu": nn.SiLU, "elu": nn.ELU, "relu": nn.ReLU, "tanh": nn.Tanh}


@dataclass(frozen=True)
class NetworkSettings:
    """The size and kind of a network."""

    width: int = 256
    """Units of every hidden layer. Measured: on one CPU core, 64 rows of 300 numbers to 64 take 1 ms."""
    blocks: int = 2
    """Residual blocks between the first layer and the last; 0 makes the network linear."""
    activation: Literal["silu", "elu", "relu", "tanh"] = "silu"
    """The curve inside the blocks."""
    norm: bool = True
    """Whether blocks and the last layer see rows of mean 0 and spread 1, so that deep networks learn as well."""

    def __post_init__(self) -> None:
        if self.width < 1 or self.blocks < 0:
            raise ValueError(f"A network has a width of at least 1 and no negative number of blocks; got {self}.")


class Residual(nn.Module):
    """First layer, blocks that each add a correction, last layer.

    x = W₀ o + b₀;  x ← x + B act(A norm(x));  y = W norm(x) + b
    """

    def __init__(
        self, inputs: int, outputs: int, settings: NetworkSettings, generator: torch.Generator, gain: float = 1.0
    ) -> None:
        """Draw the weights: orthogonal, biases zero.

        Args:
            inputs: Features.
            outputs: Numbers.
            settings: Size and kind.
            generator: That weights are drawn with; it decides all of them, and torch's own is left alone.
            gain: Of the last layer; a small one makes the first outputs nearly zero whatever the input.
        """
        super().__init__()
        # The second layer of a block starts small, so that the sum of many corrections keeps the size of one.
        inner = (2 * max(settings.blocks, 1)) ** -0.5
        self.first = _linear(inputs, settings.width, 1.0, generator)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                _norm(settings),
                _linear(settings.width, settings.width, 2**0.5, generator),
                _ACTIVATIONS[settings.activation](),
                _linear(settings.width, settings.width, inner, generator),
            )
            for _ in range(settings.blocks)
        )
        self.norm = _norm(settings)
        self.last = _linear(settings.width, outputs, gain, generator)

    def forward(self, row: Float[Tensor, "*batch input"]) -> Float[Tensor, "*batch output"]:
        """Outputs for every row."""
        hidden = self.first(row)
        for block in self.blocks:
            hidden = hidden + block(hidden)
        return self.last(self.norm(hidden))

    def hidden(self) -> list[nn.Parameter]:
        """The square matrices between the first layer and the last, which Muon is for."""
        return [weight for weight in self.blocks.parameters() if weight.ndim == 2]


class Mirror(nn.Module):
    """A signed permutation that goes where its module goes, and is not part of what is learnt."""

    index: Tensor
    sign: Tensor

    def __init__(self, permutation: SignedPermutation) -> None:
        super().__init__()
        self.register_buffer("index", permutation.index.clone(), persistent=False)
        self.register_buffer("sign", permutation.sign.float().clone(), persistent=False)

    def forward(self, row: Float[Tensor, "*batch column"]) -> Float[Tensor, "*batch column"]:
        """The row seen in the mirror."""
        return row[..., self.index] * self.sign


def _linear(inputs: int, outputs: int, gain: float, generator: torch.Generator) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    nn.init.orthogonal_(layer.weight, gain, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def _norm(settings: NetworkSettings) -> nn.Module:
    return nn.LayerNorm(settings.width) if settings.norm else nn.Identity()
