"""Metabolic power of walking and standing, by two models, beside what is measured on people.

    python benchmarks/metabolics.py

Built-in motions on the original body, low-passed (`clips.smooth`), one stride each, a second of standing: muscles frame
by frame by static optimisation with the floor among the unknowns (`steer.grounded`). If MYOTRACK_DATA (default
../shared/data) holds rajagopal2016/, also the recorded walk with force plates, one stride (`steer.static`). Everything
once on the body as it is and once without the dampers of its joints, whose work muscles must do and people's need not.
Prints tables, then JSON, and draws one figure.
"""

import copy
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
import tyro
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from walkers import quiet

from myotrack.anatomy.fibres import REGIONS, Fibres
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.naming import RIGHT
from myotrack.anatomy.tension import Curves
from myotrack.capture.join import together
from myotrack.capture.reader import read
from myotrack.clips.builtin import builtin
from myotrack.clips.clip import RATE, Clip
from myotrack.clips.gait import GAITS
from myotrack.clips.library import ClipLibrary
from myotrack.clips.smooth import smoothed
from myotrack.retarget.pipeline import fit
from myotrack.retarget.settings import Settings
from myotrack.simulate.threads import Threads
from myotrack.steer.ground import longest
from myotrack.steer.grounded import Grounded
from myotrack.steer.static import mechanics_of, pulled, recorded
from myotrack.validate.metabolics import MODELS, FibreState, Metabolics, Rates, metabolics_of, spent
from myotrack.validate.published import FASTEST, SCHERTZER, STANDING, pandolf, ralston, walking
from myotrack.view.figures import INK, PALE
from myotrack.workflow.learning import one_thread
from myotrack.workflow.output import machine

NAMES = ("stand", "walk_slow", "walk", "walk_fast")
RECORDED = "recorded walk"
FILES = ("motion_capture_walk.trc", "grf_walk.mot")
STRIDE = 1.144
"""Of the recorded walk, as in static_walk.py [s]."""
WORLDS = 8
SECOND = round(RATE)
BODIES = ("as it is", "without joint dampers")
COLOURS = {"umberger": "#2f5fb3", "bhargava": "#c2402c"}
TITLES = {"umberger": "Umberger 2003, 2010", "bhargava": "Bhargava 2004"}
PEOPLE, BAND = "#8a94a1", "#cfd5dd"
APART = 0.012
"""Half of the distance between the models' points, so that one does not hide the other [m/s]."""
WORDS = {"stand": "standing", "walk_slow": "slow walk", "walk": "walk", "walk_fast": "fast walk", RECORDED: RECORDED}
SHADES = {
    "ankle": "#1d4f91", "knee": "#4d86c6", "hip": "#a3c4e6", "trunk": "#8d99a6", "shoulder": "#e0722c",
    "elbow": "#f0a878", "hand": "#f7d7c2",
}  # fmt: skip
CURVES = {
    "triceps surae": "#1d4f91", "quadriceps": "#c2402c", "hamstrings": "#2d8a57", "gluteus maximus": "#7a4fb0",
    "hip abductors": "#e0722c", "hip flexors": "#69717c",
}  # fmt: skip


@dataclass(frozen=True)
class Command:
    """Measure and draw."""

    figure: Path = Path("docs/figures/metabolics.png")


@dataclass(frozen=True)
class Case:
    """One motion of one body by one model."""

    name: str
    body: str
    """One of `BODIES`."""
    speed: float | None
    """Also below what counts as moving [m/s]."""
    missed: float
    """Horizontal and vertical force at the pelvis that nothing explains, RMS over body weight."""
    spent: Metabolics

    @property
    def mean(self) -> dict[str, float]:
        """Where the net power goes [W/kg]."""
        rates = self.spent.rates
        return {f.name: float(getattr(rates, f.name).sum(dim=1).mean()) / self.spent.mass for f in fields(Rates)}

    @property
    def regions(self) -> dict[str, float]:
        """Net power by region, both sides [W/kg]."""
        found = dict.fromkeys(REGIONS, 0.0)
        for (region, _), power in self.spent.regions.items():
            found[region] += power / self.spent.mass
        return found


def main(command: Command) -> None:
    """Print tables and JSON, and draw."""
    one_thread()
    full = Anatomy.load("full")
    cases = [case for body in BODIES for case in performed(full, body)] + list(walked(full))
    fibres = Fibres.of(full.muscles)
    mass = float(full.model.body_mass.sum())
    print(f"Body of {mass:.1f} kg with {float(fibres.mass.sum()):.1f} kg of muscles. {machine()}")
    for body in BODIES:
        tell(body, [case for case in cases if case.body == body])
    print(json.dumps([as_dict(case, cases) for case in cases]))
    draw(command.figure, cases)


