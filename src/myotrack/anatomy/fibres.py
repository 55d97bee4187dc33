"""What muscles are made of: mass, and the share of slow fibres, which decide what they spend.

The body tells strength and fibre length; mass follows from them with the specific tension by which the strength was
chosen. Both are known for people and guessed for this body, so every energy in watts carries their doubt.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.muscles import Muscle
from myotrack.anatomy.naming import stem_of

DENSITY = 1059.7
"""Of muscle [kg/m³]. Source: Mendez & Keys 1960, as OpenSim's probes have it."""
REGIONS: dict[str, tuple[str, ...]] = {
    "trunk": (
        "erector spinae", "multifidus", "quadratus lumborum", "abdominal obliques", "rectus abdominis", "psoas, lumbar",
    ),
    "shoulder": ("deltoid", "rotator cuff", "pectoralis major", "latissimus and teres major", "coracobrachialis"),
    "elbow": ("elbow extensors", "elbow flexors", "forearm rotators"),
    "hand": ("wrist extensors", "wrist flexors", "finger flexors", "finger extensors", "thumb", "hand intrinsics"),
    "hip": ("hip adductors", "gluteus maximus", "hip abductors", "hip flexors", "hip rotators"),
    "knee": ("hamstrings", "quadriceps"),
    "ankle": ("triceps surae", "dorsiflexors", "plantarflexors, deep", "peronei"),
}  # fmt: skip
"""Functional groups of muscles (`muscles.GROUPS`) by where they are; two-joint muscles of the thigh count at the knee,
gastrocnemius at the ankle."""
_LEG, _ARM, _TRUNK = 0.60e6, 0.508e6, 0.46e6
SPECIFIC_TENSION: dict[str, float] = {
    "trunk": _TRUNK, "shoulder": _ARM, "elbow": _ARM, "hand": _ARM, "hip": _LEG, "knee": _LEG, "ankle": _LEG,
}  # fmt: skip
"""Peak force per area of fibres [Pa], as in the models that the peak forces come from: Rajagopal et al. 2016,
doi:10.1109/TBME.2016.2586891 (leg), Saul et al. 2015, doi:10.1080/10255842.2014.916698 (arm), Christophy et al. 2012,
doi:10.1007/s10237-011-0290-6 (trunk). All recalled. With the 0.25 MPa that OpenSim's probes take for granted, muscles
of this body would weigh 70 kg of its 84."""
EVEN = 0.5
"""Share of slow fibres where no table names the muscle."""
SLOW: dict[str, float] = {
    # Legs, erector spinae and obliques.
    "glmed": 0.55, "glmin": 0.55, "glmax": 0.55, "semimem": 0.4925, "semiten": 0.425, "bflh": 0.5425, "bfsh": 0.529,
    "addmag": 0.552, "recfem": 0.3865, "vasmed": 0.503, "vasint": 0.543, "vaslat": 0.455, "gasmed": 0.566,
    "gaslat": 0.507, "soleus": 0.803, "tibpost": 0.60, "fdl": 0.60, "fhl": 0.60, "perbrev": 0.60, "perlong": 0.60,
    "tibant": 0.70, "edl": 0.75, "ehl": 0.75, "IL_": 0.60, "LTp": 0.60, "EO": 0.58, "IO": 0.56,
    # Arms and rectus abdominis.
    "rect_abd": 0.461, "DELT": 0.57, "SUPSP": 0.593, "INFSP": 0.453, "LAT": 0.505, "PECM": 0.427, "BIC": 0.464,
    "TRI": 0.326, "BRD": 0.398, "FDP": 0.473, "EDC": 0.473,
}  # fmt: skip
"""Share of slow fibres by the beginnings of muscle names; the longest that fits counts. Source of legs, erector spinae
and obliques: Uchida et al. 2016, doi:10.1371/journal.pone.0150378, as tabulated by A. Falisse
(github.com/KULeuvenNeuromechanics/MuscleRedundancySolver). Of arms and rectus abdominis: Johnson et al. 1973,
doi:10.1016/0022-510X(73)90023-3, means of all places in a muscle; recalled."""


@dataclass(frozen=True)
class Fibres:
    """What the muscles of a body are made of, one entry each."""

    mass: Float[Tensor, "muscle"]
    """[kg]"""
    slow: Float[Tensor, "muscle"]
    """Share of slow fibres; the others are fast."""
    length: Float[Tensor, "muscle"]
    """Optimal [m]."""
    peak_force: Float[Tensor, "muscle"]
    """[N]"""
    speed_max: Float[Tensor, "muscle"]
    """Shortening at which no force is left [fibre lengths / s]."""

    @classmethod
    def of(cls, muscles: tuple[Muscle, ...]) -> "Fibres":
        """From the table of a body's muscles (`Anatomy.muscles`).

        Raises:
            KeyError: The group of a muscle belongs to no region.
        """

        def column(values: list[float]) -> Float[Tensor, "muscle"]:
            return torch.tensor(values, dtype=torch.float64)

        return cls(
            mass=column([mass_of(muscle) for muscle in muscles]),
            slow=column([slow_share(muscle.name) for muscle in muscles]),
            length=column([muscle.fibre_length for muscle in muscles]),
            peak_force=column([muscle.peak_force for muscle in muscles]),
            speed_max=column([muscle.speed_max for muscle in muscles]),
        )


def mass_of(muscle: Muscle) -> float:
    """Density times the volume of fibres, which is peak force over specific tension times optimal length [kg].

    Raises:
        KeyError: The group of the muscle belongs to no region.
    """
    return DENSITY * muscle.peak_force / SPECIFIC_TENSION[region_of(muscle.group)] * muscle.fibre_length


def region_of(group: str) -> str:
    """Where a functional group of muscles is, as in `REGIONS`.

    Raises:
        KeyError: It is in none of them.
    """
    for region, groups in REGIONS.items():
        if group in groups:
            return region
    raise KeyError(f"The muscle group '{group}' belongs to no region; add it to `anatomy.fibres.REGIONS`.")


def slow_share(name: str) -> float:
    """Share of slow fibres of a muscle; `EVEN` if no table names it."""
    fitting = [beginning for beginning in SLOW if stem_of(name).startswith(beginning)]
    return SLOW[max(fitting, key=len)] if fitting else EVEN
