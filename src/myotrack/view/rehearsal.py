"""A page on which a policy moves a body now, and everybody may push it.

    rehearsal = Rehearsal(("walk",), prepare)
    print(rehearsal.address)
    rehearsal.serve()

The body lives in a thread of its own, as fast as the machine lets it but not faster than life. The page shows its
latest instant thirty times a second, and says how fast that is.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from myotrack.anatomy.model import Anatomy
from myotrack.view.episode import Episode, Now
from myotrack.view.film import RELAXED, WORKING, brightness
from myotrack.view.scene import PER_WEIGHT, Skeleton
from myotrack.view.stage import HOST, NOWHERE, PORT, TICK, WORLD, Part, address_of, look, open_page

SEGMENTS = {
    "pelvis": "pelvis",
    "trunk": "torso",
    "head": "head",
    "right hand": "thirdmc_r",
    "left hand": "thirdmc_l",
    "right shank": "tibia_r",
    "left shank": "tibia_l",
    "right foot": "calcn_r",
    "left foot": "calcn_l",
}
"""What can be pushed, by the body's names of them."""
DIRECTIONS = ("forward", "backward", "to its left", "to its right", "up", "down")
FORCE, MOST_FORCE = 150.0, 1000.0
"""Of a push, to begin with and at most [N]. Tuned: for the fifth of a second, 150 N move 80 kg by 0.4 m/s."""
LASTS, SHORTEST, LONGEST = 0.2, 0.05, 2.0
"""Of a push, to begin with, at least and at most [s]."""
PUSH = (170, 40, 160)
SHORTEST_ARROW, GAP = 0.25, 0.12
"""Length of the arrow of a weak push, and what is left between any arrow and the segment [m]."""
WINDOW = 1.0
"""Over which the speed is measured [s]."""


