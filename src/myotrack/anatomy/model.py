"""`Anatomy`: one body, loaded, repaired and compiled, with every name, index, limit and unit resolved once."""

import functools
import hashlib
import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path

import mujoco
import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.bones import with_bones
from myotrack.anatomy.changes import Change, Repairs
from myotrack.anatomy.couplings import Couplings
from myotrack.anatomy.fingers import lock_fingers
from myotrack.anatomy.fitted import FittedPaths
from myotrack.anatomy.joints import Joint, joint_table
from myotrack.anatomy.kinematics import Kinematics
from myotrack.anatomy.landmarks import FOOT_REGIONS, PLANS, add_landmarks, add_sensors, site_name
from myotrack.anatomy.levels import Level, parsed, paths_of, with_floor_pairs, with_stand_ins, without_muscles
from myotrack.anatomy.mirror import Mirror
from myotrack.anatomy.muscles import Muscle, muscle_table
from myotrack.anatomy.repairs import repair
from myotrack.anatomy.rest import KEY, add_rest_pose
from myotrack.anatomy.scaling import resize
from myotrack.anatomy.sizes import Sizes

PACKAGE = "musclemimic_models"


@dataclass(frozen=True)
class Published:
    """A body as it is published."""

    file: str
    root: str
    """The MuJoCo body above all others."""
    title: str


BODIES = {
    "full": Published("model/body/myofullbody.xml", "Full Body", "full body, free in space"),
    "arms": Published("model/arm/myoarm_bimanual.xml", "Bimanual", "both arms on a fixed trunk"),
}

ARENA = 8 << 20
"""Memory for contacts and constraints per world [bytes]; the published full body reserves 1.4 GB.
Measured: 0.2 MB is used by a body lying on the ground after 0.8 s of random excitation."""


