"""Whoever walks: a trial or a clip, with what a gait is read from, and the directions in which it is seen."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.algebra.quaternion import to_matrix
from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import RATE, Clip
from myotrack.steer.ground import STOOD_ON
from myotrack.validate.events import Events, from_contacts, from_forces, from_motion
from myotrack.validate.tracking import body_weight
from myotrack.validate.trials import Trial

PELVIS = {
    "pelvis_tilt": "pelvis tilted backward",
    "pelvis_list": "pelvis lower on the foot's own side",
    "pelvis_rotation": "pelvis turned forward on the foot's own side",
}
"""Angles of the pelvis against the direction of walking and the vertical, and what is positive; in this order about the
axis to the right, forward and up. Source: Rajagopal et al. 2016, doi:10.1109/TBME.2016.2586891, the model's joint."""
FAR = 0.2
"""Way of a stride from which it tells where forward is [m]; on a treadmill it is where the pelvis faces. Not tuned."""
_AXES = torch.tensor([[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
"""Columns: right, forward and up of a pelvis with the orientation 1."""


class GaitError(ValueError):
    """There is no gait to be judged. The message says of what and why, in one sentence."""


@dataclass(frozen=True)
class Walker:
    """What a gait is read from: a trial, or a clip with or without measured forces."""

    name: str
    anatomy: Anatomy
    rate: float
    """[Hz]"""
    pos: Float[Tensor, "frame pos"]
    """Independent coordinates z [m, quaternion (w, x, y, z), rad]."""
    events: Events
    force_w: Float[np.ndarray, "frame 2 3"] | None
    """On the right and the left foot, over body weight, in the world; None if unknown."""
    activation: Float[np.ndarray, "frame muscle"] | None
    """In [0, 1]; None if unknown."""
    excitation: Float[np.ndarray, "frame muscle"] | None = None
    """What muscles are told, in [0, 1]; None if unknown, or where nothing is simulated."""
    moment: Float[np.ndarray, "frame coordinate"] | None = None
    """Net moments at the joints over body mass [N m/kg], as `kinetics.Loads` has them; None if nobody asked."""
    power: Float[np.ndarray, "frame coordinate"] | None = None
    """Their powers over body mass [W/kg]; None if nobody asked."""
    reaction: Float[np.ndarray, "frame 2 crossed"] | None = None
    """Size of the force of bone on bone in the joints of the right and the left leg, as `joint_reaction.CROSSED`, over
    body weight; None if unknown."""

    @classmethod
    def of_trial(cls, trial: Trial, anatomy: Anatomy) -> "Walker":
        """A roll-out. Events come from its forces; from the motion where it has none.

        Raises:
            GaitError: The body has no feet.
            ValueError: It is another body.
        """
        trial.check(anatomy)
        _footed(trial.name, anatomy)
        force = trial.foot_force_w.double().numpy()
        activation = trial.activation.double().numpy()
        excitation = None if trial.excitation is None else trial.excitation.double().numpy()
        if (force[:, :, 2] > STOOD_ON).any():
            events, over_weight = from_forces(force[:, :, 2], trial.rate), force / body_weight(anatomy)
        else:
            events, over_weight = swung(trial.pos, anatomy, trial.rate), None
        return cls(trial.name, anatomy, trial.rate, trial.pos, events, over_weight, activation, excitation)

    @classmethod
    def of_clip(
        cls, clip: Clip, anatomy: Anatomy, force: Float[Tensor, "frame 2 3"] | None = None, weight: float | None = None
    ) -> "Walker":
        """A reference motion. Events come from measured forces if there are any, else from its contacts.

        Args:
            clip: The motion.
            anatomy: Its body.
            force: On the right and the left foot in the clip's world [N], as `steer.ground.ground_of` has it.
            weight: Of the person whose forces they are [N]; that of the body if not given.

        Raises:
            GaitError: The body has no feet.
            ValueError: It is another body.
        """
        clip.check(anatomy)
        _footed(clip.name, anatomy)
        if force is None:
            stands = clip.contact.reshape(clip.frames, 2, -1).any(dim=2).numpy()
            return cls(clip.name, anatomy, RATE, clip.pos, from_contacts(stands, RATE), None, None)
        measured = force.double().numpy()
        events = from_forces(measured[:, :, 2], RATE)
        return cls(clip.name, anatomy, RATE, clip.pos, events, measured / (weight or body_weight(anatomy)), None)

    def mirrored(self) -> "Walker":
        """The mirror image: what the left did, the right does. Its own inverse."""
        mirror = self.anatomy.mirror
        return replace(
            self,
            pos=mirror.z(self.pos),
            events=self.events.mirrored(),
            force_w=None if self.force_w is None else self.force_w[:, ::-1] * np.array([-1.0, 1.0, 1.0]),
            activation=None if self.activation is None else self.activation[:, mirror.muscle_index.numpy()],
            excitation=None if self.excitation is None else self.excitation[:, mirror.muscle_index.numpy()],
            moment=None if self.moment is None else mirror.rate(torch.as_tensor(self.moment)).numpy(),
            power=None if self.power is None else self.power[:, mirror.rate_index.numpy()],
            reaction=None if self.reaction is None else self.reaction[:, ::-1],
        )


def forward_of(pos: Float[Tensor, "frame pos"]) -> Float[np.ndarray, "3"]:
    """Along the way of the root, to where the pelvis faces: a level unit vector of the world."""
    facing = (to_matrix(pos[:, 3:7]) @ _AXES)[:, :, 1].mean(dim=0).numpy() * [1.0, 1.0, 0.0]
    way = (pos[-1, :3] - pos[0, :3]).numpy() * [1.0, 1.0, 0.0]
    if np.linalg.norm(way) < FAR:
        way = facing
    way = way if way @ facing >= 0 else -way
    return way / np.linalg.norm(way)


def swung(pos: Float[Tensor, "frame pos"], anatomy: Anatomy, rate: float) -> Events:
    """Events of a motion without forces and contacts, from how far the feet are ahead of the pelvis."""
    forward = torch.as_tensor(forward_of(pos), dtype=torch.float64)
    place = anatomy.kinematics.pose(pos).pos @ forward
    pelvis = place[:, [anatomy.landmarks.index("pelvis")]]
    ankles, toes = (
        (place[:, [anatomy.landmarks.index(f"{side}_{part}") for side in ("right", "left")]] - pelvis).numpy()
        for part in ("ankle", "toe")
    )
    return from_motion(ankles, toes, rate)


def pelvis_angles(quaternion: Float[Tensor, "frame 4"], forward: Float[np.ndarray, "3"]) -> Float[Tensor, "frame 3"]:
    """Tilt, list and rotation of the pelvis of a right foot, as `PELVIS` [rad].

    Args:
        quaternion: Orientation of the root in the world (w, x, y, z).
        forward: Where the body walks to, a level unit vector of the world.
    """
    ahead = torch.as_tensor(forward, dtype=torch.float64)
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    level = torch.stack([torch.linalg.cross(ahead, up), ahead, up], dim=1)
    turn = level.T @ to_matrix(quaternion) @ _AXES
    # turn = about right (tilt), about forward (list), about up (rotation).
    tilt = torch.atan2(-turn[:, 1, 2], turn[:, 2, 2])
    return torch.stack(
        [tilt, torch.asin(turn[:, 0, 2].clamp(-1, 1)), torch.atan2(-turn[:, 0, 1], turn[:, 0, 0])], dim=1
    )


def _footed(name: str, anatomy: Anatomy) -> None:
    if not anatomy.free or len(anatomy.foot_regions) < 2:
        raise GaitError(f"'{name}' is of the body '{anatomy.name}', which has no feet to walk on.")
