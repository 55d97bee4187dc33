"""Clips and trials as OpenSim's MOT and STO files: angles, moments, ground forces, activations, excitations.

    found = of_trial(trial)
    for storage in found.storages:
        Path(f"reach_{storage.ending}").write_text(storage.text())

OpenSim's world has y up: our (x, y, z) is its (x, z, -y). Coordinates are those of Rajagopal's model
(`retarget.opensim`). Angles are in degrees in the files, everything else in SI units.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.algebra.quaternion import multiply, to_matrix
from myotrack.anatomy.landmarks import FACING
from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import RATE, Clip
from myotrack.retarget.opensim import moments_to_opensim, to_opensim
from myotrack.retarget.rig import Rig
from myotrack.simulate.threads import Threads
from myotrack.validate.explain import UNASKED
from myotrack.validate.trials import Trial

FEET = ("r", "l")
"""As they stand in a trial."""
AT_ONCE = 60
"""Frames that are worlds together."""
ASIDE = math.radians(30.0)
"""Mean heading off OpenSim's x from which tilt and list are said to mix. Tuned: half of one shows in the other then."""

_FIXED = "The trunk of this body is fixed, so there is nothing to turn along x."


@dataclass(frozen=True)
class Storage:
    """One MOT or STO file."""

    ending: str
    """What follows the motion's name and an underscore: 'ik.mot'."""
    title: str
    """First line of the file."""
    columns: tuple[str, ...]
    """Without the time."""
    values: Float[np.ndarray, "frame column"]
    rate: float
    """Rows per second [Hz]; the first is at time 0."""
    degrees: bool = False
    """Whether angles are in degrees, as the header says."""
    remarks: tuple[str, ...] = ()
    """Sentences for the header; without '='."""

    def text(self) -> str:
        """The whole file; numbers have 15 digits."""
        size = self.values.shape
        header = [
            self.title, "version=1", f"nRows={size[0]}", f"nColumns={size[1] + 1}",
            f"inDegrees={'yes' if self.degrees else 'no'}", "", *self.remarks, "", "endheader",
        ]  # fmt: skip
        if not np.isfinite(self.values).all():
            raise ValueError(f"'{self.title}' has values that are not finite, and OpenSim reads none of these.")
        time = np.arange(size[0]) / self.rate
        table = np.column_stack([time, self.values]) + 0.0  # There is no -0.
        rows = ["\t".join(f"{value:.15g}" for value in row) for row in table.tolist()]
        return "\n".join([*header, "\t".join(["time", *self.columns]), *rows]) + "\n"


@dataclass(frozen=True)
class Exported:
    """What a motion gives OpenSim."""

    storages: tuple[Storage, ...]
    notes: tuple[str, ...]
    """A sentence for everything that is not in the files or not as one might think."""


def of_clip(clip: Clip, anatomy: Anatomy | None = None, along_x: bool = False) -> Exported:
    """The angles of a clip, which has nothing else.

    Args:
        clip: The motion.
        anatomy: Its body; found by its name and sizes if not given.
        along_x: Turn the world about the vertical so that the pelvis looks along OpenSim's x on average.

    Raises:
        ValueError: The clip does not belong to the body.
    """
    anatomy = anatomy or clip.anatomy()
    clip.check(anatomy)
    pos, notes = clip.pos.double(), list[str]()
    if anatomy.free:
        heading = mean_heading(pos)
        pos = _turned_pos(pos, -heading) if along_x else pos
        notes += _heading_notes(heading, along_x)
    elif along_x:
        notes.append(_FIXED)
    notes.append("A clip has angles only; moments, ground forces and activations come with trials (`myotrack steer`).")
    return Exported((_angles(pos, anatomy, RATE),), (*_finger_notes(anatomy), *notes))


