"""What a minimal skeleton costs and how true it is.  Usage: python benchmarks/reduce.py --body full

Prints a table: sizes; worst and root-mean-square errors of the landmarks by group; errors of inertia; how far apart the
two bodies are after half a second of falling limbs; and the time of `mj_step` of the whole body without muscles and of
the minimal skeleton, in the air and lying on the ground, in turn in one run. Ratios are medians over the rounds.
"""

import statistics
import time
from typing import Literal

import mujoco
import numpy as np
import torch
import tyro

from myotrack.anatomy.couplings import Couplings
from myotrack.anatomy.landmarks import site_name
from myotrack.anatomy.likeness import ReductionErrors, reduction_errors
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.reduce import reduced

GROUPS = {
    "pelvis": ("pelvis",),
    "legs": ("hip", "knee", "ankle", "toe"),
    "thorax": ("upper_body",),
    "head": ("head",),
    "shoulders": ("shoulder",),
    "elbows": ("elbow",),
    "hands": ("hand",),
}
SETTLING = 1.5
"""Until a dropped body lies still enough [s]."""


def without_muscles(anatomy: Anatomy) -> mujoco.MjModel:
    """The whole body without actuators, tendons and what those need."""
    spec = mujoco.MjSpec.from_string(anatomy.xml)
    for thing in (*spec.actuators, *spec.tendons):
        spec.delete(thing)
    for site in list(spec.sites):
        if site.name not in {site_name(landmark) for landmark in anatomy.landmarks}:
            spec.delete(site)
    for geom in list(spec.geoms):
        if not (geom.contype or geom.conaffinity):
            spec.delete(geom)
    return spec.compile()


def posture(anatomy: Anatomy, seed: int, height: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Coordinates near the middle of the ranges, and random rates."""
    rng = np.random.default_rng(seed)
    low, high = anatomy.limits()
    middle = low + torch.as_tensor(rng.uniform(0.3, 0.7, len(low))) * (high - low)
    z = torch.where(torch.isfinite(high), middle, anatomy.rest)
    if anatomy.free:
        z[2] += height
    return z, torch.as_tensor(rng.normal(size=anatomy.couplings.coordinate_size))


def placed(model: mujoco.MjModel, z: torch.Tensor, rate: torch.Tensor) -> mujoco.MjData:
    """A body on its couplings."""
    couplings, data = Couplings.of(model), mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = couplings.qpos(z).numpy(), couplings.qvel(z, rate).numpy()
    return data


def drift(anatomy: Anatomy, models: tuple[mujoco.MjModel, mujoco.MjModel], seed: int, duration: float = 0.5) -> float:
    """Root mean square difference of the joint angles of two bodies that move freely from one state [deg]."""
    z, rate = posture(anatomy, seed, 10.0)
    ends = []
    for model in models:
        data = placed(model, z, rate)
        for _ in range(round(duration / model.opt.timestep)):
            mujoco.mj_step(model, data)
        ends.append(Couplings.of(model).independent(torch.as_tensor(data.qpos.copy()))[7 if anatomy.free else 0 :])
    return float(torch.rad2deg((ends[0] - ends[1]).square().mean().sqrt()))


def step_time(model: mujoco.MjModel, start: mujoco.MjData, steps: int) -> float:
    """Of one step [ms]."""
    data = mujoco.MjData(model)
    mujoco.mj_copyState(model, start, data, mujoco.mjtState.mjSTATE_INTEGRATION.value)
    begin = time.perf_counter()
    for _ in range(steps):
        mujoco.mj_step(model, data)
    return 1e3 * (time.perf_counter() - begin) / steps


def print_errors(anatomy: Anatomy, errors: ReductionErrors) -> None:
    """Landmarks by group, inertia and mass."""
    print(f"{'landmarks':12}{'worst mm':>10}{'rms mm':>10}{'worst deg':>11}{'rms deg':>10}")
    for group, ends in GROUPS.items():
        rows = [row for row, name in enumerate(errors.landmarks) if name.endswith(ends)]
        if not rows:
            continue
        far, near = 1e3 * errors.pos_max[rows].max(), 1e3 * np.sqrt((errors.pos_rms[rows] ** 2).mean())
        much, little = np.degrees([errors.angle_max[rows].max(), np.sqrt((errors.angle_rms[rows] ** 2).mean())])
        print(f"{group:12}{far:10.2f}{near:10.2f}{much:11.2f}{little:10.2f}")
    print(f"inertia: worst {100 * errors.inertia.max():.2f} %, typical {100 * np.median(errors.inertia):.2f} %")
    print("own inertias with a worst error over 0.5 %: worst, typical")
    for name, values in zip(anatomy.coordinate_names, errors.diagonal.T, strict=True):
        if values.max() > 0.005:
            print(f"    {name:18}{100 * values.max():6.2f} % {100 * np.median(values):6.2f} %")
    print(f"mass: {errors.mass:.1e}")


def main(
    body: Literal["full", "arms"] = "full",
    fingers: bool = False,
    implicit_damping: bool = True,
    count: int = 500,
    steps: int = 300,
    rounds: int = 9,
) -> None:
    """Print one table.

    Args:
        body: 'full' or 'arms'.
        fingers: Whether the fingers move.
        implicit_damping: Whether MuJoCo's Euler integrator treats damping implicitly, which is its default.
        count: Postures in which the two bodies are compared.
        steps: Steps per measurement of time.
        rounds: Measurements of time.
    """
    torch.set_num_threads(1)
    anatomy = Anatomy.load(body, fingers)
    begin = time.perf_counter()
    skeleton, whole = reduced(anatomy).compile(), without_muscles(anatomy)
    for model in (skeleton, whole):
        model.opt.disableflags |= 0 if implicit_damping else int(mujoco.mjtDisableBit.mjDSBL_EULERDAMP)
    print(f"made in {time.perf_counter() - begin:.1f} s")
    print(f"{'':12}{'nv':>6}{'equalities':>12}{'bodies':>8}")
    for name, model in (("whole", whole), ("skeleton", skeleton)):
        print(f"{name:12}{model.nv:6}{model.neq:12}{model.nbody:8}")
    print_errors(anatomy, reduction_errors(anatomy, skeleton, count))
    apart = [drift(anatomy, (skeleton, whole), seed) for seed in range(5)]
    print(f"joint angles apart after 0.5 s without muscles: {', '.join(f'{each:.2f}' for each in apart)} deg rms")
    print(f"{'ms per step':12}{'whole':>8}{'skeleton':>10}{'ratio':>8}{'contacts':>14}")
    places = (
        {"in the air": (1000.0, 0.05), "on the ground": (0.2, SETTLING)} if anatomy.free else {"hanging": (0.0, 0.5)}
    )
    for place, (height, settling) in places.items():
        starts = [placed(model, *posture(anatomy, 0, height)) for model in (whole, skeleton)]
        for model, start in zip((whole, skeleton), starts, strict=True):
            for _ in range(round(settling / model.opt.timestep)):
                mujoco.mj_step(model, start)
        times = [[step_time(whole, starts[0], steps), step_time(skeleton, starts[1], steps)] for _ in range(rounds)]
        medians = [statistics.median(column) for column in zip(*times, strict=True)]
        ratio = statistics.median(slow / fast for slow, fast in times)
        contacts = "/".join(str(start.ncon) for start in starts)
        print(f"{place:14}{medians[0]:6.4f}{medians[1]:10.4f}{ratio:8.2f}{contacts:>14}")


if __name__ == "__main__":
    tyro.cli(main)
