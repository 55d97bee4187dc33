"""Bone meshes, put back onto a body for pictures. They neither weigh nor touch anything."""

from collections.abc import Callable
from pathlib import Path

import mujoco

BONE_COLOUR = (0.92, 0.90, 0.84, 1.0)
"""Of every bone."""
GRID = "floor grid"
"""Name of a material with lines, for floors; nothing wears it until a picture wants it."""
CELL = 0.5
"""Between two lines of it [m]."""


def with_bones(xml: str, published: Path, size: Callable[[str], float]) -> mujoco.MjModel:
    """Compile a body's MJCF with the meshes of the published body on its segments, under a bright sky.

    Args:
        xml: A repaired body without visuals.
        published: The MJCF file that it was made from.
        size: How large a body's bones are over the published ones, by the body's name.
    """
    spec, source = mujoco.MjSpec.from_string(xml), mujoco.MjSpec.from_file(str(published))
    spec.compiler.degree = source.compiler.degree
    folder = published.parent / source.meshdir
    segments = {body.name for body in spec.bodies}
    bones = [geom for geom in source.geoms if geom.type == mujoco.mjtGeom.mjGEOM_MESH and geom.parent.name in segments]
    meshes = {mesh.name: mesh for mesh in source.meshes}
    for name, factor in sorted({(bone.meshname, size(bone.parent.name)) for bone in bones}):
        mesh = meshes[name]
        scale = [factor * along for along in mesh.scale]
        spec.add_mesh(name=f"{name} x {factor}", file=str(folder / mesh.file), scale=scale)
    for bone in bones:
        factor = size(bone.parent.name)
        copy = spec.body(bone.parent.name).add_geom(
            type=mujoco.mjtGeom.mjGEOM_MESH,
            meshname=f"{bone.meshname} x {factor}",
            pos=[factor * along for along in bone.pos],
            quat=bone.quat,
            rgba=BONE_COLOUR,
            contype=0,
            conaffinity=0,
            group=0,
            mass=0.0,
        )
        copy.alt.type = bone.alt.type
        for field in ("axisangle", "euler", "xyaxes", "zaxis"):
            setattr(copy.alt, field, getattr(bone.alt, field))
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.95, 0.96, 0.98],
        rgb2=[0.86, 0.89, 0.93],
        width=64,
        height=384,
    )
    spec.add_texture(
        name=GRID,
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
        mark=mujoco.mjtMark.mjMARK_EDGE,
        rgb1=[1.0, 1.0, 1.0],
        rgb2=[1.0, 1.0, 1.0],
        markrgb=[0.62, 0.66, 0.72],
        width=96,
        height=96,
    )
    grid = spec.add_material(name=GRID, texrepeat=[1 / CELL, 1 / CELL], texuniform=True, reflectance=0.0)
    grid.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = GRID
    return spec.compile()