def of_trial(trial: Trial, anatomy: Anatomy | None = None, along_x: bool = False) -> Exported:
    """Everything that a trial has.

    Args:
        trial: The roll-out.
        anatomy: Its body; found by its name and sizes if not given.
        along_x: Turn the world about the vertical so that the pelvis looks along OpenSim's x on average.

    Raises:
        ValueError: The trial does not belong to the body.
    """
    anatomy = anatomy or trial.anatomy()
    trial.check(anatomy)
    notes = list(_finger_notes(anatomy))
    if trial.free:
        heading = mean_heading(trial.pos)
        trial = _turned(trial, -heading) if along_x else trial
        notes += _heading_notes(heading, along_x)
    elif along_x:
        notes.append(_FIXED)
    storages = [_angles(trial.pos, anatomy, trial.rate)]
    if trial.kind == "policy" and trial.excitation is not None and not trial.excitation.any():
        notes.append("No muscle was told anything, as in torque-driven policies: there is no file of moments.")
    else:
        storages.append(_moments(trial, anatomy))
    if trial.foot_force_w.shape[1] == len(FEET):
        storages.append(_ground_forces(trial))
    else:
        notes.append(f"The body '{trial.body}' has no feet: there is no file of ground forces.")
    paths = tuple(f"/forceset/{name}" for name in anatomy.muscle_names)
    activations = tuple(f"{path}/activation" for path in paths)
    storages.append(_plain("activation.sto", "Muscle activations", activations, trial.activation, trial.rate))
    if trial.excitation is None:
        notes.append("Nothing was simulated, so there are no excitations.")
    else:
        storages.append(_plain("excitation.sto", "Muscle excitations", paths, trial.excitation, trial.rate))
    return Exported(tuple(storages), tuple(notes))


def mean_heading(pos: Float[Tensor, "frame pos"]) -> float:
    """Angle from the world's x to where the pelvis looks on average, about the vertical [rad].

    Args:
        pos: Independent coordinates of a free body.
    """
    forward = to_matrix(pos[:, 3:7].double()) @ torch.tensor(FACING[:, 0])
    return math.atan2(float(forward[:, 1].mean()), float(forward[:, 0].mean()))


def net_moments(trial: Trial, anatomy: Anatomy) -> Float[Tensor, "frame coordinate"]:
    """Moments at the joints in our coordinates, of muscles and of the joints' own springs and dampers [N m].

    That is what inverse dynamics of OpenSim finds, whose joints have neither. In static optimisation the part of the
    muscles is what was asked of them; where a body was simulated, it is what they made at the instant of the frame
    (tension times moment arm), with any reserves. At a free root, and where static optimisation asked for nothing, it
    is zero.

    Args:
        trial: The roll-out.
        anatomy: Its body.
    """
    made = trial.reserve.double().clone() if trial.simulated else trial.moment.double().clone()
    worlds = min(AT_ONCE, trial.frames)
    simulator = Threads(anatomy, worlds, dtype=torch.float64)
    everywhere = torch.ones(worlds, dtype=torch.bool)
    still = torch.zeros(worlds, anatomy.model.nu, dtype=torch.float64)
    for first in range(0, trial.frames, worlds):
        rows = torch.arange(first, first + worlds).clamp(max=trial.frames - 1)
        simulator.reset(everywhere, trial.pos[rows].double(), trial.vel[rows].double(), still)
        mechanics, here = simulator.mechanics, slice(first, first + worlds)
        count = len(made[here])
        made[here] += mechanics.passive[:count]
        if trial.simulated:
            force = trial.muscle_force[here].double()
            made[here] += torch.einsum("fm,fmc->fc", force, mechanics.moment_arm[:count])
    unasked = trial.settings.get(UNASKED, "").split(", ")
    made[:, [index for index, name in enumerate(anatomy.coordinate_names) if name in unasked]] = 0.0
    return made


def root_wrench(trial: Trial) -> Float[Tensor, "frame 6"] | None:
    """What holds the root beside the ground; None if it is fixed. In static optimisation, what nothing accounts for.

    Args:
        trial: The roll-out.

    Returns:
        Force [N] and moment about the root's origin [N m], in the world.
    """
    if not trial.free:
        return None
    if trial.simulated:
        return trial.support.double()
    left = trial.residual[:, :6].double()
    about = (to_matrix(trial.pos[:, 3:7].double()) @ left[:, 3:, None])[..., 0]
    return torch.cat([left[:, :3], about], dim=1)


def _angles(pos: Float[Tensor, "frame pos"], anatomy: Anatomy, rate: float) -> Storage:
    found = to_opensim(pos, Rig.of(anatomy))
    angles = np.array([quantity == "angle" for quantity in found.quantities])
    remarks = "Units are S.I. units (second, meters, Newtons, ...)", "Angles are in degrees."
    values = np.where(angles, np.rad2deg(found.values), found.values)
    return Storage("ik.mot", "Coordinates", found.names, values, rate, degrees=True, remarks=remarks)


