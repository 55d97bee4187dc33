"""A body on a page of viser: bones, reference, muscles as tubes, forces of the ground and patches where they act."""

import contextlib
import io
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from myotrack.view.scene import Ground, Skeleton, tubes

HOST, PORT = "127.0.0.1", 8080
WORLD = "/world"
TICK = 1 / 30
"""Between two pictures [s]."""
BONE, GHOST = (232, 228, 214), (120, 150, 185)
GHOST_OPACITY = 0.28
ARROW = (38, 110, 70)
NOWHERE = (0.0, 0.0, -100.0)
"""Where arrows are put that nobody shall see."""
FIELD_OF_VIEW = math.radians(40.0)
"""From top to bottom."""
PATCH_HEIGHT = 0.004
"""Thickness of patches [m]: above the floor's lines, below the feet's bones."""


@dataclass
class Part:
    """One body on the stage; what viser gave for its bones, muscles and forces."""

    skeleton: Skeleton
    shift: Float[np.ndarray, "3"]
    segments: list[tuple[int, Any]] = field(default_factory=list)
    shadows: list[tuple[int, Any]] = field(default_factory=list)
    muscles: Any = None
    forces: Any = None
    patches: Any = None

    def stand(
        self,
        scene: Any,
        base: str,
        qpos: Float[np.ndarray, "qpos"],
        colours: Float[np.ndarray, "muscle 3"],
        reference: bool,
        feet: int,
    ) -> "Part":
        """Put its shapes on the stage.

        Args:
            scene: Of a server of viser.
            base: Name that all of its shapes begin with.
            qpos: A posture.
            colours: Of its muscles, 0 to 255.
            reference: Whether there is one.
            feet: How many bear forces of the ground.
        """
        skeleton, first = self.skeleton, self.skeleton.instant(qpos)
        for bone in skeleton.bones:
            mesh = {"vertices": bone.vertices.astype(np.float32), "faces": bone.faces.astype(np.uint32)}
            handle = scene.add_mesh_simple(f"{base}/bones/{bone.segment}", **mesh, color=BONE, flat_shading=False)
            self.segments.append((bone.segment, handle))
            if reference:
                ghost = scene.add_mesh_simple(
                    f"{base}/reference/{bone.segment}", **mesh, color=GHOST, opacity=GHOST_OPACITY, cast_shadow=False
                )
                self.shadows.append((bone.segment, ghost))
        middle, turn, size = tubes(first.tube, skeleton.radius)
        vertices, faces = cylinder()
        self.muscles = scene.add_batched_meshes_simple(
            f"{base}/muscles", vertices, faces, turn.astype(np.float32), (middle + self.shift).astype(np.float32),
            batched_scales=size.astype(np.float32), batched_colors=self._pieces(colours), lod="off",
        )  # fmt: skip
        if feet:
            self.forces = scene.add_arrows(
                f"{base}/forces", np.zeros((feet, 2, 3), np.float32), ARROW,
                shaft_radius=0.012, head_radius=0.03, head_length=0.06,
            )  # fmt: skip
            vertices, faces = disc()
            self.patches = scene.add_batched_meshes_simple(
                f"{base}/patches", vertices, faces, np.tile(np.array([1, 0, 0, 0], np.float32), (feet, 1)),
                np.tile(np.array(NOWHERE, np.float32), (feet, 1)), batched_scales=np.ones((feet, 3), np.float32),
                batched_colors=np.zeros((feet, 3), np.uint8), lod="off", opacity=0.85,
            )  # fmt: skip
        return self

    def draw(
        self,
        qpos: Float[np.ndarray, "qpos"],
        ghost: Float[np.ndarray, "qpos"] | None,
        ground: Ground | None,
        colours: Float[np.ndarray, "muscle 3"],
    ) -> None:
        """Put it into a posture. Colours are from 0 to 255."""
        if self.shadows and ghost is not None:
            there = self.skeleton.instant(ghost)
            for segment, handle in self.shadows:
                handle.position, handle.wxyz = there.position[segment] + self.shift, there.quaternion[segment]
        here = self.skeleton.instant(qpos)
        for segment, handle in self.segments:
            handle.position, handle.wxyz = here.position[segment] + self.shift, here.quaternion[segment]
        middle, turn, size = tubes(here.tube, self.skeleton.radius)
        self.muscles.batched_positions = (middle + self.shift).astype(np.float32)
        self.muscles.batched_wxyzs = turn.astype(np.float32)
        self.muscles.batched_scales = size.astype(np.float32)
        self.muscles.batched_colors = self._pieces(colours)
        if self.forces is not None and ground is not None:
            points = np.stack([ground.foot, ground.tip], axis=1) + self.shift
            points[~ground.bears] = NOWHERE
            self.forces.points = points.astype(np.float32)
            place = np.where(ground.bears[:, None], ground.foot + self.shift + [0, 0, PATCH_HEIGHT], NOWHERE)
            thick = np.full_like(ground.radius, PATCH_HEIGHT)
            self.patches.batched_positions = place.astype(np.float32)
            self.patches.batched_scales = np.stack([ground.radius, ground.radius, thick], axis=1).astype(np.float32)
            self.patches.batched_colors = (255 * ground.colour).astype(np.uint8)

    def show(self, bones: bool, reference: bool, forces: bool, patches: bool) -> None:
        """Show or hide its shapes."""
        for _, handle in self.segments:
            handle.visible = bones
        for _, handle in self.shadows:
            handle.visible = reference
        if self.forces is not None:
            self.forces.visible, self.patches.visible = forces, patches

    def _pieces(self, colours: Float[np.ndarray, "muscle 3"]) -> np.ndarray:
        """Of every piece of every muscle."""
        return colours[self.skeleton.muscle].astype(np.uint8)


