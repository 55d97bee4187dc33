"""What trials are measured by: every metric with its unit, its direction and its meaning, and a value of it."""

from dataclasses import dataclass
from typing import Literal

from myotrack.track.terminate import PUBLISHED, STRICT, Rule

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
    share: bool = False
    """Whether a trial has all of it or nothing, so that a mean over clips is a share of them."""
    usual: tuple[float, float] | None = None
    """What is expected of a sound simulation, from and to; None where nobody has said so."""
    source: str = ""
    """Who has."""

    @property
    def explained(self) -> str:
        """The meaning, with what is usual and who says so."""
        if self.usual is None:
            return self.meaning
        span = " to ".join(dict.fromkeys(f"{end:g}" for end in self.usual))
        return f"{self.meaning} Usual: {span} {self.unit} ({self.source})."


def _limits(rule: Rule) -> str:
    return (
        f"{rule.landmark:.2f} m of the landmarks from their reference (mean, relative to the pelvis) and "
        f"{rule.root:.2f} m of the pelvis"
    )


NONE, ALONE = (0.0, 0.0), "people have no such help"
HICKS = "Hicks et al. 2015, doi:10.1115/1.4029304, of the peak (recalled)"
METRICS = (
    Metric("survival", "motion completed", "%", "higher",
           "How much of the reference motion was performed before the trial ended.", 0),
    *(metric for rule in (PUBLISHED, STRICT) for metric in (
        Metric(f"success_{rule.name}", f"kept to the end within {rule.landmark:.2f}/{rule.root:.2f} m", "%", "higher",
               f"100 for a motion that never exceeds {_limits(rule)}, else 0; the {rule.name} rule.", 0, share=True),
        Metric(f"coverage_{rule.name}", f"share before leaving {rule.landmark:.2f}/{rule.root:.2f} m", "%", "higher",
               f"How much of the motion had passed when it first exceeded {_limits(rule)}; 100 if it never did."),
    )),
    Metric("joint_error_mean", "joint error, mean", "deg", "lower",
           "How far joint angles were from the reference, over all joints and the whole time.", 2),
    Metric("joint_error_95", "joint error, 95 %", "deg", "lower",
           "Joints were nearer to the reference than this for 95 % of the time.", 2),
    Metric("joint_error_worst", "joint error, worst", "deg", "lower",
           "The largest error of any joint at any instant.", 2),
    Metric("joint_velocity_error", "joint velocity error, mean", "deg/s", "lower",
           "How far the rates of the joint angles were from those of the reference."),
    Metric("landmark_error_mean", "landmark error, mean", "mm", "lower",
           "How far anatomical points (shoulders, elbows, hands, hips ...) were from where they should be."),
    Metric("landmark_error_relative", "landmark error from the pelvis", "mm", "lower",
           "The same with the pelvis laid onto its reference, which leaves the errors of posture."),
    Metric("hand_error_mean", "hand error, mean", "mm", "lower",
           "The same for the two hands (third metacarpal), where errors of the whole arm add up."),
    Metric("landmark_drift", "drift of the landmarks", "mm/s", "lower",
           "By how much the mean landmark error grew per second; 0 for errors that do not add up over time."),
    Metric("root_position_error", "pelvis position error, mean", "mm", "lower",
           "How far the pelvis was from its reference."),
    Metric("root_orientation_error", "pelvis orientation error, mean", "deg", "lower",
           "How far the pelvis was turned from its reference.", 2),
    Metric("activation_mean", "muscle activation, mean", "%", "neither",
           "How active muscles were, over all muscles and the whole time; 100 % is full effort."),
    Metric("activation_square", "muscle activation, squared", "%", "neither",
           "Mean of the squares, which weighs strong activations more; 100 % is full effort.", 2),
    Metric("activation_saturated", "muscles at their limit", "%", "lower",
           "How much of the time muscles gave all they have (activation of 99 % or more).", 2),
    Metric("excitation_change", "change of the commands", "% per step", "neither",
           "By how much the command to a muscle changed from one control step to the next, without its sign.", 2),
    Metric("residual_rms", "missed moment, RMS", "N m", "lower",
           "Joint moment that the motion asked for and the muscles did not deliver.", 2),
    Metric("residual_peak", "missed moment, peak", "N m", "lower",
           "The largest such moment at any joint and instant."),
    Metric("reserve_rms", "reserve moment, RMS", "N m", "lower",
           "Joint moment added from outside the body to help the muscles; 0 means muscles did it all.", 2,
           usual=NONE, source=ALONE),
    Metric("reserve_peak", "reserve moment, peak", "N m", "lower",
           "The largest such moment at any joint and instant.", usual=NONE, source=ALONE),
    Metric("pelvis_residual_rms", "pelvis residual force, RMS", "% of body weight", "lower",
           "Force at the pelvis that motion, masses and ground forces leave unexplained.",
           usual=(0.0, 5.0), source=HICKS),
    Metric("support_force_mean", "support force, mean", "N", "lower",
           "Force from outside that held the pelvis; a person has no such help.", 0, usual=NONE, source=ALONE),
    Metric("support_weight_mean", "support force, mean", "% of body weight", "lower",
           "The same as a share of body weight.", usual=NONE, source=ALONE),
    Metric("support_weight_peak", "support force, peak", "% of body weight", "lower",
           "The largest such force at any instant.", usual=NONE, source=ALONE),
    Metric("real_time", "speed", "times real time", "higher",
           "Seconds of motion computed per second on the computer that made the trial.", 2),
)  # fmt: skip
"""In the order of tables."""
BY_NAME = {metric.name: metric for metric in METRICS}


@dataclass(frozen=True)
class Score:
    """One number of a scorecard."""

    trial: str
    """The clip."""
    metric: str
    """A name in `METRICS`."""
    unit: str
    better: Better
    """Which way is good."""
    value: float
    source: str
    """How it was found, with what was worst where that is known."""
    group: str = ""
    """Of the clips it is judged with; empty if it is judged on its own."""
    acting: str = ""
    """How a policy acted."""
    seed: str = ""
    """Of what was drawn."""

    @property
    def text(self) -> str:
        """The value as tables show it."""
        return rounded(self.value, BY_NAME[self.metric].digits if self.metric in BY_NAME else 2)


def rounded(value: float, digits: int) -> str:
    """A number as tables show it; never a negative zero."""
    return f"{round(value, digits) + 0.0:.{digits}f}"