def _moments(trial: Trial, anatomy: Anatomy) -> Storage:
    found = moments_to_opensim(trial.pos, net_moments(trial, anatomy), root_wrench(trial), Rig.of(anatomy))
    names = tuple(f"{name}_{'force' if name[-3:] in ('_tx', '_ty', '_tz') else 'moment'}" for name in found)
    how = "muscles by their tensions, with reserves" if trial.simulated else "muscles by inverse dynamics"
    remark = f"Net moments: {how}; springs and dampers of the joints added."
    unasked = trial.settings.get(UNASKED)
    remarks = (remark, *([f"Not asked for, and zero: {unasked}."] if unasked else []))
    values = np.stack(list(found.values()), axis=1)
    return Storage("moments.sto", "Inverse Dynamics Generalized Forces", names, values, trial.rate, remarks=remarks)


def _ground_forces(trial: Trial) -> Storage:
    """Force on each foot, where it acts, and its free moment, which a trial does not keep."""
    columns: list[str] = []
    parts: list[Tensor] = []
    for foot, side in enumerate(FEET):
        columns += [f"ground_force_{side}_v{axis}" for axis in "xyz"]
        columns += [f"ground_force_{side}_p{axis}" for axis in "xyz"]
        columns += [f"ground_torque_{side}_{axis}" for axis in "xyz"]
        force, point = trial.foot_force_w[:, foot].double(), trial.foot_cop_w[:, foot].double()
        parts += [_y_up(force), _y_up(point), torch.zeros_like(force)]
    remarks = (
        "Force on the foot and centre of pressure in the world, y up; the point is zero while the foot is unloaded.",
        "The free moment about the vertical is not known and written as zero.",
    )
    return _plain("grf.mot", "Ground reaction", tuple(columns), torch.cat(parts, dim=1), trial.rate, remarks)


def _plain(
    ending: str,
    title: str,
    columns: tuple[str, ...],
    values: Float[Tensor, "frame column"],
    rate: float,
    remarks: tuple[str, ...] = (),
) -> Storage:
    return Storage(ending, title, columns, values.double().numpy(), rate, remarks=remarks)


def _y_up(vector: Float[Tensor, "frame 3"]) -> Float[Tensor, "frame 3"]:
    """A vector of our world in OpenSim's."""
    return torch.stack([vector[:, 0], vector[:, 2], -vector[:, 1]], dim=1)


def _turned(trial: Trial, angle: float) -> Trial:
    """The same in a world turned about the vertical through its origin [rad], so far as files tell of it."""
    turn = _about_vertical(angle)

    def vectors(values: Tensor) -> Tensor:
        return values.double() @ turn.T

    residual = trial.residual.double().clone()
    residual[:, :3] = vectors(residual[:, :3])
    return replace(
        trial,
        pos=_turned_pos(trial.pos, angle),
        foot_force_w=vectors(trial.foot_force_w),
        foot_cop_w=vectors(trial.foot_cop_w),
        support=torch.cat([vectors(trial.support[:, :3]), vectors(trial.support[:, 3:])], dim=1),
        residual=residual,
    )


def _turned_pos(pos: Float[Tensor, "frame pos"], angle: float) -> Float[Tensor, "frame pos"]:
    pos = pos.double()
    quaternion = torch.tensor([math.cos(angle / 2), 0.0, 0.0, math.sin(angle / 2)], dtype=torch.float64)
    orientation = multiply(quaternion.expand(len(pos), 4), pos[:, 3:7])
    return torch.cat([pos[:, :3] @ _about_vertical(angle).T, orientation, pos[:, 7:]], dim=1)


def _about_vertical(angle: float) -> Float[Tensor, "3 3"]:
    cosine, sine = math.cos(angle), math.sin(angle)
    return torch.tensor([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)


def _heading_notes(heading: float, along_x: bool) -> list[str]:
    degrees = math.degrees(heading)
    if along_x:
        return [f"The world is turned by {-degrees:.1f} deg about the vertical; the pelvis looks along x on average."]
    if abs(heading) < ASIDE:
        return []
    return [
        f"The pelvis looks {degrees:.0f} deg off OpenSim's x on average, and pelvis_tilt and pelvis_list turn about z "
        "and x of the world: with --along-x they mean what they say."
    ]


def _finger_notes(anatomy: Anatomy) -> tuple[str, ...]:
    return ("Fingers are left out: Rajagopal's model has none.",) if anatomy.fingers else ()
