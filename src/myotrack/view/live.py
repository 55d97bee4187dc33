"""Motions in a browser: played, slowed down, looked at from anywhere, with muscles that tell what they do when clicked.

    viewer = Viewer([Actor.of_trial(trial, anatomy)])
    print(viewer.address)
    viewer.serve()

A page of viser (three.js) does the drawing; nobody but this machine is answered unless asked for.
"""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from myotrack.view.film import RELAXED, WORKING, brightness
from myotrack.view.scene import Actor, Skeleton
from myotrack.view.stage import HOST, PORT, TICK, WORLD, Part, address_of, look, open_page

SPEEDS = ("0.1", "0.25", "0.5", "1")
"""Times the speed of life."""
MOST = 4
"""Motions side by side."""
ASIDE = 1.0
"""Between two of them [m]."""
SHORT, LONG = np.array([0.16, 0.36, 0.74]), np.array([0.90, 0.55, 0.10])
"""Colours of muscles at their shortest and their longest in this motion: blue, and orange."""
COLOURINGS = ("activation", "excitation", "length")


class _Shown(Part):
    """A motion on the stage."""

    def __init__(self, actor: Actor, skeleton: Skeleton, shift: Float[np.ndarray, "3"]) -> None:
        super().__init__(skeleton, shift)
        self.actor = actor
        self.span: tuple[np.ndarray, np.ndarray] | None = None
        """Shortest and longest that each muscle has been [m]."""


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
        self.duration = max(actor.duration for actor in actors)
        """Of the longest [s]."""
        self.time, self.playing, self.speed = 0.0, False, 1.0
        self._drawn: float | None = None
        self._last = math.nan
        self._server, self._world = open_page(host, port)
        self._first = actors[0]
        self._controls(actors)
        skeletons: dict[str, Skeleton] = {}
        self._parts: list[_Shown] = []
        for number, actor in enumerate(actors):
            if actor.anatomy.hash not in skeletons:
                skeletons[actor.anatomy.hash] = Skeleton(actor.anatomy)
            aside = _aside(actors[0]) * ASIDE * (number - (len(actors) - 1) / 2)
            self._parts.append(self._staged(number, _Shown(actor, skeletons[actor.anatomy.hash], aside)))
        self._server.on_client_connect(lambda client: look(client, actors[0].anatomy.free, _ahead(actors[0])))
        self.show(0.0)

    @property
    def address(self) -> str:
        """Where the page is."""
        return address_of(self._server)

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

    def _staged(self, number: int, part: _Shown) -> _Shown:
        """Put a motion's shapes on the stage."""
        actor, first = part.actor, part.skeleton.instant(part.actor.qpos[0])
        feet = 0 if actor.force_w is None else actor.force_w.shape[1]
        part.stand(
            self._server.scene, f"{WORLD}/{number} {actor.name}", actor.qpos[0], self._colours(part, 0, first.length),
            actor.ghost is not None, feet,
        )  # fmt: skip
        part.muscles.on_click(lambda event: self._clicked(part, event))
        return part

    def _controls(self, actors: Sequence[Actor]) -> None:
        """The panel."""
        gui, actor = self._server.gui, self._first
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
            forces = any(each.force_w is not None for each in actors)
            self._arrows = gui.add_checkbox("forces of the ground", True, visible=forces)
            self._arrows.on_update(lambda event: self._visible())
            self._patches = gui.add_checkbox("centres of pressure", True, visible=forces)
            self._patches.on_update(lambda event: self._visible())
        with gui.add_folder("Muscle"):
            self._muscle = gui.add_dropdown("name", _by_activity(actor), hint="Or click on a muscle.")
            self._muscle.on_update(lambda event: self._plot())
            self._told = gui.add_markdown("")
            self._curve: Any = None
        self._plot()

    def _draw(self, part: _Shown, frame: int) -> None:
        actor = part.actor
        ghost = None if actor.ghost is None else actor.ghost[frame]
        length = part.skeleton.instant(actor.qpos[frame]).length if self._colouring.value == "length" else None
        part.draw(actor.qpos[frame], ghost, actor.ground(frame), self._colours(part, frame, length))

    def _colours(self, part: _Shown, frame: int, length: np.ndarray | None) -> Float[np.ndarray, "muscle 3"]:
        """Of every muscle, 0 to 255."""
        chosen = self._colouring.value
        level = getattr(part.actor, chosen, None) if chosen != "length" else None
        if level is not None:
            share, low, high = brightness(level[frame])[:, None], RELAXED[:3], WORKING[:3]
        elif length is not None and chosen == "length":
            if part.span is None:
                seen = [part.skeleton.instant(qpos).length for qpos in part.actor.qpos[::5]]
                part.span = np.min(seen, axis=0), np.max(seen, axis=0)
            least, most = part.span
            share = ((length - least) / np.maximum(most - least, 1e-6)).clip(0, 1)[:, None]
            low, high = SHORT, LONG
        else:
            share, low, high = np.zeros((len(part.actor.anatomy.muscles), 1)), RELAXED[:3], WORKING[:3]
        return 255 * (low + share * (high - low))

    def _clicked(self, part: _Shown, event: Any) -> None:
        if event.instance_index is not None:
            self.choose(part.actor.anatomy.muscle_names[part.skeleton.muscle[event.instance_index]])

    def _plot(self) -> None:
        """The chosen muscle over time."""
        from viser import uplot

        actor = self._first
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
            part.show(self._bones.value, self._ghosts.value, self._arrows.value, self._patches.value)

    def _follow_body(self) -> None:
        """Move the world so that the first body stays where cameras look."""
        actor = self._first
        away = np.zeros(3)
        if self._follow.value and actor.anatomy.free:
            frame = min(round(self.time * actor.rate), actor.frames - 1)
            away[:2] = actor.qpos[frame, :2]
        self._world.position = tuple(-away)


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