def performed(full: Anatomy, body: str) -> Iterator[Case]:
    """The built-in motions on a body."""
    anatomy = bare(full) if body == BODIES[1] else full
    simulator = Threads(anatomy, WORLDS, threads=1)
    ask, curves = Grounded(simulator), Curves.of(anatomy)
    weight = 9.81 * float(anatomy.model.body_mass.sum())
    for name in NAMES:
        clip = smoothed(builtin(name, full))
        frames = round(GAITS[name].period * RATE) if name in GAITS else SECOND
        rows = slice(frames, 2 * frames)
        activation, root = recruited(ask, clip, anatomy, rows)
        mechanics = mechanics_of(anatomy, clip.pos[rows].double(), clip.vel[rows].double(), threads=1)
        state = FibreState.of(curves, mechanics, activation)
        speed = float((clip.pos[2 * frames, :2] - clip.pos[frames, :2]).norm()) / frames * RATE
        for model in MODELS:
            told = spent(state, anatomy, model, speed, excited=False)
            yield Case(name, body, speed, missed(root) / weight, told)


def bare(full: Anatomy) -> Anatomy:
    """The body without dampers at its joints."""
    anatomy = copy.deepcopy(full)
    anatomy.model.dof_damping[:] = 0.0
    return anatomy


def recruited(ask: Grounded, clip: Clip, anatomy: Anatomy, rows: slice) -> tuple[torch.Tensor, torch.Tensor]:
    """Activations of some frames of a clip, and what is missing at the pelvis."""
    library = ClipLibrary.of([clip], anatomy)
    first = torch.zeros(WORLDS, dtype=torch.int64)
    found = []
    for begin in range(rows.start, rows.stop, WORLDS):
        frame = torch.arange(begin, begin + WORLDS).clamp(max=rows.stop - 1)
        made = ask.fit(library.at(first, frame, (0, 1)))
        found.append((made.activation, made.moment[:, :3]))
    activation, root = (torch.cat(parts)[: rows.stop - rows.start] for parts in zip(*found, strict=True))
    return activation, root


def missed(root: torch.Tensor) -> float:
    """RMS of the size of a force over frames."""
    return float(root[:, :3].square().sum(dim=1).mean().sqrt())


def walked(full: Anatomy) -> Iterator[Case]:
    """The recorded walk on a body of the person's sizes and mass; nothing without the recording."""
    root = (Path(__file__).parents[1] / os.environ.get("MYOTRACK_DATA", "../shared/data")).resolve() / "rajagopal2016"
    if not root.is_dir():
        print(f"No recorded walk: {root} is not there. Set MYOTRACK_DATA to the folder that holds it.", file=sys.stderr)
        return
    trial = together(*(read(root / name) for name in FILES))
    found = fit(trial, full, Settings(size="fitted", plant=False))
    walk, mass = recorded(trial, found, threads=1)
    begin, frames = longest(walk.measured).start, round(STRIDE * RATE)
    place = smoothed(found.clip).pos[:, :2]
    speed = float((place[begin + frames] - place[begin]).norm()) / frames * RATE
    stride = walk.part(slice(begin, begin + frames))
    for body in BODIES:
        if body == BODIES[1]:
            # Joints have no springs: what they do passively are their dampers.
            stride = replace(stride, forces=stride.forces + stride.mechanics.passive)
        made = pulled(stride)
        for model in MODELS:
            told = metabolics_of(stride, made, model, speed)
            yield Case(RECORDED, body, speed, missed(made.root) / (9.81 * mass), told)


def standing(case: Case, cases: list[Case]) -> float:
    """Net power of standing on the same kind of body by the same model [W/kg]."""
    (still,) = (
        each.spent.net for each in cases
        if (each.name, each.body, each.spent.model) == ("stand", case.body, case.spent.model)
    )  # fmt: skip
    return still


def people(speed: float | None) -> tuple[float, float]:
    """Gross power of people at a speed [W/kg], from the least to the greatest of those who know; None stands still."""
    known = (STANDING.low, STANDING.high) if speed is None else tuple(walking(speed).values())
    return min(known), max(known)