def open_page(host: str, port: int) -> tuple[Any, Any]:
    """A page with a floor: the server of viser, and the frame that everything stands in.

    Raises:
        ModuleNotFoundError: viser is not installed; the message says how to.
    """
    try:
        import viser
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("Looking needs viser: pip install 'myotrack[view]'.") from error
    with contextlib.redirect_stdout(io.StringIO()):  # It prints a banner.
        server = viser.ViserServer(host=host, port=port, label="myotrack", verbose=False)
    server.scene.set_up_direction("+z")
    # Cameras stay, and the world moves under them, so that a slow page does not fall behind.
    world = server.scene.add_frame(WORLD, show_axes=False)
    server.scene.add_grid(f"{WORLD}/floor", infinite_grid=True, cell_size=0.25, section_size=1.0, fade_distance=12.0)
    server.gui.configure_theme(show_logo=False, show_share_button=False)
    server.gui.main_panel.dock_right()
    return server, world


def address_of(server: Any) -> str:
    """Where a page is."""
    host = server.get_host()
    return f"http://{'localhost' if host in (HOST, '0.0.0.0') else host}:{server.get_port()}"


def look(client: Any, free: bool, ahead: Float[np.ndarray, "3"]) -> None:
    """Let a new page look at a body from its side.

    Args:
        client: The page.
        free: Whether the body walks.
        ahead: Where it goes.
    """
    centre, distance = np.array([0.0, 0.0, 0.95 if free else 1.2]), 3.1 if free else 2.0
    aside = np.array([ahead[1], -ahead[0], 0.0])
    client.camera.fov = FIELD_OF_VIEW
    client.camera.up_direction = (0.0, 0.0, 1.0)
    client.camera.position = tuple(centre + distance * (0.9 * aside + 0.35 * ahead) + [0, 0, 0.25])
    client.camera.look_at = tuple(centre)


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


def disc(sides: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """The same tube with a lid on its upper end."""
    corners, faces = cylinder(sides)
    here = np.arange(sides)
    lid = np.stack([here + sides, (here + 1) % sides + sides, np.full(sides, 2 * sides)], axis=1)
    return np.concatenate([corners, np.array([[0, 0, 0.5]], np.float32)]), np.concatenate([faces, lid]).astype(
        np.uint32
    )
