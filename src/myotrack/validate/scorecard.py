"""`Scorecard`: every metric of every trial with its unit, its direction, its value and where it comes from."""

import json
import math
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from myotrack.anatomy.model import Anatomy
from myotrack.track.terminate import PUBLISHED
from myotrack.validate.metrics import METRICS, Better, Metric, Score
from myotrack.validate.protocol import RULES, Conditions, coverage, first_violation, until
from myotrack.validate.summary import Summary, summarise
from myotrack.validate.tracking import (
    Spread,
    activation_level,
    activation_square,
    body_weight,
    drift,
    excitation_change,
    hand_errors,
    joint_errors,
    joint_moments,
    joint_velocity_errors,
    landmark_errors,
    real_time,
    relative_errors,
    root_errors,
    root_mean_square,
    support_force,
    survival,
    unexplained_force,
)
from myotrack.validate.trials import Trial

FORMAT, VERSION = "myotrack scorecard", 1


@dataclass(frozen=True)
class Scorecard:
    """The scores of a run."""

    rows: tuple[Score, ...]
    conditions: Conditions | None = None
    """What belongs beside the numbers of a policy; None without one."""

    @classmethod
    def of(cls, trials: Sequence[tuple[Trial, Anatomy]]) -> "Scorecard":
        """Judge trials, each with its body."""
        rows = tuple(score for trial, anatomy in trials for score in judge(trial, anatomy))
        grouped = [trial for trial, _ in trials if trial.group]
        return cls(rows, Conditions.of(grouped) if grouped else None)

    @property
    def trials(self) -> tuple[str, ...]:
        """Names of the trials, in order."""
        return tuple(dict.fromkeys(row.trial for row in self.rows))

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Those that any trial has, in the order of tables."""
        return tuple(metric for metric in METRICS if any(row.metric == metric.name for row in self.rows))

    @cached_property
    def summaries(self) -> tuple[Summary, ...]:
        """Means over the clips of each group, with their intervals; none for trials that are judged on their own."""
        return summarise(self.rows)

    def at(self, trial: str, metric: str) -> Score | None:
        """One score; None if the trial has no such number. Of several trials of a clip, that of the first."""
        return self._first.get((trial, metric))

    def found(self, trial: Trial, metric: str) -> Score | None:
        """The score of one of several trials of a clip; None if it has no such number."""
        return self._each.get((trial.name, trial.group, trial.acting, trial.seed, metric))

    def values(self, metric: str, group: str, acting: str = "") -> dict[str, float]:
        """A number per clip of a group, the mean over its seeds; for `statistics.paired`.

        Args:
            metric: A name in `METRICS`.
            group: Of clips.
            acting: The way of acting; whichever there is, if there is one only.

        Raises:
            KeyError: There are no such scores, or of several ways of acting; the message lists what there is.
        """
        rows = [row for row in self.rows if row.metric == metric and row.group == group]
        ways = list(dict.fromkeys(row.acting for row in rows))
        chosen = acting or (ways[0] if len(ways) == 1 else "")
        clips: dict[str, list[float]] = {}
        for row in rows:
            if row.acting == chosen:
                clips.setdefault(row.trial, []).append(row.value)
        if not clips:
            groups = ", ".join(dict.fromkeys(f"'{row.group}' ({row.acting})" for row in self.rows if row.group))
            raise KeyError(f"There is no '{metric}' of '{group}' ({acting or 'any way'}). There are: {groups}.")
        return {clip: sum(values) / len(values) for clip, values in clips.items()}

    @cached_property
    def _first(self) -> dict[tuple[str, str], Score]:
        return {(row.trial, row.metric): row for row in reversed(self.rows)}

    @cached_property
    def _each(self) -> dict[tuple[str, ...], Score]:
        return {(row.trial, row.group, row.acting, row.seed, row.metric): row for row in self.rows}

    def as_dict(self) -> dict[str, Any]:
        """For JSON. Summaries follow from the rows, and are there for people."""
        rows = [{name: value for name, value in asdict(row).items() if value != ""} for row in self.rows]
        about: dict[str, Any] = {"format": FORMAT, "version": VERSION, "rows": rows}
        if self.conditions is not None:
            about["conditions"] = self.conditions.as_dict()
            about["summaries"] = [summary.as_dict() for summary in self.summaries]
        return about

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
            told = content.get("conditions")
            conditions = None if told is None else Conditions.from_dict(told)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: this is not a scorecard ({error}); {again}.") from error
        if not sound:
            raise ValueError(f"{path}: a value of this scorecard is not a number; {again}.")
        return cls(rows, conditions)


def judge(trial: Trial, anatomy: Anatomy) -> list[Score]:
    """Every score that makes sense for a trial.

    Of a trial that belongs to a group, as every policy's does, errors and effort are those before the first
    violation of the published rule: what a body does that has fallen is no tracking.
    """
    scores: dict[str, tuple[float, str]] = {}
    if trial.group and trial.simulated:
        scores |= _kept(trial, anatomy)
        part = until(trial, first_violation(trial, anatomy, PUBLISHED))
    else:
        part = trial
    if part.frames:
        scores |= _done(part, anatomy)
    if trial.simulated and trial.kind != "policy":
        scores["survival"] = 100 * survival(trial), f"{trial.frames} of {trial.wanted_frames} frames"
    scores["real_time"] = real_time(trial), f"{trial.seconds:.1f} s for {trial.duration:.1f} s of motion"
    return [
        Score(
            trial.name,
            metric.name,
            metric.unit,
            metric.better,
            *scores[metric.name],
            trial.group,
            trial.acting,
            trial.seed,
        )
        for metric in METRICS
        if metric.name in scores and math.isfinite(scores[metric.name][0])
    ]


def _done(trial: Trial, anatomy: Anatomy) -> dict[str, tuple[float, str]]:
    """Scores of what was done, and of what it took."""
    scores: dict[str, tuple[float, str]] = {}
    names = anatomy.coordinate_names[trial.joints]
    if trial.simulated:
        scores |= _tracking(trial, anatomy, names)
    level, saturated = activation_level(trial)
    muscles = f"{trial.activation.shape[1]} muscles, {trial.frames} frames"
    scores["activation_mean"] = 100 * level, muscles
    scores["activation_saturated"] = 100 * saturated, muscles
    if trial.group:
        scores["activation_square"] = 100 * activation_square(trial), muscles
        scores["excitation_change"] = 100 * excitation_change(trial), f"{muscles}, {trial.rate:g} steps per second"
    if trial.kind == "policy":
        # It is asked for no moments, and gets no help that could be told of.
        return scores
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
    return scores


def _kept(trial: Trial, anatomy: Anatomy) -> dict[str, tuple[float, str]]:
    """Whether, and how long, each rule was kept."""
    scores: dict[str, tuple[float, str]] = {}
    for rule in RULES:
        first = first_violation(trial, anatomy, rule)
        when = "never violated" if first is None else f"violated at {first / trial.rate:.2f} s"
        about = f"{rule}; {when}"
        scores[f"success_{rule.name}"] = 100.0 * (first is None), about
        scores[f"coverage_{rule.name}"] = 100 * coverage(trial, anatomy, rule), about
    return scores


def _tracking(trial: Trial, anatomy: Anatomy, names: tuple[str, ...]) -> dict[str, tuple[float, str]]:
    """Scores of keeping to the reference."""
    joints = Spread.of(joint_errors(trial), names, trial.rate)
    landmarks = Spread.of(landmark_errors(trial), anatomy.landmarks, trial.rate)
    about = f"{len(names)} joints, {trial.frames} frames"
    scores = {
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
    if trial.group:
        rates = Spread.of(joint_velocity_errors(trial), names, trial.rate)
        scores["joint_velocity_error"] = rates.mean, about
        scores["landmark_drift"] = 1000 * drift(trial), f"straight line over {trial.duration:.2f} s"
        if trial.free:
            relative = float(relative_errors(trial, anatomy).mean())
            scores["landmark_error_relative"] = 1000 * relative, f"{len(anatomy.landmarks)} landmarks"
    return scores
