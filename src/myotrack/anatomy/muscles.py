"""The muscles of a body as a table: strength, fibre, tendon, timing, function and side.

MuJoCo describes a muscle by the range of its path length and the fibre lengths at both ends of that range, which
together imply an optimal fibre length and a tendon slack length: with range [l0, l1] and normalised range [r0, r1],
fibre = (l1 - l0) / (r1 - r0) and tendon = l0 - r0 fibre.
Source: MuJoCo 4.0 manual, computation/muscle actuators.
"""

from dataclasses import dataclass

import mujoco

from myotrack.anatomy.naming import side_of, stem_of

GROUPS: dict[str, tuple[str, ...]] = {
    "erector spinae": ("IL_", "LTpT_", "LTpL_"),
    "multifidus": ("MF_",),
    "quadratus lumborum": ("QL_",),
    "abdominal obliques": ("EO", "IO"),
    "rectus abdominis": ("rect_abd",),
    "psoas, lumbar": ("Ps_",),
    "deltoid": ("DELT",),
    "rotator cuff": ("SUPSP", "INFSP", "SUBSC", "TMIN"),
    "pectoralis major": ("PECM",),
    "latissimus and teres major": ("LAT", "TMAJ"),
    "coracobrachialis": ("CORB",),
    "elbow extensors": ("TRI", "ANC"),
    "elbow flexors": ("BIC", "BRA", "BRD"),
    "forearm rotators": ("SUP", "PT", "PQ"),
    "wrist extensors": ("ECR", "ECU"),
    "wrist flexors": ("FCR", "FCU", "PL"),
    "finger flexors": ("FDS", "FDP"),
    "finger extensors": ("EDC", "EDM", "EIP"),
    "thumb": ("EPL", "EPB", "FPL", "APL", "OP"),
    "hand intrinsics": ("RI", "LU_RB", "UI_UB"),
    "hip adductors": ("add", "grac"),
    "hamstrings": ("bf", "semi"),
    "gluteus maximus": ("glmax",),
    "hip abductors": ("glmed", "glmin", "tfl"),
    "hip flexors": ("iliacus", "psoas", "sart"),
    "hip rotators": ("piri",),
    "quadriceps": ("recfem", "vas"),
    "triceps surae": ("gas", "soleus"),
    "dorsiflexors": ("tibant", "edl", "ehl"),
    "plantarflexors, deep": ("tibpost", "fdl", "fhl"),
    "peronei": ("per",),
}
"""Functional groups by the beginnings of muscle names, in the order of tables and figures."""


def group_of(name: str) -> str:
    """The functional group of a muscle: the one with the longest matching beginning.

    Raises:
        KeyError: No group claims the muscle.
    """
    best, group = "", ""
    for candidate, beginnings in GROUPS.items():
        for beginning in beginnings:
            if stem_of(name).startswith(beginning) and len(beginning) > len(best):
                best, group = beginning, candidate
    if not best:
        raise KeyError(f"Muscle '{name}' belongs to no functional group.")
    return group


@dataclass(frozen=True)
class Muscle:
    """One row of the muscle table."""

    name: str
    side: str
    group: str
    peak_force: float
    """Isometric force at full activation and optimal fibre length [N]."""
    fibre_length: float
    """Optimal fibre length implied by the length range [m]."""
    tendon_length: float
    """Tendon slack length implied by the length range [m]. Negative ones are faults of the published body."""
    path_range: tuple[float, float]
    """Path lengths that the normalised range refers to [m]."""
    fibre_range: tuple[float, float]
    """Normalised fibre length at both ends of the path range."""
    curve_range: tuple[float, float]
    """Normalised fibre lengths where the active force-length curve begins and ends."""
    speed_max: float
    """Shortening speed at which no force is left [fibre lengths / s]."""
    passive_max: float
    """Passive force at the upper end of the curve, over peak force."""
    eccentric_max: float
    """Force in fast lengthening, over the isometric force."""
    rise: float
    """Activation time constant [s]."""
    fall: float
    """Deactivation time constant [s]."""


def muscle_table(model: mujoco.MjModel) -> tuple[Muscle, ...]:
    """All muscles of a model, in the order of its excitations."""
    names = [model.actuator(index).name for index in range(model.nu)]
    rows = []
    for index, name in enumerate(names):
        gain, dynamics = model.actuator_gainprm[index], model.actuator_dynprm[index]
        short, long = model.actuator_lengthrange[index]
        fibre = (long - short) / (gain[1] - gain[0])
        rows.append(
            Muscle(
                name=name,
                side=side_of(name, names),
                group=group_of(name),
                peak_force=float(gain[2]),
                fibre_length=float(fibre),
                tendon_length=float(short - gain[0] * fibre),
                path_range=(float(short), float(long)),
                fibre_range=(float(gain[0]), float(gain[1])),
                curve_range=(float(gain[4]), float(gain[5])),
                speed_max=float(gain[6]),
                passive_max=float(gain[7]),
                eccentric_max=float(gain[8]),
                rise=float(dynamics[0]),
                fall=float(dynamics[1]),
            )
        )
    return tuple(rows)
