"""What differs from world to world, and what happens to bodies: masses, strength, friction, noise, delay, pushes."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.naming import indices_of
from myotrack.simulate.perturb import Variation
from myotrack.simulate.state import Excitation


@dataclass(frozen=True)
class Disturbance:
    """Ranges are half-widths around 1, drawn evenly once per world. The default disturbs nothing."""

    mass: float = 0.0
    """Of the mass of every segment, each on its own."""
    strength: float = 0.0
    """Of the strength of every muscle, each on its own."""
    weakness: float = 0.0
    """By which all muscles of a world are weaker, the same for each world."""
    friction: float = 0.0
    """Of the friction of the floor."""
    hand_load: float = 0.0
    """Mass that both hands carry, in every world [kg]."""
    noise: float = 0.0
    """Standard deviation of the noise of excitations over their size (signal-dependent noise, Harris & Wolpert 1998,
    doi:10.1038/29528)."""
    delay: int = 0
    """Control steps by which everything that the policy sees is late [10 ms]."""
    push: float = 0.0
    """Size of the pushes on a segment, in a random direction [N]."""
    push_every: float = 1.0
    """Mean time between the beginnings of two pushes [s]."""
    push_lasts: float = 0.1
    """How long each lasts [s]."""
    pushed: tuple[str, ...] = ()
    """Segments that are pushed, one at a time, drawn by chance; the trunk or the hands if not given."""

    def __post_init__(self) -> None:
        shares = (self.mass, self.strength, self.weakness, self.friction)
        if not all(0 <= share < 1 for share in shares):
            raise ValueError(f"Masses, strength and friction vary by a share in [0, 1); got {self}.")
        if min(self.noise, self.delay, self.push, self.hand_load) < 0 or min(self.push_every, self.push_lasts) <= 0:
            raise ValueError(f"Noise, delay, load and pushes cannot be negative, and pushes take time; got {self}.")

    def variation(self, anatomy: Anatomy, worlds: int, generator: torch.Generator) -> Variation | None:
        """Parameters of every world; None if all are as the body is."""
        if not any((self.mass, self.strength, self.weakness, self.friction, self.hand_load)):
            return None
        plain = Variation.none(anatomy, worlds)

        def drawn(half: float, like: Tensor) -> Tensor:
            return 1 + half * (2 * torch.rand(like.shape, generator=generator, device=generator.device).cpu() - 1)

        mass = plain.mass * drawn(self.mass, plain.mass)
        if self.hand_load:
            names = [anatomy.model.body(index).name for index in range(anatomy.model.nbody)]
            hands = indices_of(["thirdmc_r", "thirdmc_l"], names, "segment")
            own = torch.as_tensor(anatomy.model.body_mass[hands], dtype=mass.dtype)
            mass[:, hands] = mass[:, hands] * (own + self.hand_load) / own
        strength = plain.strength * drawn(self.strength, plain.strength) * (1 - self.weakness)
        return Variation(mass, strength, plain.friction * drawn(self.friction, plain.friction))

    def noisy(self, excitation: Excitation, generator: torch.Generator) -> Excitation:
        """Excitations as they arrive."""
        if not self.noise:
            return excitation
        drawn = torch.randn(excitation.shape, generator=generator, device=generator.device).to(excitation)
        return (excitation * (1 + self.noise * drawn)).clamp(0.0, 1.0)

    def segments(self, anatomy: Anatomy) -> tuple[str, ...]:
        """Those that are pushed."""
        return self.pushed or (("torso",) if anatomy.free else ("thirdmc_r", "thirdmc_l"))


class Pushes:
    """Pushes on one segment at a time, in every world by chance."""

    def __init__(
        self, settings: Disturbance, anatomy: Anatomy, worlds: int, interval: float, device: torch.device | str = "cpu"
    ) -> None:
        self._settings, self._interval = settings, interval
        self._segments = settings.segments(anatomy)
        self.left = torch.zeros(worlds, dtype=torch.int64, device=device)
        """Intervals that the present push of each world still lasts."""
        self.force = torch.zeros(worlds, 3, device=device)
        self.segment = torch.zeros(worlds, dtype=torch.int64, device=device)

    def draw(self, generator: torch.Generator) -> dict[str, Float[Tensor, "world 3"]]:
        """Forces by segment during the next interval [N]; none without pushes. The generator lives on their device."""
        settings, device = self._settings, generator.device
        if not settings.push:
            return {}
        worlds = len(self.left)
        chance = self._interval / settings.push_every
        begins = (torch.rand(worlds, generator=generator, device=device) < chance) & (self.left == 0)
        direction = torch.nn.functional.normalize(torch.randn(worlds, 3, generator=generator, device=device), dim=1)
        which = torch.randint(len(self._segments), (worlds,), generator=generator, device=device)
        self.force = torch.where(begins[:, None], settings.push * direction, self.force)
        self.segment = torch.where(begins, which, self.segment)
        self.left = torch.where(begins, max(1, round(settings.push_lasts / self._interval)), self.left)
        now = self.force * (self.left > 0)[:, None]
        self.left = (self.left - 1).clamp(min=0)
        return {name: now * (self.segment == index)[:, None] for index, name in enumerate(self._segments)}
