"""What one side of a comparison has of a motion, whatever it is: trials, a clip, or a scorecard without its trials."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import RATE, Clip
from myotrack.clips.quality import Quality, assess
from myotrack.validate.kinetics import kinetics
from myotrack.validate.metrics import BY_NAME, Better, Score
from myotrack.validate.norms import Norm
from myotrack.validate.portrait import CHANNELS, Portrait, portrait, quality_of_reference
from myotrack.validate.scorecard import judge
from myotrack.validate.trials import Trial
from myotrack.validate.walker import GaitError, Walker

Part = Literal["scores", "motion", "gait", "ground", "people", "cost"]
PEOPLE = {"angles": ("hip_flexion", "knee_angle", "ankle_angle"), "force": ("vertical",), "muscles": CHANNELS}
"""Curves whose mean correlation with those of people is one number."""
QUALITY = {
    "jerk": "m/s³",
    "limit_violation": "of frames and coordinates",
    "worst_limit_excess": "rad",
    "deepest_penetration": "m",
    "self_penetration": "m",
}
"""Fields of `clips.quality.Quality` that a motion is compared by, whoever made it, and their units; less is better."""
FLOOR = "deepest_penetration"
"""Of these, what a body on a fixed trunk has not."""
NO_MOTION = (
    "there is its scorecard only, so its motion, forces and muscles are not compared; let it perform with --clips"
)
NO_MUSCLES = "a clip is a motion alone, so it has no forces, muscles, cost or scores"


@dataclass(frozen=True)
class Measure:
    """A number per motion: what it is called, and which way is good."""

    name: str
    """Of a metric, of a gait parameter, of a field of `kinetics.Reaction`, of `QUALITY`, of `PEOPLE`, or of a metabolic
    model and 'net', 'gross' or 'transport'."""
    part: Part
    unit: str
    better: Better = "neither"
    share: bool = False
    """As that of `metrics.Metric`."""


@dataclass(frozen=True)
class Seen:
    """A motion frame by frame."""

    anatomy: Anatomy
    rate: float
    """[Hz]"""
    angles: Float[np.ndarray, "frame joint"]
    """Of the independent joints without the root [rad]."""
    reference: Float[np.ndarray, "frame joint"]
    """What was followed; of a clip the clip [rad]."""
    landmarks: Float[np.ndarray, "frame landmark 3"]
    """In the world [m]."""
    activation: Float[np.ndarray, "frame muscle"] | None
    """In [0, 1]; None if nobody knows."""
    portrait: Portrait
    quality: Quality | None
    """Of what was done; None of next to nothing, or at another rate than that of clips."""

    @property
    def joints(self) -> tuple[str, ...]:
        """Of the columns of `angles`."""
        return self.anatomy.coordinate_names[6 if self.anatomy.free else 0 :]


@dataclass(frozen=True)
class Take:
    """One side's performance of one motion."""

    motion: str
    what: str
    """The kind of a trial, 'clip' or 'scorecard'."""
    scores: Mapping[str, float]
    """By metric; means over the seeds of a policy."""
    seen: Seen | None
    """Of the first seed; None of a scorecard."""
    remarks: tuple[str, ...] = ()
    """What must be said of it, in sentences without subject."""

    @classmethod
    def of_trials(cls, trials: Sequence[tuple[Trial, Anatomy]], norms: Mapping[str, Norm] | None = None) -> "Take":
        """One motion, once or by several seeds. Of several ways of acting the first counts.

        Args:
            trials: Of the motion, each with its body.
            norms: Of people (`portrait.norms_at`).
        """
        trial, anatomy = trials[0]
        scores: dict[str, list[float]] = {}
        for each, body in trials:
            if each.acting == trial.acting:
                for score in judge(each, body):
                    scores.setdefault(score.metric, []).append(score.value)
        angles = slice(7 if trial.free else 0, None)
        seen = Seen(
            anatomy=anatomy,
            rate=trial.rate,
            angles=trial.pos[:, angles].double().numpy(),
            reference=trial.reference_pos[:, angles].double().numpy(),
            landmarks=trial.landmark_pos_w.double().numpy(),
            activation=trial.activation.double().numpy(),
            portrait=portrait(trial, anatomy, norms),
            quality=quality_of_reference(replace(trial, reference_pos=trial.pos, reference_vel=trial.vel), anatomy),
        )
        early = (f"ended after {trial.duration:.2f} s: {trial.ended}",) if trial.ended else ()
        means = {name: float(np.mean(values)) for name, values in scores.items()}
        return cls(trial.name, trial.kind, means, seen, early)

    @classmethod
    def of_clip(cls, clip: Clip, anatomy: Anatomy, norms: Mapping[str, Norm] | None = None) -> "Take":
        """A motion as it was recorded, or made up.

        Raises:
            ValueError: The clip belongs to another body.
        """
        clip.check(anatomy)
        try:
            known = Portrait(clip.name, kinetics=kinetics(Walker.of_clip(clip, anatomy)), norms=norms or {})
        except GaitError as error:
            known = Portrait(clip.name, norms=norms or {}, missing={"gait": str(error)})
        pos = clip.pos.double()
        angles = pos[:, 7 if anatomy.free else 0 :].numpy()
        places = anatomy.kinematics.pose(pos).pos.numpy()
        quality = assess(clip, anatomy) if clip.frames > 2 else None
        seen = Seen(anatomy, RATE, angles, angles, places, None, known, quality)
        return cls(clip.name, "clip", {}, seen, (NO_MUSCLES,))

    @classmethod
    def of_scores(cls, motion: str, scores: Sequence[Score]) -> "Take":
        """A motion of which the numbers alone were kept, as those of a policy in 'checkpoints'."""
        found: dict[str, list[float]] = {}
        for score in scores:
            if score.acting == scores[0].acting:
                found.setdefault(score.metric, []).append(score.value)
        return cls(
            motion, "scorecard", {name: float(np.mean(all_)) for name, all_ in found.items()}, None, (NO_MOTION,)
        )

    @property
    def numbers(self) -> dict[Measure, float]:
        """All that there are of it, without those that are no numbers."""
        found = dict(_scored(self.scores))
        if self.seen is not None:
            found |= dict(_moved(self.seen)) | dict(_pictured(self.seen.portrait))
        return {measure: value for measure, value in found.items() if np.isfinite(value)}


