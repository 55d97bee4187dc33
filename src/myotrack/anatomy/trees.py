"""Parts of a body that do not act on each other: the two arms, where the trunk between them is held.

MuJoCo calls what hangs together by movable joints a tree. Trees that a muscle spans count as one here. Contacts are not
looked at: arms that touch do act on each other.
"""

from dataclasses import dataclass

import mujoco
import torch
from jaxtyping import Int
from torch import Tensor

from myotrack.anatomy.landmarks import site_name
from myotrack.anatomy.model import Anatomy


@dataclass(frozen=True)
class Trees:
    """Number of the tree that each thing belongs to; what never moves belongs to the first."""

    coordinate: Int[Tensor, "coordinate"]
    landmark: Int[Tensor, "landmark"]
    muscle: Int[Tensor, "muscle"]
    count: int

    @classmethod
    def of(cls, anatomy: Anatomy) -> "Trees":
        """As the joints and muscles of a body make them."""
        model = anatomy.model
        tree = {number: number for number in range(model.ntree)}
        spans = [_spanned(model, tendon) for tendon in model.actuator_trnid[:, 0].tolist()]
        for span in spans:
            for other in span[1:]:
                old, new = tree[other], tree[span[0]]
                tree = {number: new if root == old else root for number, root in tree.items()}
        place = {root: number for number, root in enumerate(sorted(set(tree.values())))}
        # Bodies that never move have no tree.
        final = {number: place[root] for number, root in tree.items()} | {-1: 0}
        sites = [model.site(site_name(name)).bodyid[0] for name in anatomy.landmarks]
        coordinates = [
            final[int(model.dof_treeid[model.joint(joint.name).dofadr[0]])]
            for joint in anatomy.joints
            if joint.independent
            for _ in range(6 if joint.kind == "free" else 1)
        ]
        return cls(
            coordinate=torch.tensor(coordinates),
            landmark=torch.tensor([final[int(model.body_treeid[body])] for body in sites]),
            muscle=torch.tensor([final[span[0]] if span else 0 for span in spans]),
            count=len(place),
        )


def _spanned(model: mujoco.MjModel, tendon: int) -> list[int]:
    """Trees of the bodies that the path of a muscle touches."""
    first = model.tendon_adr[tendon]
    bodies = set()
    for wrap in range(first, first + model.tendon_num[tendon]):
        kind, number = int(model.wrap_type[wrap]), int(model.wrap_objid[wrap])
        if kind == mujoco.mjtWrap.mjWRAP_SITE.value:
            bodies.add(int(model.site_bodyid[number]))
        elif kind in (mujoco.mjtWrap.mjWRAP_SPHERE.value, mujoco.mjtWrap.mjWRAP_CYLINDER.value):
            bodies.add(int(model.geom_bodyid[number]))
        elif kind == mujoco.mjtWrap.mjWRAP_JOINT.value:
            bodies.add(int(model.jnt_bodyid[number]))
    return sorted({int(model.body_treeid[body]) for body in bodies} - {-1})
