"""Which joints each stretch of a muscle path spans. The length of a muscle is the sum over its stretches, exactly.

A path goes from site to site, perhaps around a surface between two of them. The length of such a stretch depends only
on the joints between the segments that its sites and its surface are fixed to. So a muscle of the finger that crosses
eight joints is a sum of functions of one or two of them each; only hamstrings, which leave the pelvis and touch nothing
before the shank, need four.
"""

from dataclasses import dataclass

import mujoco
import numpy as np

from myotrack.anatomy.couplings import Couplings

_SURFACES = (mujoco.mjtWrap.mjWRAP_SPHERE.value, mujoco.mjtWrap.mjWRAP_CYLINDER.value)


@dataclass(frozen=True)
class Group:
    """Independent coordinates, and the muscles that have stretches over just these."""

    coordinates: tuple[int, ...]
    """Ascending, as rates count them (`Anatomy.coordinate_names`)."""
    muscles: tuple[int, ...]
    """Ascending."""


def groups_of(model: mujoco.MjModel, couplings: Couplings) -> tuple[Group, ...]:
    """All groups, so that the length of every muscle is a sum of one function per group that it is in, and a constant.

    Stretches over some of the joints of another stretch of the same muscle are counted with that.

    Raises:
        ValueError: A muscle is not a path from site to site.
    """
    spans = _Spans(model, couplings)
    members: dict[tuple[int, ...], list[int]] = {}
    for muscle, tendon in enumerate(model.actuator_trnid[:, 0].tolist()):
        found = spans.of(tendon)
        for span in sorted(found):
            if span and not any(set(span) < set(other) for other in found):
                members.setdefault(span, []).append(muscle)
    return tuple(Group(span, tuple(muscles)) for span, muscles in sorted(members.items()))


class _Spans:
    """Coordinates between the bodies of a stretch."""

    def __init__(self, model: mujoco.MjModel, couplings: Couplings) -> None:
        self._model = model
        owner = couplings.coordinate_of_dof().numpy()
        # Joints that are held at a constant move nothing.
        held = np.zeros(model.nv, dtype=bool)
        constant = (couplings.polynomial[:, 1:] == 0).all(dim=1).numpy()
        held[couplings.dependent_rate_index.numpy()[constant]] = True
        self._above: list[set[tuple[int, int]]] = []
        """Joints between each body and the world, each with the coordinate that moves it."""
        for body in range(model.nbody):
            first, count = int(model.body_dofadr[body]), int(model.body_dofnum[body])
            own = {(dof, int(owner[dof])) for dof in range(first, first + count) if not held[dof]}
            self._above.append(own if body == 0 else self._above[int(model.body_parentid[body])] | own)

    def of(self, tendon: int) -> set[tuple[int, ...]]:
        """The span of every stretch of a path."""
        model = self._model
        first = int(model.tendon_adr[tendon])
        before, surface, found = -1, -1, set[tuple[int, ...]]()
        for wrap in range(first, first + int(model.tendon_num[tendon])):
            kind, number = int(model.wrap_type[wrap]), int(model.wrap_objid[wrap])
            if kind in _SURFACES:
                surface = int(model.geom_bodyid[number])
            elif kind == mujoco.mjtWrap.mjWRAP_SITE.value:
                body = int(model.site_bodyid[number])
                if before >= 0:
                    found.add(self._between([before, body, *([surface] if surface >= 0 else [])]))
                before, surface = body, -1
            else:
                raise ValueError(f"The path '{model.tendon(tendon).name}' does not go from site to site.")
        return found

    def _between(self, bodies: list[int]) -> tuple[int, ...]:
        chains = [self._above[body] for body in bodies]
        apart = set.union(*chains) - set.intersection(*chains)
        return tuple(sorted({coordinate for _, coordinate in apart}))
