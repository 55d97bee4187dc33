"""Trials made up for tests: small, and with numbers one can work out by hand."""

import torch
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import RATE, Provenance
from myotrack.validate.trials import Emg, Trial


def perfect(anatomy: Anatomy, frames: int = 21, name: str = "reach") -> Trial:
    """A body that stands exactly where it should, without any muscle at work and without help."""
    size, muscles, regions = anatomy.couplings.coordinate_size, anatomy.model.nu, len(anatomy.foot_regions)
    pos = anatomy.rest.repeat(frames, 1)
    places = anatomy.kinematics.pose(pos).pos.float()

    def zeros(*shape: int) -> Tensor:
        return torch.zeros(frames, *shape)

    return Trial(
        name=name,
        kind="muscle control",
        body=anatomy.name,
        fingers=anatomy.fingers,
        body_hash=anatomy.hash,
        rate=RATE,
        wanted_frames=frames,
        pos=pos,
        vel=zeros(size).double(),
        reference_pos=pos.clone(),
        reference_vel=zeros(size).double(),
        landmark_pos_w=places,
        reference_landmark_pos_w=places.clone(),
        activation=zeros(muscles),
        excitation=zeros(muscles),
        muscle_force=zeros(muscles),
        moment=zeros(size),
        residual=zeros(size),
        reserve=zeros(size),
        support=zeros(6),
        region_force_w=zeros(regions, 3),
        foot_force_w=zeros(regions // 2, 3),
        foot_cop_w=zeros(regions // 2, 3),
        seconds=0.1,
        settings={"reserve": "0 N m"},
        provenance=Provenance("a.bvh", "ab12", "BVH", "free", ("dropped 6 frames",)),
    )


def busy(anatomy: Anatomy, frames: int = 41, name: str = "wave") -> Trial:
    """A trial in which every number is something else than zero, the same every time."""
    from dataclasses import replace

    generator = torch.Generator().manual_seed(1)
    trial = perfect(anatomy, frames, name)
    skip = 7 if anatomy.free else 0

    def random(values: Tensor, scale: float = 1.0) -> Tensor:
        return scale * torch.rand(values.shape, generator=generator, dtype=values.dtype)

    pos = trial.pos.clone()
    pos[:, skip:] += random(pos[:, skip:], 0.05)
    names = ("moment", "residual", "reserve", "support", "region_force_w", "foot_force_w", "foot_cop_w")
    wild = {each: random(getattr(trial, each), 20.0) for each in names}
    return replace(
        trial,
        pos=pos,
        landmark_pos_w=trial.landmark_pos_w + random(trial.landmark_pos_w, 0.01),
        activation=random(trial.activation),
        excitation=random(trial.activation),
        muscle_force=random(trial.muscle_force, 100.0),
        emg=Emg(("deltoid", "unknown"), ((anatomy.muscle_names[0],), ()), random(torch.zeros(frames, 2))),
        **wild,
    )
