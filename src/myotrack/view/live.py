"""Motions in a browser: played, slowed down, looked at from anywhere, with muscles that tell what they do when clicked.

    viewer = Viewer([Actor.of_trial(trial, anatomy)])
    print(viewer.address)
    viewer.serve()

A page of viser (three.js) does the drawing; nobody but this machine is answered unless asked for.
"""

import contextlib
import io
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from myotrack.validate.tracking import body_weight
from myotrack.view.film import RELAXED, WORKING, brightness
from myotrack.view.scene import Actor, Skeleton, tubes

HOST, PORT = "127.0.0.1", 8080
WORLD = "/world"
TICK = 1 / 30
"""Between two pictures [s]."""
SPEEDS = ("0.1", "0.25", "0.5", "1")
"""Times the speed of life."""
MOST = 4
"""Motions side by side."""
ASIDE = 1.0
"""Between two of them [m]."""
BONE, GHOST = (232, 228, 214), (120, 150, 185)
GHOST_OPACITY = 0.28
ARROW = (38, 110, 70)
PER_WEIGHT = 1.0
"""Length of the arrow of a force that bears the whole body [m]."""
SHORT, LONG = np.array([0.16, 0.36, 0.74]), np.array([0.90, 0.55, 0.10])
"""Colours of muscles at their shortest and their longest in this motion: blue, and orange."""
LEAST, NOWHERE = 0.01, (0.0, 0.0, -100.0)
"""Arrows shorter than this are not shown [m], but put where nobody looks."""
FIELD_OF_VIEW = math.radians(40.0)
"""From top to bottom."""
COLOURINGS = ("activation", "excitation", "length")


@dataclass
class _Part:
    """One motion on the stage; what viser gave for its bones, muscles and forces."""

    actor: Actor
    skeleton: Skeleton
    shift: Float[np.ndarray, "3"]
    segments: list[tuple[int, Any]] = field(default_factory=list)
    shadows: list[tuple[int, Any]] = field(default_factory=list)
    muscles: Any = None
    forces: Any = None
    span: tuple[np.ndarray, np.ndarray] | None = None
    """Shortest and longest that each muscle has been seen [m]."""


