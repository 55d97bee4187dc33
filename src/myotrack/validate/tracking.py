"""How well a body kept to its reference, and what that took: errors, effort, and what came from outside."""

from dataclasses import dataclass
from math import nan

import numpy as np
from jaxtyping import Float

from myotrack.anatomy.model import Anatomy
from myotrack.track.terminate import distances
from myotrack.validate.trials import Trial

GRAVITY = 9.81
"""[m/s²]"""
SATURATED = 0.99
"""Activation from which a muscle counts as giving all it has. Tuned: the excitation that holds a muscle at full
activation lets it rest within 0.1 % of 1."""
HANDS = ("right_hand", "left_hand")
"""Landmarks whose error is that of the hands."""


@dataclass(frozen=True)
class Spread:
    """A quantity over frames and places: its middle, its tail and its worst."""

    mean: float
    high: float
    """95 of 100 values are below."""
    worst: float
    where: str = ""
    """What was worst, and when."""

    @classmethod
    def of(cls, values: Float[np.ndarray, "frame place"], names: tuple[str, ...], rate: float) -> "Spread":
        """Of the sizes of some values; NaN without any."""
        if not values.size:
            return cls(nan, nan, nan)
        size = np.abs(values)
        frame, place = np.unravel_index(int(size.argmax()), size.shape)
        where = f"{names[place]} at {frame / rate:.2f} s"
        return cls(float(size.mean()), float(np.percentile(size, 95)), float(size.max()), where)


def joint_errors(trial: Trial) -> Float[np.ndarray, "frame joint"]:
    """Joint angles minus their reference, of the independent joints without the root [deg]."""
    skip = 7 if trial.free else 0
    return np.degrees((trial.pos - trial.reference_pos)[:, skip:].numpy())


def landmark_errors(trial: Trial) -> Float[np.ndarray, "frame landmark"]:
    """Distances of the landmarks from their reference [m]."""
    return (trial.landmark_pos_w - trial.reference_landmark_pos_w).norm(dim=-1).double().numpy()


def relative_errors(trial: Trial, anatomy: Anatomy) -> Float[np.ndarray, "frame"]:
    """Mean distance of the landmarks from their reference, the pelvis laid onto its own [m]; as it is without one."""
    return distances(trial.landmark_pos_w - trial.reference_landmark_pos_w, anatomy)[0].double().numpy()


def drift(trial: Trial) -> float:
    """By how much the mean landmark error grows: slope of the straight line nearest to it [m/s]; NaN of one frame."""
    error = landmark_errors(trial).mean(axis=1)
    time = (np.arange(trial.frames) - (trial.frames - 1) / 2) / trial.rate
    return float(time @ error / (time @ time)) if trial.frames > 1 else nan


def joint_velocity_errors(trial: Trial) -> Float[np.ndarray, "frame joint"]:
    """Rates of the joint angles minus their reference, of the independent joints without the root [deg/s]."""
    return np.degrees((trial.vel - trial.reference_vel)[:, trial.joints].numpy())


def hand_errors(trial: Trial, anatomy: Anatomy) -> Float[np.ndarray, "frame hand"]:
    """The same of the hands: third metacarpals, right then left [m]."""
    return landmark_errors(trial)[:, [anatomy.landmarks.index(name) for name in HANDS]]


def root_errors(trial: Trial) -> tuple[Float[np.ndarray, "frame"], Float[np.ndarray, "frame"]]:
    """Distance [m] and angle [deg] of a free root from its reference; empty for a body without one."""
    if not trial.free:
        return np.zeros(0), np.zeros(0)
    distance = (trial.pos - trial.reference_pos)[:, :3].norm(dim=1)
    mine, other = trial.pos[:, 3:7], trial.reference_pos[:, 3:7]
    # Of a quaternion's two signs the nearer; the chord is exact where the cosine has lost its digits.
    chord = (mine - other).norm(dim=1).minimum((mine + other).norm(dim=1))
    angle = 4 * (chord / 2).clamp(max=1).arcsin()
    return distance.double().numpy(), np.degrees(angle.double().numpy())


def joint_moments(trial: Trial, which: str) -> Float[np.ndarray, "frame joint"]:
    """Moments of the independent joints without the root [N m].

    Args:
        trial: A roll-out.
        which: 'moment', 'residual' or 'reserve'.
    """
    return getattr(trial, which)[:, trial.joints].double().numpy()


def root_mean_square(values: Float[np.ndarray, "*any"]) -> float:
    """Root of the mean square; NaN of nothing."""
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else nan


def activation_level(trial: Trial) -> tuple[float, float]:
    """Mean activation of all muscles over time, and share of it all that is saturated."""
    activation = trial.activation.double()
    return float(activation.mean()), float((activation >= SATURATED).double().mean())


def activation_square(trial: Trial) -> float:
    """Mean of the squared activations of all muscles over time."""
    return float(trial.activation.double().square().mean())


def excitation_change(trial: Trial) -> float:
    """Mean size of the change of an excitation from one frame to the next; NaN of one frame, or without excitations."""
    if trial.excitation is None or trial.frames < 2:
        return nan
    return float(trial.excitation.double().diff(dim=0).abs().mean())


def support_force(trial: Trial) -> Float[np.ndarray, "frame"]:
    """Size of the force that holds the root [N]."""
    return trial.support[:, :3].double().norm(dim=1).numpy()


def unexplained_force(trial: Trial) -> Float[np.ndarray, "frame"]:
    """Size of the force at a free root that nothing accounts for [N]; zero for a body without one."""
    return trial.residual[:, :3].double().norm(dim=1).numpy() if trial.free else np.zeros(trial.frames)


def body_weight(anatomy: Anatomy) -> float:
    """[N]"""
    return GRAVITY * float(anatomy.model.body_mass.sum())


def survival(trial: Trial) -> float:
    """Share of the clip that was done before the trial ended."""
    return trial.frames / max(trial.wanted_frames, 1)


def real_time(trial: Trial) -> float:
    """How many seconds of motion a second of computing makes; NaN if nobody has measured."""
    return trial.frames / trial.rate / trial.seconds if trial.seconds > 0 else nan