def tell(body: str, cases: list[Case]) -> None:
    """A table of gross and net power, cost of transport, and where it goes."""
    print(
        f"\nBody {body}\n{'':30}{'m/s':>6}{'gross':>7}{'people':>14}{'times':>7}{'net':>6}{'above standing':>16}"
        f"{'J/kg/m':>8}{'people':>14}  {'activ.':>7}{'maint.':>7}{'short.':>7}{'rest':>6}{'work':>6}"
        f"{'missed':>8}   by region"
    )
    for case in cases:
        of, speed = case.spent, case.spent.speed
        low, high = people(speed)
        times = of.gross / (ralston(speed) if speed else (low + high) / 2)
        cost = "-" if of.cost.gross is None else f"{of.cost.gross:.2f}"
        theirs = "-" if speed is None else f"{low / speed:.2f} to {high / speed:.2f}"
        mean = case.mean
        print(
            f"{case.name:15}{of.model:15}{case.speed or 0:6.2f}{of.gross:7.2f}{f'{low:.2f} to {high:.2f}':>14}"
            f"{times:7.1f}{of.net:6.2f}{of.net - standing(case, cases):16.2f}{cost:>8}"
            f"{theirs:>14}  {mean['activation']:7.2f}"
            f"{mean['maintenance']:7.2f}{mean['shortening']:7.2f}{mean['resting']:6.2f}{mean['work']:6.2f}"
            f"{100 * case.missed:6.0f} %   " + ", ".join(f"{name} {power:.2f}" for name, power in case.regions.items())
        )


def as_dict(case: Case, cases: list[Case]) -> dict[str, object]:
    """For machines: W/kg, J/kg/m, m/s."""
    of = case.spent
    numbers = {
        "speed": of.speed, "gross": of.gross, "net": of.net, "above_standing": of.net - standing(case, cases),
        "cost_gross": of.cost.gross, "cost_net": of.cost.net, "missed_force": case.missed,
    }  # fmt: skip
    return {
        "name": case.name,
        "body": case.body,
        "model": of.model,
        **{name: None if value is None else round(value, 3) for name, value in numbers.items()},
        "people_gross": [round(value, 3) for value in people(of.speed)],
        "parts": {name: round(value, 3) for name, value in case.mean.items()},
        "regions": {name: round(value, 3) for name, value in case.regions.items()},
        "notes": of.notes,
    }