class Viewer:
    """A page that shows motions. Times are of the first of them, and shorter ones stand still at their end."""

    def __init__(self, actors: Sequence[Actor], host: str = HOST, port: int = PORT) -> None:
        """Open the page.

        Args:
            actors: One to four motions, side by side.
            host: Who is answered: this machine alone, or everybody who can reach it ('0.0.0.0').
            port: Of the page; another one is taken if it is in use.

        Raises:
            ValueError: There is nothing to show, or too much.
            ModuleNotFoundError: viser is not installed; the message says how to.
        """
        if not 1 <= len(actors) <= MOST:
            raise ValueError(f"One to {MOST} motions can be looked at together; got {len(actors)}.")
        try:
            import viser
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("Looking needs viser: pip install 'myotrack[view]'.") from error
        self.duration = max(actor.duration for actor in actors)
        """Of the longest [s]."""
        self.time, self.playing, self.speed = 0.0, False, 1.0
        self._drawn: float | None = None
        self._last = math.nan
        self._viser = viser
        with contextlib.redirect_stdout(io.StringIO()):  # It prints a banner.
            self._server = viser.ViserServer(host=host, port=port, label="myotrack", verbose=False)
        self._server.scene.set_up_direction("+z")
        # Cameras stay, and the world moves under them, so that a slow page does not fall behind.
        self._world = self._server.scene.add_frame(WORLD, show_axes=False)
        self._server.scene.add_grid(
            f"{WORLD}/floor", infinite_grid=True, cell_size=0.25, section_size=1.0, fade_distance=12.0
        )
        self._first = actors[0]
        self._controls(actors)
        skeletons: dict[str, Skeleton] = {}
        self._parts: list[_Part] = []
        for number, actor in enumerate(actors):
            if actor.anatomy.hash not in skeletons:
                skeletons[actor.anatomy.hash] = Skeleton(actor.anatomy)
            aside = _aside(actors[0]) * ASIDE * (number - (len(actors) - 1) / 2)
            self._parts.append(self._staged(number, _Part(actor, skeletons[actor.anatomy.hash], aside)))
        self._server.on_client_connect(lambda client: self._greet(client))
        self.show(0.0)

    @property
    def address(self) -> str:
        """Where the page is."""
        host = self._server.get_host()
        return f"http://{'localhost' if host in (HOST, '0.0.0.0') else host}:{self._server.get_port()}"

    def serve(self, until: Callable[[], bool] | None = None) -> None:
        """Answer the page until interrupted, or until told otherwise."""
        while until is None or not until():
            begin = time.monotonic()
            self.tick(begin)
            time.sleep(max(0.0, TICK - (time.monotonic() - begin)))

    def close(self) -> None:
        """Close the page."""
        self._server.stop()

    def play(self, playing: bool = True) -> None:
        """Let time pass, from the beginning if it was at its end, or stop it."""
        if playing and self.time >= self.duration:
            self.time = 0.0
        self.playing, self._last = playing, math.nan
        self._button.label = "Pause" if playing else "Play"

    def seek(self, seconds: float) -> None:
        """Go to a time."""
        self.time = min(max(seconds, 0.0), self.duration)

    def tick(self, now: float) -> None:
        """Let as much time pass as has, and draw what has changed.

        Args:
            now: Of a clock that only goes forward [s].
        """
        if self.playing:
            passed = 0.0 if math.isnan(self._last) else now - self._last
            self._last = now
            self.time += passed * self.speed
            if self.time >= self.duration:
                if self._again.value:
                    self.time = math.fmod(self.time, self.duration) if self.duration else 0.0
                else:
                    self.time = self.duration
                    self.play(False)
        if self._drawn is None or abs(self.time - self._drawn) > 1e-6:
            self.show(self.time)

    def show(self, seconds: float) -> None:
        """Draw an instant."""
        self._drawn = self.time = seconds
        with self._server.atomic():
            for part in self._parts:
                self._draw(part, min(round(seconds * part.actor.rate), part.actor.frames - 1))
            if abs(self._slider.value - seconds) > 0.5 / self._first.rate:
                self._quiet = True
                self._slider.value = round(seconds, 2)
                self._quiet = False
        self._follow_body()
        self._mark()

    def choose(self, muscle: str) -> None:
        """Plot a muscle.

        Raises:
            KeyError: The body has none of that name.
        """
        names = self._first.anatomy.muscle_names
        if muscle not in names:
            raise KeyError(f"The body has no muscle '{muscle}'.")
        self._muscle.value = muscle

    def _staged(self, number: int, part: _Part) -> _Part:
        """Put a motion's shapes on the stage."""
        scene, skeleton, base = self._server.scene, part.skeleton, f"{WORLD}/{number} {part.actor.name}"
        first = skeleton.instant(part.actor.qpos[0])
        for bone in skeleton.bones:
            mesh = {"vertices": bone.vertices.astype(np.float32), "faces": bone.faces.astype(np.uint32)}
            handle = scene.add_mesh_simple(f"{base}/bones/{bone.segment}", **mesh, color=BONE, flat_shading=False)
            part.segments.append((bone.segment, handle))
            if part.actor.ghost is not None:
                ghost = scene.add_mesh_simple(
                    f"{base}/reference/{bone.segment}", **mesh, color=GHOST, opacity=GHOST_OPACITY, cast_shadow=False
                )
                part.shadows.append((bone.segment, ghost))
        middle, turn, size = tubes(first.tube, skeleton.radius)
        vertices, faces = cylinder()
        part.muscles = scene.add_batched_meshes_simple(
            f"{base}/muscles", vertices, faces, turn.astype(np.float32), (middle + part.shift).astype(np.float32),
            batched_scales=size.astype(np.float32), batched_colors=self._colours(part, 0, first.length), lod="off",
        )  # fmt: skip
        part.muscles.on_click(lambda event: self._clicked(part, event))
        if part.actor.force_w is not None:
            feet = part.actor.force_w.shape[1]
            part.forces = scene.add_arrows(
                f"{base}/forces", np.zeros((feet, 2, 3), np.float32), ARROW,
                shaft_radius=0.012, head_radius=0.03, head_length=0.06,
            )  # fmt: skip
        return part

    def _controls(self, actors: Sequence[Actor]) -> None:
        """The panel."""
        gui, actor = self._server.gui, self._first
        gui.configure_theme(show_logo=False, show_share_button=False)
        gui.main_panel.dock_right()
        gui.set_panel_label(" · ".join(each.name for each in actors))
        self._button = gui.add_button("Play")
        self._button.on_click(lambda event: self.play(not self.playing))
        self._quiet = False
        self._slider = gui.add_slider("time [s]", 0.0, round(self.duration, 2), 0.01, 0.0)
        self._slider.on_update(
            lambda event: None if self._quiet or event.client is None else self.seek(event.target.value)
        )
        self._speed = gui.add_button_group("speed", SPEEDS)
        self._speed.on_click(lambda event: setattr(self, "speed", float(event.target.value)))
        self._again = gui.add_checkbox("repeat", True)
        self._follow = gui.add_checkbox("follow the body", True, visible=actor.anatomy.free)
        self._follow.on_update(lambda event: self._redraw())
        with gui.add_folder("Show"):
            known = [name for name in COLOURINGS if name == "length" or getattr(actor, name) is not None]
            self._colouring = gui.add_dropdown("muscles by", known)
            self._colouring.on_update(lambda event: self._redraw())
            self._bones = gui.add_checkbox("bones", True)
            self._bones.on_update(lambda event: self._visible())
            self._ghosts = gui.add_checkbox("reference", True, visible=any(each.ghost is not None for each in actors))
            self._ghosts.on_update(lambda event: self._visible())
            self._arrows = gui.add_checkbox(
                "forces of the ground", True, visible=any(each.force_w is not None for each in actors)
            )
            self._arrows.on_update(lambda event: self._visible())
        with gui.add_folder("Muscle"):
            self._muscle = gui.add_dropdown("name", _by_activity(actor), hint="Or click on a muscle.")
            self._muscle.on_update(lambda event: self._plot())
            self._told = gui.add_markdown("")
            self._curve: Any = None
        self._plot()

    def _greet(self, client: Any) -> None:
        """Let a new page look at the first body from the side."""
        actor = self._first
        centre = np.array([0.0, 0.0, 0.95 if actor.anatomy.free else 1.2])
        distance = 3.1 if actor.anatomy.free else 2.0
        client.camera.fov = FIELD_OF_VIEW
        client.camera.up_direction = (0.0, 0.0, 1.0)
        client.camera.position = tuple(centre + distance * (0.9 * _aside(actor) + 0.35 * _ahead(actor)) + [0, 0, 0.25])
        client.camera.look_at = tuple(centre)

    def _draw(self, part: _Part, frame: int) -> None:
        actor, skeleton = part.actor, part.skeleton
        if part.shadows and actor.ghost is not None:
            there = skeleton.instant(actor.ghost[frame])
            for segment, handle in part.shadows:
                handle.position, handle.wxyz = there.position[segment] + part.shift, there.quaternion[segment]
        here = skeleton.instant(actor.qpos[frame])
        for segment, handle in part.segments:
            handle.position, handle.wxyz = here.position[segment] + part.shift, here.quaternion[segment]
        middle, turn, size = tubes(here.tube, skeleton.radius)
        part.muscles.batched_positions = (middle + part.shift).astype(np.float32)
        part.muscles.batched_wxyzs = turn.astype(np.float32)
        part.muscles.batched_scales = size.astype(np.float32)
        part.muscles.batched_colors = self._colours(part, frame, here.length)
        if part.forces is not None and actor.force_w is not None and actor.cop_w is not None:
            weight = body_weight(actor.anatomy)
            foot = actor.cop_w[frame] + part.shift
            tip = foot + PER_WEIGHT * actor.force_w[frame] / weight
            points = np.stack([foot, tip], axis=1)
            points[np.linalg.norm(tip - foot, axis=1) < LEAST] = NOWHERE
            part.forces.points = points.astype(np.float32)

    def _colours(self, part: _Part, frame: int, length: np.ndarray) -> np.ndarray:
        """Of every piece of every muscle, 0 to 255."""
        chosen = self._colouring.value
        level = getattr(part.actor, chosen, None) if chosen != "length" else None
        if level is not None:
            share, low, high = brightness(level[frame])[:, None], RELAXED[:3], WORKING[:3]
        elif chosen == "length":
            if part.span is None:
                seen = [part.skeleton.instant(qpos).length for qpos in part.actor.qpos[::5]]
                part.span = np.min(seen, axis=0), np.max(seen, axis=0)
            least, most = part.span
            share = ((length - least) / np.maximum(most - least, 1e-6)).clip(0, 1)[:, None]
            low, high = SHORT, LONG
        else:
            share, low, high = np.zeros((len(length), 1)), RELAXED[:3], WORKING[:3]
        colour = 255 * (low + share * (high - low))
        return colour[part.skeleton.muscle].astype(np.uint8)

    def _clicked(self, part: _Part, event: Any) -> None:
        if event.instance_index is not None:
            self.choose(part.actor.anatomy.muscle_names[part.skeleton.muscle[event.instance_index]])

    def _plot(self) -> None:
        """The chosen muscle over time."""
        actor, uplot = self._first, self._viser.uplot
        muscle = actor.anatomy.muscles[actor.anatomy.muscle_names.index(self._muscle.value)]
        self._told.content = f"{muscle.group}, {muscle.side} · {muscle.peak_force:.0f} N"
        if actor.activation is None:
            return
        names = [name for name in ("activation", "excitation") if getattr(actor, name) is not None]
        column = actor.anatomy.muscle_names.index(muscle.name)
        seconds = np.arange(actor.frames) / actor.rate
        self._rows = (seconds, *(getattr(actor, name)[:, column].astype(np.float64) for name in names))
        data = (*self._rows, np.full(actor.frames, np.nan))
        if self._curve is None:
            colours = {"activation": "#d8321f", "excitation": "#9aa3ae"}
            series = [uplot.Series(label="s")] + [
                uplot.Series(label=name, stroke=colours[name], width=1.6) for name in names
            ]
            series.append(uplot.Series(label="now", stroke="#2b2f36", points=uplot.Series_Points(show=True, size=7)))
            self._curve = self._server.gui.add_uplot(
                data, tuple(series), scales={"x": uplot.Scale(time=False), "y": uplot.Scale(range=(0.0, 1.0))},
                aspect=1.5,
            )  # fmt: skip
        else:
            self._curve.data = data
        self._mark()

    def _mark(self) -> None:
        """Where in the plot the present is."""
        if self._curve is None:
            return
        frame = min(round(self.time * self._first.rate), self._first.frames - 1)
        now = np.full(len(self._rows[0]), np.nan)
        now[frame] = self._rows[1][frame]
        self._curve.data = (*self._rows, now)

    def _redraw(self) -> None:
        self._drawn = None

    def _visible(self) -> None:
        for part in self._parts:
            for _, handle in part.segments:
                handle.visible = self._bones.value
            for _, handle in part.shadows:
                handle.visible = self._ghosts.value
            if part.forces is not None:
                part.forces.visible = self._arrows.value

    def _follow_body(self) -> None:
        """Move the world so that the first body stays where cameras look."""
        actor = self._first
        away = np.zeros(3)
        if self._follow.value and actor.anatomy.free:
            frame = min(round(self.time * actor.rate), actor.frames - 1)
            away[:2] = actor.qpos[frame, :2]
        self._world.position = tuple(-away)


