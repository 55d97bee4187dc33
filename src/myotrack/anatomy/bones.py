"""Bone meshes, put back onto a body for pictures. They neither weigh nor touch anything."""

from pathlib import Path

import mujoco

BONE_COLOUR = (0.92, 0.90, 0.84, 1.0)
"""Of every bone."""


def with_bones(xml: str, published: Path) -> mujoco.MjModel:
    """Compile a body's MJCF with the meshes of the published body on its segments, under a bright sky.

    Args:
        xml: A repaired body without visuals.
        published: The MJCF file that it was made from.
    """
    spec, source = mujoco.MjSpec.from_string(xml), mujoco.MjSpec.from_file(str(published))
    spec.compiler.degree = source.compiler.degree
    folder = published.parent / source.meshdir
    segments = {body.name for body in spec.bodies}
    bones = [geom for geom in source.geoms if geom.type == mujoco.mjtGeom.mjGEOM_MESH and geom.parent.name in segments]
    for mesh in source.meshes:
        if mesh.name in {bone.meshname for bone in bones}:
            spec.add_mesh(name=mesh.name, file=str(folder / mesh.file), scale=mesh.scale)
    for bone in bones:
        copy = spec.body(bone.parent.name).add_geom(
            type=mujoco.mjtGeom.mjGEOM_MESH,
            meshname=bone.meshname,
            pos=bone.pos,
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
    return spec.compile()
