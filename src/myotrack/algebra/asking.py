"""Questions to tensors. On a CPU the answer is there; a GPU has to finish all that it was told before it can answer."""

from jaxtyping import Bool
from torch import Tensor


def answers_at_once(tensor: Tensor) -> bool:
    """Whether a program may ask for numbers of a tensor without waiting."""
    return tensor.device.type == "cpu"


def perhaps(mask: Bool[Tensor, "*any"]) -> bool:
    """Whether a mask may be true somewhere: looked up where that is free, else taken for granted."""
    return not answers_at_once(mask) or bool(mask.any())