def cylinder(sides: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Corners and faces of a tube of radius 1 from z = -1/2 to 1/2, open at its ends."""
    angle = 2 * np.pi * np.arange(sides) / sides
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    low, high = (np.column_stack([ring, np.full(sides, z)]) for z in (-0.5, 0.5))
    here, after = np.arange(sides), (np.arange(sides) + 1) % sides
    faces = np.concatenate(
        [np.stack([here, after, here + sides], axis=1), np.stack([after, after + sides, here + sides], axis=1)]
    )
    return np.concatenate([low, high]).astype(np.float32), faces.astype(np.uint32)


def _ahead(actor: Actor) -> Float[np.ndarray, "3"]:
    """Where a body goes, or where it looks if it stays: a level unit vector."""
    way = (actor.qpos[-1, :3] - actor.qpos[0, :3]) * [1.0, 1.0, 0.0] if actor.anatomy.free else np.zeros(3)
    return way / np.linalg.norm(way) if np.linalg.norm(way) > 0.3 else np.array([0.0, -1.0, 0.0])


def _aside(actor: Actor) -> Float[np.ndarray, "3"]:
    """To the right of it."""
    ahead = _ahead(actor)
    return np.array([ahead[1], -ahead[0], 0.0])


def _by_activity(actor: Actor) -> list[str]:
    """Names of the muscles, most active first."""
    names = actor.anatomy.muscle_names
    if actor.activation is None:
        return sorted(names)
    return [names[index] for index in np.argsort(-actor.activation.mean(axis=0), kind="stable")]
