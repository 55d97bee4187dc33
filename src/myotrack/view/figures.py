"""Figures of one trial over time: activations of muscle groups, angles, moments, errors, ground reaction, EMG.

Everything that is drawn over time shares its colours: right is blue, left is orange, the reference is pale.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from myotrack.anatomy.joints import positive_direction
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.muscles import GROUPS
from myotrack.anatomy.naming import LEFT as LEFT_SIDE
from myotrack.anatomy.naming import MIDLINE, side_of, stem_of
from myotrack.anatomy.naming import RIGHT as RIGHT_SIDE
from myotrack.validate.tracking import (
    body_weight,
    hand_errors,
    joint_errors,
    joint_moments,
    landmark_errors,
    root_errors,
)
from myotrack.validate.trials import Trial
from myotrack.view.plot import Key, Line, Map, Panel, Picture, Row, end_of_scale, thinned

WIDTH = 11.0
"""Of a figure of a benchmark [inch]; letters are 8 to 10 points."""
RIGHT, LEFT = "#0072b2", "#d55e00"
"""Colours of figures outside of the page, of which the style sheet has its own. Source: Okabe & Ito, Color Universal
Design (2008): people of any colour vision tell them apart."""
INK, PALE, GRID, REFERENCE = "#2b2f36", "#69717c", "#e9ecf0", "#c3cad3"
_SHORT = {
    "elv_angle": "plane of arm elevation",
    "shoulder_rot": "shoulder internal rotation",
    "deviation": "wrist radial deviation",
    "flex_extension": "lumbar extension",
}
"""Titles of panels where the description of a joint is too long for one."""


def pictures(trial: Trial, anatomy: Anatomy) -> list[Picture | Map]:
    """All figures that a trial has the data for, in the order of a report."""
    if not trial.frames:
        return []
    kinds: tuple[Callable[[Trial, Anatomy], Picture | Map | None], ...] = (
        errors_over_time, joint_angles, ground_reaction, activation_map, emg_overlay, joint_moment_panels,
    )  # fmt: skip
    return [picture for picture in (kind(trial, anatomy) for kind in kinds) if picture is not None]


def activation_map(trial: Trial, anatomy: Anatomy) -> Map:
    """Mean activation of each muscle group over time, right and left side by side."""
    present = {muscle.group for muscle in anatomy.muscles}
    activation = trial.activation.double().numpy()
    means: dict[str, list[np.ndarray | None]] = {}
    for group in (group for group in GROUPS if group in present):
        means[group] = []
        for side in (RIGHT_SIDE, LEFT_SIDE):
            mine = [row for row, muscle in enumerate(anatomy.muscles) if (muscle.group, muscle.side) == (group, side)]
            means[group].append(thinned(activation[:, mine].mean(axis=1)) if mine else None)
    top = end_of_scale([values for each in means.values() for values in each if values is not None])
    words = (
        "Mean activation of the muscles of each group; 100 % is all that a muscle can give. "
        f"The scale ends at {100 * top:.0f} %."
    )
    rows = [Row(group, values) for group, values in means.items()]
    return Map("activation", "Which muscles were active, and when", words, (RIGHT_SIDE, LEFT_SIDE), [("", rows)], top,
               trial.duration)  # fmt: skip


def emg_overlay(trial: Trial, anatomy: Anatomy) -> Picture | None:
    """Recorded EMG beside the activation of the muscles it listens to; None without a recording."""
    if trial.emg is None:
        return None
    names, time = anatomy.muscle_names, _time(trial)
    envelope, activation = trial.emg.envelope.double().numpy(), trial.activation.double().numpy()
    panels = []
    for number, channel in enumerate(trial.emg.names):
        mine = [names.index(name) for name in trial.emg.muscles[number]]
        found = 100 * activation[:, mine].mean(axis=1) if mine else np.zeros(trial.frames)
        top = max(10.0, 1.1 * float(found.max()))
        # Of EMG only the shape is known: it fills the panel.
        shape = envelope[:, number] * (0.95 * top / max(float(envelope[:, number].max()), 1e-9))
        lines = [Line("reference", shape, "area", other=None)]
        if mine:
            lines.append(Line("own", found))
        panels.append(Panel(channel.replace("_", " "), "%", time, lines, floor=True))
    words = (
        "The mean activation found for the muscles that each channel listens to, and recorded muscle activity (EMG), "
        "smoothed and scaled to fill its panel: compare when, not how much. EMG leads force by some tens of "
        "milliseconds; here both are drawn at their own time."
    )
    keys = (Key("reference", "recorded EMG", "area"), Key("own", "activation found"))
    return Picture("emg", "Beside recorded muscle activity", words, panels, keys)


def joint_angles(trial: Trial, anatomy: Anatomy) -> Picture:
    """Every independent joint against its reference."""
    skip = 7 if trial.free else 0
    names, time = anatomy.coordinate_names[trial.joints], _time(trial)
    angles = np.degrees(trial.pos[:, skip:].numpy())
    wanted = np.degrees(trial.reference_pos[:, skip:].numpy())
    panels = []
    for stem, members in _columns(names).items():
        lines = []
        if trial.simulated:
            lines += [Line("reference", wanted[:, each], "wide", f"reference, {_side(names[each], names)}")
                      for each in members]  # fmt: skip
        lines += [Line(_side(names[each], names), angles[:, each]) for each in members]
        panels.append(Panel(title_of(stem), "°", time, lines, least=10.0))
    keys = _sides(names)
    words = "Joint angles of the recorded motion. Positive is what the title says."
    if trial.simulated:
        keys.append(Key("reference", "reference", "wide"))
        words = "What the body did (thin) over what it should have done (pale, wide). Positive is what the title says."
    return Picture("angles", "Joint angles against the reference", words, panels, keys)


def joint_moment_panels(trial: Trial, anatomy: Anatomy) -> Picture | None:
    """Moments asked of the muscles, what they made, missed, and got from outside; None for a policy, asked for none."""
    if trial.kind == "policy":
        return None
    names, time = anatomy.coordinate_names[trial.joints], _time(trial)
    moment, residual, reserve = (joint_moments(trial, which) for which in ("moment", "residual", "reserve"))
    made = moment - residual - reserve
    helped = bool(np.abs(reserve).max(initial=0.0) > 0)
    panels = []
    for stem, members in _columns(names).items():
        lines = []
        for each in members:
            side = _side(names[each], names)
            asked, ours = moment[:, each], made[:, each]
            lines += [
                Line("reference", asked, "wide", f"asked for, {side}"),
                Line("missed", ours, "area", f"missed, {side}", asked - reserve[:, each]),
                Line(side, ours),
            ]
            if helped:
                lines.append(Line("outside", reserve[:, each], "dash", f"reserve, {side}"))
        panels.append(Panel(title_of(stem), "N m", time, lines, least=2.0))
    keys = [*_sides(names), Key("reference", "asked for", "wide"), Key("missed", "missed", "area")]
    if helped:
        keys.append(Key("outside", "reserve, from outside", "dash"))
    words = (
        "What the motion asks of the muscles at each joint (pale, wide) and what they made of it (thin). "
        "Filled is what they missed. " + ("Dashed is help from outside." if helped else "No reserve moment helped.")
    )
    return Picture("moments", "Joint moments", words, panels, keys)


def errors_over_time(trial: Trial, anatomy: Anatomy) -> Picture | None:
    """How far the body was from its reference at every instant; None where nothing was simulated."""
    if not trial.simulated:
        return None
    time, joints = _time(trial), np.abs(joint_errors(trial))
    hands = 1000 * hand_errors(trial, anatomy)
    panels = [
        Panel("joint angles", "°", time, [
            Line("own", joints.mean(axis=1), label="mean of all joints"),
            Line("outside", joints.max(axis=1, initial=0.0), "dash", "worst joint"),
        ], floor=True),
        Panel("landmarks", "mm", time, [
            Line("right", hands[:, 0], label="right hand"), Line("left", hands[:, 1], label="left hand"),
            Line("own", 1000 * landmark_errors(trial).mean(axis=1), label="mean of all landmarks"),
        ], floor=True),
    ]  # fmt: skip
    if trial.free:
        distance, angle = root_errors(trial)
        panels += [
            Panel("pelvis, position", "mm", time, [Line("own", 1000 * distance, label="pelvis")], floor=True),
            Panel("pelvis, orientation", "°", time, [Line("own", angle, label="pelvis")], floor=True),
        ]
    keys = (Key("own", "mean, or pelvis"), Key("outside", "worst joint", "dash"), Key("right", "right hand"),
            Key("left", "left hand"))  # fmt: skip
    words = "How far the body was from its reference at every instant."
    return Picture("errors", "Tracking error over time", words, panels, keys)


def ground_reaction(trial: Trial, anatomy: Anatomy) -> Picture | None:
    """Who carries the body: each foot, and the support; None for a body without feet or in a trial without contact."""
    if not trial.foot_force_w.shape[1] or not (trial.simulated or bool(trial.foot_force_w.any())):
        return None
    time, weight = _time(trial), body_weight(anatomy) / 100
    feet = trial.foot_force_w.double().numpy() / weight
    held = bool(trial.support.any())
    up, across = [], []
    for foot, side in enumerate((RIGHT_SIDE, LEFT_SIDE)):
        up.append(Line(side, feet[:, foot, 2]))
        across.append(Line(side, np.hypot(feet[:, foot, 0], feet[:, foot, 1])))
    keys = [Key(RIGHT_SIDE, "right foot"), Key(LEFT_SIDE, "left foot")]
    if held:
        support = trial.support.double().numpy() / weight
        up.append(Line("outside", support[:, 2], "dash", "support, upward"))
        across.append(Line("outside", np.hypot(support[:, 0], support[:, 1]), "dash", "support"))
        keys.append(Key("outside", "support that holds the pelvis", "dash"))
    panels = [
        Panel("vertical force", "% of body weight", time, up),
        Panel("horizontal force", "% of body weight", time, across, floor=True),
    ]
    words = "Forces of the ground on the feet" + (" and of the support that holds the pelvis." if held else ".")
    return Picture("ground", "Forces from outside", words, panels, keys)


def title_of(stem: str) -> str:
    """What a joint's positive direction is called in a panel."""
    return _SHORT.get(stem) or positive_direction(stem).partition(" (")[0]


def _columns(names: Sequence[str]) -> dict[str, list[int]]:
    """Joints that share a panel: the same on both sides."""
    columns: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        columns.setdefault(stem_of(name), []).append(index)
    return columns


def _side(name: str, names: Sequence[str]) -> str:
    """Key of the legend."""
    side = side_of(name, names)
    return "middle" if side == MIDLINE else side


def _sides(names: Sequence[str]) -> list[Key]:
    there = {_side(name, names) for name in names}
    words = {"right": "right", "left": "left", "middle": "midline"}
    return [Key(side, word) for side, word in words.items() if side in there]


def _time(trial: Trial) -> Float[np.ndarray, "frame"]:
    return np.arange(trial.frames) / trial.rate