@dataclass(frozen=True)
class Anatomy:
    """A compiled body and everything about it that never changes.

    The MuJoCo model is shared: treat it as read-only. Simulators copy it before they set physics options.
    """

    name: str
    """'full' or 'arms'."""
    fingers: bool
    """Whether the fingers move."""
    model: mujoco.MjModel
    xml: str
    """The repaired body as MJCF, without visuals."""
    hash: str
    """Fingerprint of the original's `xml`; files that belong to a body carry it, whatever its level."""
    couplings: Couplings
    joints: tuple[Joint, ...]
    muscles: tuple[Muscle, ...]
    landmarks: tuple[str, ...]
    foot_regions: tuple[str, ...]
    """Parts of the soles whose load is reported: hindfoot and toes, right then left. Empty for the arms."""
    mirror: Mirror
    kinematics: Kinematics
    rest: Float[Tensor, "pos"]
    """Independent coordinates of the resting posture."""
    changes: tuple[Change, ...]
    """What differs from the published body."""
    repairs: Repairs
    """Which faults were mended."""
    sizes: Sizes
    """How large its parts are over those of the published body."""
    level: Level = "original"
    """How much detail is simulated (`levels`)."""
    fitted: FittedPaths | None = None
    """Along which muscles pull; none if MuJoCo wraps them."""
    skeleton: mujoco.MjModel | None = None
    """What is simulated beside fitted paths: the body without tendons."""

    @classmethod
    def load(
        cls,
        name: str,
        fingers: bool = False,
        repairs: Repairs | None = None,
        visuals: bool = False,
        sizes: Sizes | None = None,
    ) -> "Anatomy":
        """Load one of the bodies.

        Args:
            name: 'full' (free in space, 37 independent coordinates with locked fingers) or 'arms' (both arms on a
                fixed trunk, 14); 'full:paths', 'full:fast' and so on for another level of detail (`levels`).
            fingers: Keep the finger joints and the muscles that move them (77 and 54 coordinates).
            repairs: Which faults of the published body to mend; all of them if not given.
            visuals: Put the bones back on, for pictures. Masses then have the digits of the MJCF (1e-6 kg), so do not
                simulate this one.
            sizes: How large its parts shall be; as published if not given.

        Raises:
            ValueError: There is no body of that name, or nobody of these sizes weighs so much.
        """
        body, level = parsed(name)
        if body not in BODIES:
            raise ValueError(f"There is no body called '{body}'. The bodies are: {', '.join(BODIES)}.")
        if visuals and level != "original":
            raise ValueError(f"Only the original of a body has bones to show; load '{body}' for pictures.")
        return _load(body, fingers, repairs or Repairs(), visuals, sizes or Sizes(), level)

    def resized(self, sizes: Sizes) -> "Anatomy":
        """The same body in other sizes. Takes a tenth of the time of the first load.

        Args:
            sizes: Over the published body, whatever sizes this one has.

        Raises:
            ValueError: Nobody of these sizes weighs so much.
        """
        return _load(self.name, self.fingers, self.repairs, False, sizes, self.level)

    def at(self, level: Level) -> "Anatomy":
        """The same body in another detail (`levels`)."""
        return self if level == self.level else _load(self.name, self.fingers, self.repairs, False, self.sizes, level)

    @property
    def title(self) -> str:
        """Name and level, as `load` takes them."""
        return self.name if self.level == "original" else f"{self.name}:{self.level}"

    @property
    def simulated(self) -> mujoco.MjModel:
        """What simulators step."""
        return self.model if self.skeleton is None else self.skeleton

    @functools.cached_property
    def muscle_names(self) -> tuple[str, ...]:
        """Names of the muscles in the order of excitations."""
        return tuple(muscle.name for muscle in self.muscles)

    @functools.cached_property
    def coordinate_names(self) -> tuple[str, ...]:
        """Names of the independent rates; a free root has six, root_x to root_rz."""
        names: list[str] = []
        for joint in self.joints:
            if joint.kind == "free":
                names += [f"{joint.name}_{axis}" for axis in ("x", "y", "z", "rx", "ry", "rz")]
            elif joint.independent:
                names.append(joint.name)
        return tuple(names)

    @property
    def free(self) -> bool:
        """Whether the body's root moves freely in space."""
        return self.joints[0].kind == "free"

    def limits(self) -> tuple[Float[Tensor, "pos"], Float[Tensor, "pos"]]:
        """Lowest and highest value of every independent coordinate [rad]; infinite for the root."""
        low, high = [], []
        for joint in self.joints:
            if joint.independent:
                entries = 7 if joint.kind == "free" else 1
                low += [joint.low] * entries
                high += [joint.high] * entries
        return torch.tensor(low, dtype=torch.float64), torch.tensor(high, dtype=torch.float64)


def published_file(name: str) -> Path:
    """Where the installed package keeps a body's MJCF.

    Raises:
        ModuleNotFoundError: The package is not installed; the message says how to install it.
    """
    package = importlib.util.find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise ModuleNotFoundError(
            "The bodies are not installed. Install them with `pip install musclemimic-models==1.0.6`."
        )
    return Path(package.origin).parent / BODIES[name].file


@functools.lru_cache(maxsize=16)
def _load(name: str, fingers: bool, repairs: Repairs, visuals: bool, sizes: Sizes, level: Level) -> Anatomy:
    if visuals:
        bare = _load(name, fingers, repairs, False, sizes, "original")
        return replace(bare, model=with_bones(bare.xml, published_file(name), sizes.factor))
    if level != "original":
        return _reduced(_load(name, fingers, repairs, False, sizes, "original"), level)
    spec, model, changes = _sized_spec(name, fingers, repairs, sizes)
    couplings = Couplings.of(model)
    xml = spec.to_xml()
    landmarks = tuple(plan.name for plan in PLANS[name])
    regions = tuple(region for region, _ in FOOT_REGIONS[name])
    rest = model.key(KEY).qpos.copy() if repairs.rest_pose else model.qpos0.copy()
    return Anatomy(
        name=name,
        fingers=fingers,
        model=model,
        xml=xml,
        hash=hashlib.sha256(xml.encode()).hexdigest()[:16],
        couplings=couplings,
        joints=joint_table(model),
        muscles=muscle_table(model),
        landmarks=landmarks,
        foot_regions=regions,
        mirror=Mirror.of(model, couplings, landmarks, regions),
        kinematics=Kinematics.of(model, couplings, tuple(site_name(landmark) for landmark in landmarks)),
        rest=couplings.independent(torch.as_tensor(rest)),
        changes=changes,
        repairs=repairs,
        sizes=sizes,
    )


