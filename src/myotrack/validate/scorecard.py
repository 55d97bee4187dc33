"""`Scorecard`: every metric of every trial with its unit, its direction, its value and where it comes from."""

import json
import math
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from myotrack.anatomy.model import Anatomy
from myotrack.validate.tracking import (
    Spread,
    activation_level,
    body_weight,
    hand_errors,
    joint_errors,
    joint_moments,
    landmark_errors,
    real_time,
    root_errors,
    root_mean_square,
    support_force,
    survival,
    unexplained_force,
)
from myotrack.validate.trials import Trial

FORMAT, VERSION = "myotrack scorecard", 1
Better = Literal["lower", "higher", "neither"]


@dataclass(frozen=True)
class Metric:
    """What a number is called, what it is measured in, and what it means to somebody who is no engineer."""

    name: str
    title: str
    unit: str
    better: Better
    meaning: str
    digits: int = 1


METRICS = (
    Metric("survival", "motion completed", "%", "higher",
           "How much of the reference motion was performed before the trial ended.", 0),
    Metric("joint_error_mean", "joint error, mean", "deg", "lower",
           "How far joint angles were from the reference, over all joints and the whole time.", 2),
    Metric("joint_error_95", "joint error, 95 %", "deg", "lower",
           "Joints were nearer to the reference than this for 95 % of the time.", 2),
    Metric("joint_error_worst", "joint error, worst", "deg", "lower",
           "The largest error of any joint at any instant.", 2),
    Metric("landmark_error_mean", "landmark error, mean", "mm", "lower",
           "How far anatomical points (shoulders, elbows, hands, hips ...) were from where they should be."),
    Metric("hand_error_mean", "hand error, mean", "mm", "lower",
           "The same for the two hands (third metacarpal), where errors of the whole arm add up."),
    Metric("root_position_error", "pelvis position error, mean", "mm", "lower",
           "How far the pelvis was from its reference."),
    Metric("root_orientation_error", "pelvis orientation error, mean", "deg", "lower",
           "How far the pelvis was turned from its reference.", 2),
    Metric("activation_mean", "muscle activation, mean", "%", "neither",
           "How active muscles were, over all muscles and the whole time; 100 % is full effort."),
    Metric("activation_saturated", "muscles at their limit", "%", "lower",
           "How much of the time muscles gave all they have (activation of 99 % or more).", 2),
    Metric("residual_rms", "missed moment, RMS", "N m", "lower",
           "Joint moment that the motion asked for and the muscles did not deliver.", 2),
    Metric("residual_peak", "missed moment, peak", "N m", "lower",
           "The largest such moment at any joint and instant."),
    Metric("reserve_rms", "reserve moment, RMS", "N m", "lower",
           "Joint moment added from outside the body to help the muscles; 0 means muscles did it all.", 2),
    Metric("reserve_peak", "reserve moment, peak", "N m", "lower",
           "The largest such moment at any joint and instant."),
    Metric("pelvis_residual_rms", "pelvis residual force, RMS", "% of body weight", "lower",
           "Force at the pelvis that motion, masses and ground forces leave unexplained."),
    Metric("support_force_mean", "support force, mean", "N", "lower",
           "Force from outside that held the pelvis; a person has no such help.", 0),
    Metric("support_weight_mean", "support force, mean", "% of body weight", "lower",
           "The same as a share of body weight."),
    Metric("support_weight_peak", "support force, peak", "% of body weight", "lower",
           "The largest such force at any instant."),
    Metric("real_time", "speed", "times real time", "higher",
           "Seconds of motion computed per second on the computer that made the trial.", 2),
)  # fmt: skip
"""In the order of tables."""
BY_NAME = {metric.name: metric for metric in METRICS}


@dataclass(frozen=True)
class Score:
    """One number of a scorecard."""

    trial: str
    metric: str
    """A name in `METRICS`."""
    unit: str
    better: Better
    """Which way is good."""
    value: float
    source: str
    """How it was found, with what was worst where that is known."""

    @property
    def text(self) -> str:
        """The value as tables show it."""
        return f"{self.value:.{BY_NAME[self.metric].digits if self.metric in BY_NAME else 2}f}"


