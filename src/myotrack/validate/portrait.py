"""A trial as a gait laboratory would draw a person: strides, loads, muscles and cost, each where it can be had.

    found = portrait(trial, anatomy, norms_at(folder))
    found.curve("knee_angle").mean               # 101 points, over the strides of both feet
    found.likeness("knee_angle").r               # with the norm
    found.missing["moments"]                     # one sentence on why there are none

Nothing here fails because a part of it cannot be known: the part is left out, and a sentence says why.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from myotrack.anatomy.electrodes import electrodes, means
from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import RATE, Clip
from myotrack.clips.quality import Quality, assess
from myotrack.validate.explain import LEFT_OUT
from myotrack.validate.gait import ANGLES, FORCES, LOADED, Curve, Gait
from myotrack.validate.kinetics import Kinetics, Loads, kinetics, loads
from myotrack.validate.metabolics import MODELS, Metabolics, metabolics
from myotrack.validate.muscles import SILENT
from myotrack.validate.norms import TABLES, Likeness, Norm, as_emg, compare, read_norms
from myotrack.validate.tracking import body_weight, support_force
from myotrack.validate.trials import Trial
from myotrack.validate.walker import GaitError, Walker

CHANNELS = tuple(name for table in TABLES if table.kind == "emg" for name in table.columns)
"""Muscles that are set beside EMG, in words."""
WITHOUT_NORMS = (
    "Curves of people are not at hand: they are no part of myotrack, and MYOTRACK_DATA names no folder that holds "
    "normative/."
)
FEWEST = 20
"""Frames of a trial below which nothing of a gait is looked for. Not tuned: a fifth of a second, less than any step."""


@dataclass(frozen=True)
class Portrait:
    """What is known of a trial that is known of people, too."""

    name: str
    kinetics: Kinetics | None = None
    """Of its strides; moments and powers only if they can be had."""
    muscles: Mapping[str, Curve] = field(default_factory=dict)
    """What muscles under an electrode are told over a cycle, low-passed as EMG is, by `CHANNELS`; share of all."""
    activity: Float[np.ndarray, "muscle 101"] | None = None
    """Activation of every muscle of the body, mean over strides; a foot's own side under the names of the right."""
    spent: tuple[Metabolics, ...] = ()
    """By each of `metabolics.MODELS`, over the whole trial."""
    unexplained: float | None = None
    """Force at the root that motion and ground leave unexplained, RMS over body weight; None if nobody has looked."""
    norms: Mapping[str, Norm] = field(default_factory=dict)
    reference: Quality | None = None
    """What is wrong with the motion that was followed, as far as the trial went; nobody knows its contacts any more."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Why there is none of 'gait', 'forces', 'moments', 'muscles', 'cost', 'norms', 'emg' or some 'frames': a sentence
    each."""

    @property
    def gait(self) -> Gait | None:
        """The strides; None without a whole one."""
        return None if self.kinetics is None else self.kinetics.gait

    @property
    def names(self) -> tuple[str, ...]:
        """Of all curves that there are."""
        wanted = (*ANGLES, *FORCES, *(f"{joint}_{what}" for what in ("moment", "power") for joint in LOADED))
        return (*(name for name in wanted if self.curve(name) is not None), *self.muscles)

    def curve(self, name: str) -> Curve | None:
        """Of an angle [rad], a force [body weight], a moment [N m/kg], a power [W/kg] or a muscle; None if unknown."""
        if name in self.muscles:
            return self.muscles[name]
        joint, _, what = name.rpartition("_")
        try:
            if self.gait is None:
                return None
            if name in ANGLES:
                return self.gait.angle(name)
            if name in FORCES:
                return self.gait.force(name)
            if joint in LOADED and what in ("moment", "power"):
                return self.gait.moment(joint) if what == "moment" else self.gait.power(joint)
        except GaitError:
            return None
        return None

    @cached_property
    def likenesses(self) -> dict[str, Likeness]:
        """Of every curve that has a norm, by name."""
        found = {name: self.curve(name) for name in self.names if name in self.norms}
        return {name: compare(curve.mean, self.norms[name]) for name, curve in found.items() if curve is not None}

    def mean_r(self, names: tuple[str, ...]) -> float:
        """Mean correlation with norms; a silent muscle scores nothing, and nothing is the mean of none."""
        told = [self.likenesses[name].r or 0.0 for name in names if name in self.likenesses]
        return float(np.mean(told)) if told else math.nan

    def silent(self, muscle: str) -> bool:
        """Whether a muscle is told so little that its shape means nothing."""
        return float(self.muscles[muscle].mean.mean()) < SILENT


def norms_at(folder: Path | None) -> dict[str, Norm]:
    """Norms of walking, by name; none where they are not.

    Args:
        folder: The one that MYOTRACK_DATA names.

    Raises:
        NormError: There are some, and they cannot be used.
    """
    if folder is None or not (folder / "normative").is_dir():
        return {}
    tables = tuple(table for table in TABLES if (folder / "normative" / table.file).is_file())
    return read_norms(folder / "normative", tables)