def draw(path: Path, cases: list[Case]) -> None:
    """Power and cost over speed, where it is spent, and when."""
    figure = Figure(figsize=(11, 8.0))
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 2, left=0.085, right=0.975, top=0.87, bottom=0.105, hspace=0.42, wspace=0.2)
    over_speed(figure.add_subplot(grid[0, 0]), cases, per_metre=False)
    over_speed(figure.add_subplot(grid[0, 1]), cases, per_metre=True)
    by_region(figure.add_subplot(grid[1, 0]), cases)
    over_stride(figure.add_subplot(grid[1, 1]), cases)
    handles = [
        *(Line2D([], [], color=colour, linewidth=1.8, marker="o", markersize=5, label=TITLES[model])
          for model, colour in COLOURS.items()),
        Line2D([], [], color=PALE, linewidth=1.2, linestyle=(0, (3, 2)), marker="o", markerfacecolor="white",
               markersize=5, label="without joint dampers"),
        Line2D([], [], color=PALE, linewidth=0, marker="D", markersize=5.5, label="recorded walk, force plates"),
        Line2D([], [], color=PEOPLE, linewidth=2.4, marker="s", markersize=4,
               label="people: Ralston 1958, Pandolf et al. 1977; Schertzer & Riemer 2014"),
        Patch(color=BAND, label="people, standing"),
    ]  # fmt: skip
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.078, 0.985), ncols=3, fontsize=9.5, frameon=False,
        labelcolor=INK, borderaxespad=0, handlelength=2.2, columnspacing=2.4,
    )  # fmt: skip
    figure.text(
        0.085, 0.016,
        "Static optimisation of built-in motions, one stride each; the floor is among the unknowns. Tendons are stiff. "
        "Gross power includes a basal rate of 1.2 W/kg.\nLower panels: Umberger, without joint dampers; lower right: "
        "built-in walking, 1.25 m/s, from strike to strike of the right heel.",
        fontsize=8, color=PALE, linespacing=1.5,
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    print(f"# {path}", file=sys.stderr)


def over_speed(axes: Axes, cases: list[Case], per_metre: bool) -> None:
    """Gross power, or cost of transport, over speed."""
    speed = np.linspace(0.6, FASTEST, 100)
    for known in (ralston, pandolf):
        power = np.array([known(each) for each in speed])
        axes.plot(speed, power / speed if per_metre else power, color=PEOPLE, linewidth=2.4, zorder=2)
    at, power = np.array(SCHERTZER.speeds), np.array(SCHERTZER.values["gross"])
    axes.plot(at, power / at if per_metre else power, color=PEOPLE, linewidth=0, marker="s", markersize=4, zorder=3)
    if not per_metre:
        axes.fill_between([-0.07, 0.07], STANDING.low, STANDING.high, color=BAND, linewidth=0, zorder=1)
    for number, (model, colour) in enumerate(COLOURS.items()):
        aside = APART * (2 * number - 1)
        for body in BODIES:
            as_it_is = body == BODIES[0]
            mine = [case for case in cases if (case.spent.model, case.body) == (model, body)]
            look = {"color": colour, "markerfacecolor": colour if as_it_is else "white", "zorder": 4}
            points = [(each.spent.speed or 0.0, height(each, per_metre), each.name) for each in mine]
            walks = np.array([(at, value) for at, value, name in points if at and name != RECORDED])
            axes.plot(
                walks[:, 0] + aside, walks[:, 1], linewidth=1.4, linestyle="-" if as_it_is else (0, (3, 2)), marker="o",
                markersize=6, **look,
            )  # fmt: skip
            for at, value, name in points:
                if value is not None and (name == RECORDED or not at):
                    axes.plot(at + aside, value, marker="D" if at else "o", markersize=7 if at else 6, **look)
    finish(axes, "cost of transport, gross [J/kg/m]" if per_metre else "metabolic power, gross [W/kg]")
    axes.set_xlim(0.6 if per_metre else -0.12, 2.0)
    axes.set_ylim(0, 8 if per_metre else 14)
    axes.set_xticks(np.arange(0.6 if per_metre else 0.0, 2.01, 0.2))
    axes.set_xlabel("speed [m/s]", fontsize=8.5, color=PALE)


def height(case: Case, per_metre: bool) -> float | None:
    """What is drawn of a case."""
    return case.spent.cost.gross if per_metre else case.spent.gross


def by_region(axes: Axes, cases: list[Case]) -> None:
    """Net power of each motion, by region."""
    mine = [case for case in cases if (case.spent.model, case.body) == ("umberger", BODIES[1])]
    for row, case in enumerate(reversed(mine)):
        left = 0.0
        for region, colour in SHADES.items():
            width = case.regions[region]
            axes.barh(row, width, left=left, height=0.62, color=colour, linewidth=0, zorder=3)
            if width > 0.45:
                ink = "white" if region in ("ankle", "knee", "trunk", "shoulder") else INK
                middle = left + width / 2
                axes.text(middle, row, f"{width:.1f}", ha="center", va="center", fontsize=8, color=ink, zorder=4)
            left += width
        axes.text(left + 0.08, row, f"{left:.1f}", va="center", fontsize=8.5, color=INK)
    finish(axes, "where: net power [W/kg]")
    labels = [WORDS[case.name] + (f"\n{case.speed:.2f} m/s" if case.spent.speed else "") for case in mine]
    axes.set_yticks(range(len(mine)), reversed(labels), fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.set_xlim(0, 1.12 * max(case.spent.net for case in mine))
    axes.legend(
        handles=[Patch(color=colour, label=region) for region, colour in SHADES.items() if region != "hand"],
        loc="upper right", bbox_to_anchor=(1.0, 1.02), fontsize=8, frameon=False, labelcolor=INK, ncols=2,
        handlelength=1.1, columnspacing=1.2,
    )  # fmt: skip


def over_stride(axes: Axes, cases: list[Case]) -> None:
    """Power of groups of the right leg over a stride of walking."""
    (case,) = (case for case in cases if (case.name, case.spent.model, case.body) == ("walk", "umberger", BODIES[1]))
    power = case.spent.power.numpy() / case.spent.mass
    for group, colour in CURVES.items():
        chosen = [row for row, each in enumerate(case.spent.muscles) if (each.group, each.side) == (group, RIGHT)]
        curve = power[:, chosen].sum(axis=1)
        axes.plot(np.linspace(0, 100, len(curve)), curve, color=colour, linewidth=1.6, label=group, zorder=3)
    lift = 100 * GAITS["walk"].stance
    axes.plot([lift, lift], [0, 2.6], color="#c3cad3", linewidth=1.0, zorder=1)
    finish(axes, "when: power of the right leg's muscles [W/kg]")
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 3.2)
    axes.text(lift + 1, 2.5, "swing", fontsize=8, color=PALE)
    axes.set_xticks([0, 20, 40, 60, 80, 100], ["0", "20", "40", "60", "80", "100 %"])
    axes.legend(
        fontsize=8, frameon=False, labelcolor=INK, ncols=3, loc="upper left", handlelength=1.4, columnspacing=1.6
    )  # fmt: skip


def finish(axes: Axes, title: str) -> None:
    """Quiet axes with their title."""
    axes.set_title(title, fontsize=9.5, color=INK, loc="left", pad=6)
    quiet(axes)


if __name__ == "__main__":
    main(tyro.cli(Command, description=__doc__))