def _sized_spec(
    name: str, fingers: bool, repairs: Repairs, sizes: Sizes
) -> tuple[mujoco.MjSpec, mujoco.MjModel, tuple[Change, ...]]:
    """The body as it is simulated; whoever changes the specification takes a copy."""
    spec, changes = _edited_spec(name, fingers, repairs)
    model = spec.compile()
    if not sizes.own:
        spec = spec.copy()
        changes += tuple(resize(spec, model, name, sizes))
        model = spec.compile()
    return spec, model, changes


def _skeleton(spec: mujoco.MjSpec) -> mujoco.MjModel:
    """What is simulated of a body with fitted paths."""
    return with_floor_pairs(spec).compile()


def _reduced(original: Anatomy, level: Level) -> Anatomy:
    """The same body with less detail."""
    fitted = paths_of(original)
    if level == "paths":
        spec, _, _ = _sized_spec(original.name, original.fingers, original.repairs, original.sizes)
        return replace(original, level=level, fitted=fitted, skeleton=_skeleton(without_muscles(spec)))
    from myotrack.anatomy.reduce import reduced, take_softness

    spec = reduced(original)
    skeleton = _skeleton(spec)
    with_stand_ins(spec, original.model, fitted, original.coordinate_names)
    model = spec.compile()
    for each in (skeleton, model):
        take_softness(each, original.model)
    couplings = Couplings.of(model)
    return replace(
        original,
        level=level,
        fitted=fitted,
        skeleton=skeleton,
        model=model,
        couplings=couplings,
        joints=joint_table(model),
        mirror=Mirror.of(model, couplings, original.landmarks, original.foot_regions),
        kinematics=Kinematics.of(model, couplings, tuple(site_name(landmark) for landmark in original.landmarks)),
    )


@functools.lru_cache(maxsize=4)
def _edited_spec(name: str, fingers: bool, repairs: Repairs) -> tuple[mujoco.MjSpec, tuple[Change, ...]]:
    """The published body with fingers locked, faults mended, landmarks, sensors and resting posture added.

    Made once, since edits are slow; whoever changes it further takes a copy.
    """
    spec = mujoco.MjSpec.from_file(str(published_file(name)))
    changes = _discard_visuals(spec)
    published = spec.compile()
    if not fingers:
        changes += lock_fingers(spec, published)
    changes += repair(spec, published, name, repairs)
    spec.discard_visual()  # The wrapping surfaces of muscles that are gone.
    spec.nconmax = spec.njmax = -1
    spec.memory = ARENA
    mended = spec.compile()
    changes += add_landmarks(spec, mended, name)
    changes += add_sensors(spec, name, BODIES[name].root)
    spec.geom("floor").priority = 1
    changes.append(
        Change(
            "addition", "floor priority", "0", "1", "the friction of the floor alone decides, so it can differ",
            "cited: MuJoCo 4.0 manual, contact parameters; the friction stays 1, as both sides had it",
        )
    )  # fmt: skip
    if repairs.rest_pose:
        changes += add_rest_pose(spec, mended, Couplings.of(mended), name)
    return spec, tuple(changes)


def _discard_visuals(spec: mujoco.MjSpec) -> list[Change]:
    """Drop what is only drawn. Plain deletion would lose the 2.6 kg that meshes carry."""
    count = spec.discard_visual()
    return [
        Change(
            "addition", f"{count} visual elements", "drawn", "loaded for pictures only",
            "meshes do not collide; the mass they stand for stays with their segments",
            "cited: MuJoCo 4.0, MjSpec.discard_visual",
        )
    ]  # fmt: skip