class Rehearsal:
    """The page, and the thread in which the body lives."""

    def __init__(
        self,
        names: Sequence[str],
        prepare: Callable[[str], Episode],
        title: str,
        host: str = HOST,
        port: int = PORT,
    ) -> None:
        """Open the page; time stands still until `play`.

        Args:
            names: Of the clips that can be chosen; the first is prepared now.
            prepare: Makes the episode of a clip. Called once for each that is chosen.
            title: Of the page: whose policy it is.
            host: Who is answered.
            port: Of the page; another one is taken if it is in use.

        Raises:
            ValueError: There is no clip.
            ModuleNotFoundError: viser is not installed; the message says how to.
        """
        if not names:
            raise ValueError("There is no clip to follow.")
        self._prepare, self._known = prepare, {}
        self.episode = self._episode(names[0])
        self.playing, self.speed = False, 0.0
        """Whether time passes, and how fast it did lately, over that of life."""
        self._asked: deque[Callable[[], None]] = deque()
        self._closed, self._drawn, self._told = threading.Event(), None, ""
        self._server, self._world = open_page(host, port)
        self._controls(names, title)
        anatomy, now = self.episode.anatomy, self.episode.now
        feet = 0 if now.ground is None else len(now.ground.foot)
        self._part = Part(Skeleton(anatomy), np.zeros(3))
        self._part.stand(self._server.scene, f"{WORLD}/body", now.qpos, _colours(now), reference=True, feet=feet)
        nobody = np.array([[NOWHERE, NOWHERE]], dtype=np.float32)
        self._arrow = self._server.scene.add_arrows(
            f"{WORLD}/push", nobody, PUSH, shaft_radius=0.014, head_radius=0.036, head_length=0.07
        )
        ahead = heading(now.ghost) if anatomy.free else np.array([0.0, -1.0, 0.0])
        self._server.on_client_connect(lambda client: look(client, anatomy.free, ahead))
        self.draw()
        self._thread = threading.Thread(target=self._live, name="body", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where the page is."""
        return address_of(self._server)

    def serve(self, until: Callable[[], bool] | None = None) -> None:
        """Show the body until interrupted, or until told otherwise.

        Raises:
            RuntimeError: The body's thread has failed.
        """
        while until is None or not until():
            begin = time.monotonic()
            if not self._thread.is_alive():
                raise RuntimeError("The simulation has stopped; its message is above.")
            self.draw()
            time.sleep(max(0.0, TICK - (time.monotonic() - begin)))

    def close(self) -> None:
        """End the body's thread and close the page."""
        self._closed.set()
        self._thread.join(timeout=10.0)
        self._server.stop()

    def play(self, playing: bool = True) -> None:
        """Let time pass, or stop it."""
        self.playing = playing
        self._button.label = "Pause" if playing else "Play"

    def restart(self) -> None:
        """From the first frame again."""
        self._asked.append(lambda: self.episode.restart())

    def choose(self, name: str) -> None:
        """Follow another clip, from its first frame."""
        self._asked.append(lambda: self._change(name))

    def push(self, segment: str, direction: str, force: float, seconds: float) -> None:
        """Push the body, as it looks at that moment.

        Args:
            segment: One of `SEGMENTS`.
            direction: One of `DIRECTIONS`, of the body.
            force: [N]
            seconds: How long.
        """

        def begin() -> None:
            way = direction_of(direction, self.episode.now.qpos, self.episode.anatomy)
            self.episode.push(SEGMENTS[segment], force * way, seconds)

        self._asked.append(begin)

    def draw(self) -> None:
        """Show the latest instant, and say how it goes."""
        now = self.episode.now
        if now is not self._drawn:
            self._drawn = now
            with self._server.atomic():
                self._part.draw(now.qpos, now.ghost, now.ground, _colours(now))
                self._arrow.points = self._pushed(now)
            self._follow(now)
        told = self._said(now)
        if told != self._told:
            self._told = self._status.content = told

    def _live(self) -> None:
        """The body's thread: do what was asked for, and let time pass."""
        begin, steps = time.monotonic(), 0
        marks: deque[float] = deque(maxlen=max(2, round(WINDOW / self.episode.interval)))
        while not self._closed.is_set():
            while self._asked:
                self._asked.popleft()()
                begin, steps = time.monotonic(), 0
            if self.episode.now.over and self.playing and self._again.value:
                self.episode.restart()
            if not self.playing or self.episode.now.over or not self.episode.now.intact:
                marks.clear()
                self._closed.wait(TICK)
                begin, steps = time.monotonic(), 0
                continue
            self.episode.step()
            steps += 1
            # Where the machine is too slow, what is late is not made up for.
            late = time.monotonic() - begin - steps * self.episode.interval
            if late < 0:
                self._closed.wait(-late)
            else:
                begin += late
                time.sleep(0)
            marks.append(time.monotonic())
            if len(marks) > 1:
                self.speed = (len(marks) - 1) * self.episode.interval / (marks[-1] - marks[0])

    def _episode(self, name: str) -> Episode:
        if name not in self._known:
            self._known[name] = self._prepare(name)
        return self._known[name]

    def _change(self, name: str) -> None:
        self._preparing = name
        try:
            self.episode = self._episode(name)
            self.episode.restart()
        finally:
            self._preparing = ""

    def _controls(self, names: Sequence[str], title: str) -> None:
        gui, anatomy = self._server.gui, self.episode.anatomy
        self._preparing = ""
        gui.set_panel_label(title)
        self._button = gui.add_button("Play")
        self._button.on_click(lambda event: self.play(not self.playing))
        gui.add_button("Restart").on_click(lambda event: self.restart())
        self._clip = gui.add_dropdown("clip", tuple(names))
        self._clip.on_update(lambda event: self.choose(self._clip.value))
        self._again = gui.add_checkbox("repeat", True)
        self._status = gui.add_markdown("")
        with gui.add_folder("Push"):
            model = anatomy.model
            bodies = {model.body(index).name for index in range(model.nbody)}
            self._segment = gui.add_dropdown("where", [name for name, body in SEGMENTS.items() if body in bodies])
            self._direction = gui.add_dropdown("direction", DIRECTIONS, hint="As the body looks when it begins.")
            self._force = gui.add_slider("force [N]", 10.0, MOST_FORCE, 10.0, FORCE)
            self._lasts = gui.add_slider("lasts [s]", SHORTEST, LONGEST, 0.05, LASTS)
            self._pusher = gui.add_button("Push now", color="violet")
            self._pusher.on_click(
                lambda event: self.push(
                    self._segment.value, self._direction.value, self._force.value, self._lasts.value
                )
            )
        with gui.add_folder("Show"):
            self._boxes: list[Any] = []
            for name in ("bones", "reference", "forces of the ground", "centres of pressure"):
                box = gui.add_checkbox(name, True, visible=anatomy.free or name in ("bones", "reference"))
                box.on_update(lambda event: self._part.show(*(each.value for each in self._boxes)))
                self._boxes.append(box)

    def _said(self, now: Now) -> str:
        """How it goes, for people."""
        episode = self.episode
        if self._preparing:
            return f"**{self._preparing}** is being prepared …"
        pace = "paused" if not self.playing else f"{self.speed:.2f} × the speed of life"
        if now.over:
            pace = "at its end"
        rows = [f"**{episode.name}** {now.time:.2f} of {episode.duration:.2f} s · {pace}"]
        off = f"landmarks {1000 * now.landmark:.0f} mm"
        rows.append(off + (f", pelvis {1000 * now.root:.0f} mm off" if episode.anatomy.free else " off"))
        kept = "follows its clip" if now.lost is None else f"**lost** at {now.lost:.2f} s"
        if not now.intact:
            kept += " (it has left the numbers)"
        rows.append(f"{kept} · {episode.rule}")
        if now.push is not None:
            force = float(np.linalg.norm(now.push.force_w))
            rows.append(f"pushed with {force:.0f} N, {now.push.left * episode.interval:.2f} s more")
        return "  \n".join(rows)

    def _pushed(self, now: Now) -> Float[np.ndarray, "1 2 3"]:
        """The arrow of a push ends short of the segment, so that bones do not hide its head."""
        if now.push is None:
            return np.array([[NOWHERE, NOWHERE]], dtype=np.float32)
        index = self.episode.anatomy.model.body(now.push.segment).id
        place = dict(self._part.segments).get(index)
        there = np.asarray(place.position if place is not None else now.qpos[:3])
        weight = 9.81 * float(self.episode.anatomy.model.body_mass.sum())
        way = now.push.force_w / np.linalg.norm(now.push.force_w)
        length = max(SHORTEST_ARROW, PER_WEIGHT * float(np.linalg.norm(now.push.force_w)) / weight)
        tip = there - GAP * way
        return np.array([[tip - length * way, tip]], dtype=np.float32)

    def _follow(self, now: Now) -> None:
        """Move the world so that the reference stays where cameras look."""
        if self.episode.anatomy.free:
            self._world.position = (-float(now.ghost[0]), -float(now.ghost[1]), 0.0)


def heading(qpos: Float[np.ndarray, "qpos"]) -> Float[np.ndarray, "3"]:
    """Where a free body looks: a level unit vector, -y of its root."""
    w, x, y, z = qpos[3:7]
    way = np.array([2 * (w * z - x * y), 2 * (x * x + z * z) - 1, 0.0])
    return way / max(float(np.linalg.norm(way)), 1e-9)


def direction_of(direction: str, qpos: Float[np.ndarray, "qpos"], anatomy: Anatomy) -> Float[np.ndarray, "3"]:
    """A direction of a body as a unit vector of the world.

    Raises:
        ValueError: It is not one of `DIRECTIONS`.
    """
    ahead = heading(qpos) if anatomy.free else np.array([0.0, -1.0, 0.0])
    right, up = np.array([ahead[1], -ahead[0], 0.0]), np.array([0.0, 0.0, 1.0])
    known = dict(zip(DIRECTIONS, (ahead, -ahead, -right, right, up, -up), strict=True))
    if direction not in known:
        raise ValueError(f"A push goes {', '.join(DIRECTIONS)}; got '{direction}'.")
    return known[direction]


def _colours(now: Now) -> Float[np.ndarray, "muscle 3"]:
    """Of its muscles, 0 to 255."""
    return 255 * (RELAXED[:3] + brightness(now.activation)[:, None] * (WORKING[:3] - RELAXED[:3]))