def _scored(scores: Mapping[str, float]) -> Iterator[tuple[Measure, float]]:
    for name, metric in BY_NAME.items():
        if name in scores:
            yield Measure(name, "scores", metric.unit, metric.better, metric.share), scores[name]


def _moved(seen: Seen) -> Iterator[tuple[Measure, float]]:
    for name, unit in QUALITY.items() if seen.quality is not None else ():
        if name != FLOOR or seen.anatomy.free:
            yield Measure(name, "motion", unit, "lower"), getattr(seen.quality, name)


def _pictured(known: Portrait) -> Iterator[tuple[Measure, float]]:
    """Numbers of a portrait."""
    if known.kinetics is not None:
        for name, parameter in known.kinetics.gait.parameters().items():
            yield Measure(name, "gait", parameter.unit), parameter.mean
        if known.kinetics.right or known.kinetics.left:
            for name, parameter in known.kinetics.ground().items():
                yield Measure(name, "ground", parameter.unit), parameter.mean
    for name, curves in PEOPLE.items():
        yield Measure(name, "people", "r", "higher"), known.mean_r(curves)
    for spent in known.spent:
        told = (("net", "W/kg", spent.net), ("gross", "W/kg", spent.gross), ("transport", "J/kg/m", spent.cost.gross))
        for what, unit, value in told:
            if value is not None:
                yield Measure(f"{spent.model}_{what}", "cost", unit), value