@dataclass(frozen=True)
class Scorecard:
    """The scores of a run."""

    rows: tuple[Score, ...]

    @classmethod
    def of(cls, trials: Sequence[tuple[Trial, Anatomy]]) -> "Scorecard":
        """Judge trials, each with its body."""
        return cls(tuple(score for trial, anatomy in trials for score in judge(trial, anatomy)))

    @property
    def trials(self) -> tuple[str, ...]:
        """Names of the trials, in order."""
        return tuple(dict.fromkeys(row.trial for row in self.rows))

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Those that any trial has, in the order of tables."""
        return tuple(metric for metric in METRICS if any(row.metric == metric.name for row in self.rows))

    def at(self, trial: str, metric: str) -> Score | None:
        """One score; None if the trial has no such number."""
        return next((row for row in self.rows if (row.trial, row.metric) == (trial, metric)), None)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"format": FORMAT, "version": VERSION, "rows": [asdict(row) for row in self.rows]}

    def save(self, path: str | Path) -> None:
        """Write as JSON, whole or not at all."""
        path = Path(path)
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        try:
            part.write_text(json.dumps(self.as_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | Path) -> "Scorecard":
        """Read what `save` wrote.

        Raises:
            ValueError: It is not there, or not a scorecard of this version; the message names the file.
        """
        path, again = Path(path), "make it again with `myotrack report`"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ValueError(f"{path}: cannot be read ({error.strerror or error}); {again}.") from error
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: this is not JSON; {again}.") from error
        if not isinstance(content, dict) or (content.get("format"), content.get("version")) != (FORMAT, VERSION):
            raise ValueError(f"{path}: this is not a scorecard of version {VERSION}; {again}.")
        try:
            rows = tuple(Score(**row) for row in content["rows"])
            sound = all(isinstance(row.value, int | float) and row.better in get_args(Better) for row in rows)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path}: this is not a scorecard ({error}); {again}.") from error
        if not sound:
            raise ValueError(f"{path}: a value of this scorecard is not a number; {again}.")
        return cls(rows)


def judge(trial: Trial, anatomy: Anatomy) -> list[Score]:
    """Every score that makes sense for a trial."""
    scores: dict[str, tuple[float, str]] = {}
    names = anatomy.coordinate_names[trial.joints]
    if trial.simulated:
        scores |= _tracking(trial, anatomy, names)
    level, saturated = activation_level(trial)
    muscles = f"{trial.activation.shape[1]} muscles, {trial.frames} frames"
    scores["activation_mean"] = 100 * level, muscles
    scores["activation_saturated"] = 100 * saturated, muscles
    # Static optimisation asks nothing of some joints, as the toes: they would only thin the mean.
    asked = (joint_moments(trial, "moment") != 0).any(axis=0) | trial.simulated
    names = tuple(name for name, mine in zip(names, asked, strict=True) if mine)
    for which in ("residual", "reserve"):
        moments = joint_moments(trial, which)[:, asked]
        spread = Spread.of(moments, names, trial.rate)
        scores[f"{which}_rms"] = root_mean_square(moments), f"{len(names)} joints, {trial.frames} frames"
        scores[f"{which}_peak"] = spread.worst, spread.where if spread.worst > 0 else "never"
    if trial.free and not trial.simulated:
        left = root_mean_square(unexplained_force(trial))
        scores["pelvis_residual_rms"] = 100 * left / body_weight(anatomy), f"{left:.0f} N"
    if trial.free and trial.simulated:
        force, weight = support_force(trial), body_weight(anatomy)
        about = f"body weight {weight:.0f} N"
        scores["support_force_mean"] = float(force.mean()), about
        scores["support_weight_mean"] = 100 * float(force.mean()) / weight, about
        when = f"at {int(force.argmax()) / trial.rate:.2f} s" if force.max() > 0 else "never"
        scores["support_weight_peak"] = 100 * float(force.max()) / weight, when
    scores["real_time"] = real_time(trial), f"{trial.seconds:.1f} s for {trial.duration:.1f} s of motion"
    return [
        Score(trial.name, metric.name, metric.unit, metric.better, *scores[metric.name])
        for metric in METRICS
        if metric.name in scores and math.isfinite(scores[metric.name][0])
    ]


def _tracking(trial: Trial, anatomy: Anatomy, names: tuple[str, ...]) -> dict[str, tuple[float, str]]:
    """Scores of keeping to the reference."""
    joints = Spread.of(joint_errors(trial), names, trial.rate)
    landmarks = Spread.of(landmark_errors(trial), anatomy.landmarks, trial.rate)
    about = f"{len(names)} joints, {trial.frames} frames"
    scores = {
        "survival": (100 * survival(trial), f"{trial.frames} of {trial.wanted_frames} frames"),
        "joint_error_mean": (joints.mean, about),
        "joint_error_95": (joints.high, about),
        "joint_error_worst": (joints.worst, joints.where),
        "landmark_error_mean": (1000 * landmarks.mean, f"{len(anatomy.landmarks)} landmarks"),
        "hand_error_mean": (1000 * float(hand_errors(trial, anatomy).mean()), "both hands"),
    }
    if trial.free:
        distance, angle = root_errors(trial)
        scores["root_position_error"] = 1000 * float(distance.mean()), f"{trial.frames} frames"
        scores["root_orientation_error"] = float(angle.mean()), f"{trial.frames} frames"
    return scores
