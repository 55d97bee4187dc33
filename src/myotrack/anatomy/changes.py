"""What we change in a published body, as rows that can be printed and switches that can be thrown."""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Change:
    """One edit of the published body."""

    repair: str
    """The switch that makes it (a field of `Repairs`), or 'addition' for what only adds, or 'sizes'."""
    what: str
    """The element, by its name in the model."""
    old: str
    new: str
    why: str
    source: str
    """'cited: …', 'measured: …' or 'tuned: …'."""

    def __post_init__(self) -> None:
        if not self.source.startswith(("cited: ", "measured: ", "tuned: ")):
            raise ValueError(f"Change of '{self.what}': say how it is known (cited, measured or tuned).")


@dataclass(frozen=True)
class Repairs:
    """Which repairs are made when a body is loaded. `Repairs.none()` gives the published physics."""

    sensors: bool = True
    """Drop the published sensors, which nothing reads; ours replace them."""
    ligaments: bool = True
    """Drop ligament tendons that have neither stiffness nor an actuator."""
    inert_muscles: bool = True
    """Drop muscles that cross no joint and so have no moment arm."""
    control_range: bool = True
    """Excitation in [0, 1] for every muscle."""
    length_range: bool = True
    """Shift the length range of muscles whose path MuJoCo 4 wraps differently."""
    rest_tension: bool = True
    """Let muscles that would pull with more than half their strength in a resting body be slack there."""
    supraspinatus: bool = True
    """The same parameters for the active and the passive force of the supraspinatus."""
    longissimus: bool = True
    """Put the left T12 fascicle of the longissimus, which lies on the right, on the left."""
    facing: bool = True
    """Turn the trunk the 0.8 mrad that separate its median plane from its root's."""
    thorax: bool = True
    """Narrow the thorax so that hanging arms do not press into it."""
    dependent_limits: bool = True
    """Let the driver's range alone limit a coupled joint."""
    elbow: bool = True
    """Damping and armature of the elbow in the arms as in the full body."""
    phantom_inertia: bool = True
    """Take away the inertia of 1 kg m² that each of eight massless frames of the shoulders has."""
    coupling_stiffness: bool = True
    """Hold coupled joints to their drivers five times as fast."""
    toes: bool = True
    """Let the toes bend as far as walking bends them."""
    rest_pose: bool = True
    """A resting keyframe that satisfies the couplings, soles on the floor."""

    @classmethod
    def none(cls) -> "Repairs":
        """The published body, with nothing but our additions."""
        return cls(**dict.fromkeys((field.name for field in fields(cls)), False))