def portrait(
    trial: Trial, anatomy: Anatomy, norms: Mapping[str, Norm] | None = None, no_norms: str = WITHOUT_NORMS
) -> Portrait:
    """Everything that can be known of a trial.

    Args:
        trial: Of any kind and body, whole or not.
        anatomy: Its body.
        norms: Of people (`norms_at`).
        no_norms: Why there are none.

    Raises:
        ValueError: It is another body.
    """
    trial.check(anatomy)
    missing: dict[str, str] = {} if norms else {"norms": no_norms}
    if LEFT_OUT in trial.settings:
        missing["frames"] = f"Left out: {trial.settings[LEFT_OUT]}"
    if not trial.simulated and trial.emg is None:
        missing["emg"] = "No EMG was recorded with the motion, so activations stand alone."
    held, spent = _held(trial, anatomy), ()
    if held or not trial.frames:
        missing["cost"] = held or "There are no frames, so nothing was spent."
    else:
        spent = tuple(metabolics(trial, model, anatomy) for model in MODELS)
    found = Portrait(
        trial.name, spent=spent, norms=norms or {}, reference=quality_of_reference(trial, anatomy), missing=missing
    )
    try:
        if trial.frames < FEWEST and trial.free:
            raise GaitError(f"'{trial.name}' lasts {trial.duration:.2f} s, and a stride takes longer.")
        walker = Walker.of_trial(trial, anatomy)
        walker = _as_emg(walker, missing)
        strides = kinetics(walker)
    except GaitError as error:
        missing["gait"] = str(error)
        return found
    if walker.force_w is None:
        missing["forces"] = "No force of the ground was recorded, so the strides were told from the motion of the feet."
    unexplained, moving = None, _loads(trial, anatomy, walker, held, missing)
    if moving is not None:
        strides = kinetics(walker, moving)
        left = moving.residual[:, :3].norm(dim=1).square().mean().sqrt()
        unexplained = float(left) / body_weight(anatomy)
    active = [stride.activation for stride in strides.gait.strides if stride.activation is not None]
    return replace(
        found,
        kinetics=strides,
        muscles=_told(strides.gait, held, missing),
        activity=np.mean(active, axis=0).T if active else None,
        unexplained=unexplained,
    )


def quality_of_reference(trial: Trial, anatomy: Anatomy) -> Quality | None:
    """Of the motion that a trial followed; None without frames, or at another rate than that of clips.

    Args:
        trial: Of any kind.
        anatomy: Its body.
    """
    if trial.frames < 3 or trial.rate != RATE:
        return None
    return assess(followed(trial, anatomy), anatomy)


def followed(trial: Trial, anatomy: Anatomy) -> Clip:
    """The motion that a trial followed, as far as it went; nobody knows its contacts any more.

    Args:
        trial: Of some frames, at the rate of clips.
        anatomy: Its body.
    """
    vel = trial.reference_vel.double()
    return Clip(
        name=trial.name, body=trial.body, fingers=trial.fingers, body_hash=trial.body_hash, sizes=trial.sizes,
        pos=trial.reference_pos.double(), vel=vel, acc=torch.gradient(vel, spacing=1 / RATE, dim=0)[0],
        contact=torch.zeros(trial.frames, len(anatomy.foot_regions), dtype=torch.bool), provenance=trial.provenance,
    )  # fmt: skip


def _held(trial: Trial, anatomy: Anatomy) -> str:
    """Whether something carried the body, so that its effort is not that of a person: a sentence, or nothing."""
    if trial.free and bool(trial.support.any()):
        share = 100 * float(support_force(trial).mean()) / body_weight(anatomy)
        return (
            f"A support of {share:.0f} % of body weight on average held the pelvis, so forces, moments, muscles and "
            "cost are not those of a body on its own feet."
        )
    if bool(trial.reserve.any()):
        return "Reserve moments from outside helped the joints, so moments, muscles and cost are not the body's own."
    return ""


def _loads(trial: Trial, anatomy: Anatomy, walker: Walker, held: str, missing: dict[str, str]) -> Loads | None:
    """Of the joints, or the reason why there are none."""
    if held:
        missing["moments"] = held
    elif walker.force_w is None:
        missing["moments"] = "Without forces of the ground nobody can tell the moments of the joints."
    else:
        try:
            return loads(trial, anatomy)
        except (GaitError, ValueError) as error:
            missing["moments"] = str(error)
    return None


def _as_emg(walker: Walker, missing: dict[str, str]) -> Walker:
    """With excitations as EMG has them; without any, and the reason why, where they cannot be filtered."""
    if walker.excitation is None:
        missing["muscles"] = "Nothing was simulated, so nobody knows what the muscles were told."
        return walker
    try:
        return replace(walker, excitation=as_emg(walker.excitation, walker.rate))
    except ValueError as error:
        missing["muscles"] = f"Excitations cannot be low-passed as EMG is: {error}"
        return replace(walker, excitation=None)


def _told(gait: Gait, held: str, missing: dict[str, str]) -> dict[str, Curve]:
    """What muscles under electrodes are told, or the reason why nobody knows."""
    if gait.strides[0].excitation is None:
        return {}
    if held:
        missing["muscles"] = held
        return {}
    channels = electrodes(CHANNELS, gait.anatomy)
    shares = means(channels, gait.anatomy).numpy()
    return {each.channel: gait.excitation(row) for each, row in zip(channels, shares, strict=True)}
