"""Who moved: the sizes of the subject's parts and the places of the points on them, fitted to some frames at once.

Unknown are the posture of every chosen frame, the size of each part over the body's, and how far each point is from its
usual place. Sizes and places are shared by all frames, so the postures are eliminated first (Schur complement).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.algebra.quaternion import from_matrix, multiply
from myotrack.algebra.rotation import exponential, logarithm
from myotrack.anatomy.kinematics import Kinematics
from myotrack.anatomy.sizes import PARTS
from myotrack.retarget.correspondence import Correspondence
from myotrack.retarget.rig import Rig
from myotrack.retarget.solver import pose, tangent

FRAMES = 48
"""Frames that sizes and places are fitted to. Tuned: twice as many change sizes by less than 0.5 %."""
STEPS = 14
SIZE_SPREAD = 0.06
"""How far a part's size may be from the mean of all, as a share, one standard deviation. Tuned, after the spread of
limb proportions among adults (Winter 2009, table 4.1: 3-6 %)."""
LOOSE = 1.5
"""Standard deviation of joint angles about the starting posture [rad]: only so that every equation has an answer."""
START_DEG = {"shoulder_elv": 30.0, "elbow_flex": 30.0, "knee_angle": 10.0}
"""Where the search starts, away from the points where a joint's axes line up [deg]."""


@dataclass(frozen=True)
class Subject:
    """A person, as a body of other sizes with points on it."""

    size: Float[Tensor, "part"]
    """Of each part over the body's, as in `PARTS`."""
    place: Float[Tensor, "point 3"]
    """Of every point in its segment's frame, in the subject's size [m]."""
    legs: float
    """Length of the legs over the body's."""
    reach: float
    """Length of the arms over the body's."""

    def kinematics(self, rig: Rig) -> Kinematics:
        """The body in the subject's size."""
        return rig.sized(self.size)

    def on_own_size(self) -> "Subject":
        """The same person beside a body of their own sizes. Points stay where they were found to be."""
        return Subject(torch.ones_like(self.size), self.place, legs=1.0, reach=1.0)


def fit_subject(
    points: Float[Tensor, "frame point 3"],
    turns: Float[Tensor, "frame turn 3 3"],
    match: Correspondence,
    rig: Rig,
    fixed_size: bool = False,
) -> Subject:
    """Fit sizes and places.

    Args:
        points: Recorded points in the order of the correspondence, NaN where not seen [m].
        turns: Recorded orientations of segments.
        match: What the points are.
        rig: The body.
        fixed_size: Take the body's own sizes; only places are fitted.
    """
    chosen = _chosen(points)
    points, turns = points[chosen], turns[chosen]
    size = torch.ones(len(PARTS), dtype=torch.float64)
    if not fixed_size:
        size *= _overall_size(points, match, rig)
    shift = torch.zeros_like(match.place)
    z = starting_posture(points, match, rig, float(size.mean()))
    best, cost, damping = (z, size, shift), float("inf"), 1e-3
    system: tuple[Tensor, ...] | None = None
    for step in range(STEPS + 1):
        new_cost, new_system = _equations(z, size, shift, points, turns, match, rig, fixed_size)
        if new_cost <= cost:
            settled = cost - new_cost < 1e-3 * cost and step > 0
            best, cost, system, damping = (z, size, shift), new_cost, new_system, damping / 4
            if settled:
                break
        else:
            damping *= 20
        if step == STEPS or system is None:
            break
        z, size, shift = _moved(best, system, damping, rig)
    _, size, shift = best
    own = match.place * size[rig.part_of_segment[match.segment]][:, None]
    return Subject(size, own + shift, _legs(size, rig), _reach(size, rig))


def starting_posture(
    points: Float[Tensor, "frame point 3"], match: Correspondence, rig: Rig, size: float
) -> Float[Tensor, "frame pos"]:
    """A relaxed posture in every frame, with the root where trunk, hips and shoulders say (Kabsch 1976)."""
    z = _relaxed(rig).expand(len(points), -1).clone()
    if not rig.anatomy.free:
        return z
    trunk = torch.tensor([rig.segments[int(s)] in _RIGID for s in match.segment])
    names = [rig.segments[int(s)] for s in match.segment]
    trunk &= torch.tensor(
        [name.endswith(("pelvis", "thorax")) or bool(match.place[row].norm() < 0.02) for row, name in enumerate(names)]
    )
    posed = pose(rig.kinematics, rig.anatomy.rest[None], 1.0)
    model = posed.points(match.segment[trunk], match.place[trunk])[0] - rig.anatomy.rest[:3]
    model = model * size
    target = points[:, trunk]
    seen = torch.isfinite(target).all(dim=-1, keepdim=True).to(target)
    target = torch.nan_to_num(target)  # What was not seen has no weight in `seen`, but NaN times zero is NaN.
    total = seen.sum(dim=1, keepdim=True).clamp_min(1.0)
    model_centre = (model * seen).sum(dim=1, keepdim=True) / total
    centre = (target * seen).sum(dim=1, keepdim=True) / total
    spread = ((target - centre) * seen).mT @ ((model - model_centre) * seen)
    u, _, v = torch.linalg.svd(spread)
    sign = torch.ones(len(points), 3, dtype=target.dtype)
    sign[:, 2] = torch.linalg.det(u @ v)
    rotation = (u * sign[:, None, :]) @ v
    z[:, :3] = centre[:, 0] - (rotation @ model_centre.mT).squeeze(-1)
    z[:, 3:7] = multiply(from_matrix(rotation), rig.anatomy.rest[3:7].expand(len(points), 4))
    known = seen[..., 0].sum(dim=1) >= 3
    if not known.all() and known.any():
        nearest = (torch.arange(len(z))[:, None] - known.nonzero()[:, 0]).abs().argmin(dim=1)
        z[:, :7] = z[known][nearest][:, :7]
    return z


_RIGID = {"pelvis", "thorax", "right_thigh", "left_thigh", "right_upper_arm", "left_upper_arm"}


def _relaxed(rig: Rig) -> Float[Tensor, "pos"]:
    z = rig.anatomy.rest.clone()
    extra = 1 if rig.anatomy.free else 0
    for index, name in enumerate(rig.anatomy.coordinate_names):
        for stem, angle in START_DEG.items():
            if name.startswith(stem):
                z[index + extra] = torch.deg2rad(torch.tensor(angle, dtype=z.dtype))
    return z


def _chosen(points: Float[Tensor, "frame point 3"]) -> Tensor:
    """Frames evenly spread over the motion."""
    seen = torch.isfinite(points).all(dim=-1).any(dim=1).nonzero()[:, 0]
    if len(seen) <= FRAMES:
        return seen
    return seen[torch.linspace(0, len(seen) - 1, FRAMES).round().long()]


def _overall_size(points: Float[Tensor, "frame point 3"], match: Correspondence, rig: Rig) -> float:
    """Subject over body, from distances between points of the same or neighbouring rigid parts."""
    posed = pose(rig.kinematics, _relaxed(rig)[None], 1.0)
    model = posed.points(match.segment, match.place)[0]
    ratios = []
    rows = [row for row in range(len(match.names)) if rig.segments[int(match.segment[row])] != "head"]
    for i in rows:
        for j in rows:
            gap = float((model[i] - model[j]).norm())
            related = _neighbours(rig.segments[int(match.segment[i])], rig.segments[int(match.segment[j])])
            if i < j and gap > 0.15 and related:
                ratios.append((points[:, i] - points[:, j]).norm(dim=-1).nanmedian() / gap)
    found = torch.stack(ratios) if ratios else torch.ones(1, dtype=torch.float64)
    found = found[torch.isfinite(found)]
    return float(found.median().clamp(0.3, 3.0)) if len(found) else 1.0


def _neighbours(one: str, other: str) -> bool:
    chains = [
        ("pelvis", "{s}_thigh"), ("{s}_thigh", "{s}_shank"), ("{s}_shank", "{s}_talus"), ("{s}_shank", "{s}_foot"),
        ("thorax", "{s}_upper_arm"), ("{s}_upper_arm", "{s}_forearm"), ("{s}_forearm", "{s}_wrist"),
    ]  # fmt: skip
    pairs = {frozenset(name.format(s=side) for name in chain) for chain in chains for side in ("right", "left")}
    return one == other or frozenset((one, other)) in pairs


def _legs(size: Float[Tensor, "part"], rig: Rig) -> float:
    """Height of the hips over the ankles, and of these over the floor, over the body's own."""
    spots = rig.kinematics.pose(rig.anatomy.rest[None]).pos[0]
    hip, knee, ankle = (spots[rig.segment(f"right_{name}")] for name in ("thigh", "shank", "talus"))
    lengths = torch.stack([(hip - knee).norm(), (knee - ankle).norm(), ankle[2]])
    own = size[[PARTS.index(part) for part in ("thigh", "shank", "foot")]]
    return float((lengths * own).sum() / lengths.sum())


def _reach(size: Float[Tensor, "part"], rig: Rig) -> float:
    """Distance from shoulder to hand along the arm, over the body's own."""
    spots = rig.kinematics.pose(rig.anatomy.rest[None]).pos[0]
    joints = torch.stack([spots[rig.segment(f"right_{name}")] for name in ("upper_arm", "forearm", "hand")])
    lengths = joints.diff(dim=0).norm(dim=1)
    own = size[[PARTS.index(part) for part in ("upper_arm", "forearm")]]
    return float((lengths * own).sum() / lengths.sum())


def _equations(
    z: Tensor,
    size: Tensor,
    shift: Tensor,
    points: Tensor,
    turns: Tensor,
    match: Correspondence,
    rig: Rig,
    fixed_size: bool,
) -> tuple[float, tuple[Tensor, ...]]:
    """Cost, and the normal equations of postures, of what is shared, and between them."""
    frames, count = len(z), len(match.names)
    kinematics = rig.sized(size)
    posed = pose(kinematics, z, 1.0)
    part = rig.part_of_segment[match.segment]
    place = match.place * size[part][:, None] + shift
    at = posed.points(match.segment, place)
    seen = torch.isfinite(points).all(dim=-1, keepdim=True)
    inverse = 1 / match.error[:, None]
    residual = torch.where(seen, at - points, 0.0) * inverse
    far = residual.norm(dim=-1, keepdim=True)
    trust = (seen * torch.where(far > 3.0, 3.0 / far, 1.0)).sqrt()
    residual = residual * trust
    doubted = 1.5 * (far - 3.0).clamp_min(0.0).sum()
    reach = kinematics.reaches[match.segment][..., None]
    motion = posed.twists.shift[:, None] + torch.linalg.cross(
        posed.twists.spin[:, None].expand(-1, count, -1, -1), at[:, :, None].expand(-1, -1, z_size(rig), -1), dim=-1
    )
    weight = (inverse * trust)[..., None]
    by_posture = (motion * reach).mT * weight
    rotation = posed.pose.rotation[:, match.segment]
    by_size = rig.lever(z)[:, :, match.segment].permute(0, 2, 3, 1).clone()
    own = (rotation @ match.place[..., None]).squeeze(-1)
    by_size[:, torch.arange(count), :, part] += own.transpose(0, 1)
    by_size = by_size * weight * (0.0 if fixed_size else 1.0)
    by_shift = rotation * weight
    rows_z = by_posture.reshape(frames, count * 3, -1)
    rows_r = residual.reshape(frames, count * 3)
    if len(match.turn_segment):
        away = logarithm(from_matrix(posed.pose.rotation[:, match.turn_segment] @ turns.mT)) / match.turn_error[:, None]
        spin = posed.twists.spin[:, None] * kinematics.reaches[match.turn_segment][..., None]
        rows_t = (spin.mT / match.turn_error[:, None, None]).reshape(frames, len(match.turn_segment) * 3, -1)
        a = rows_z.mT @ rows_z + rows_t.mT @ rows_t
        ga = (rows_z.mT @ rows_r[..., None] + rows_t.mT @ away.reshape(frames, -1, 1)).squeeze(-1)
        cost = float((rows_r**2).sum() + (away**2).sum()) / 2
    else:
        a, ga = rows_z.mT @ rows_z, (rows_z.mT @ rows_r[..., None]).squeeze(-1)
        cost = float((rows_r**2).sum()) / 2
    cost += float(doubted)  # Huber's cost, beyond what the weighted square has of it.
    skip = 1 if rig.anatomy.free else 0
    away = (tangent(z, skip) - tangent(_relaxed(rig)[None], skip)) / LOOSE**2
    loose = torch.full((z_size(rig),), 1 / LOOSE**2, dtype=z.dtype)
    if skip:
        away[:, :6], loose[:6] = 0.0, 0.0
    cost += float((away**2).sum()) * LOOSE**2 / 2
    a = a + torch.diag(loose)
    ga = ga + away
    # What is shared: sizes, then three numbers per point. A point only feels its own place.
    shared = len(PARTS) + 3 * count
    rows_s = z.new_zeros(frames, count, 3, shared)
    rows_s[..., : len(PARTS)] = by_size
    places = len(PARTS) + torch.arange(count * 3).reshape(count, 3)
    for axis in range(3):
        rows_s[:, torch.arange(count), :, places[:, axis]] = by_shift[..., axis].transpose(0, 1)
    rows_s = rows_s.reshape(frames, count * 3, shared)
    b = rows_z.mT @ rows_s
    c = torch.einsum("fri,frj->ij", rows_s, rows_s)
    gc = torch.einsum("fri,fr->i", rows_s, rows_r)
    mean = torch.eye(len(PARTS), dtype=z.dtype) - 1 / len(PARTS)
    # Priors weigh as much as one frame each would with independent errors; frames are many and alike.
    c[: len(PARTS), : len(PARTS)] += mean / SIZE_SPREAD**2 + 1e-4 * torch.eye(len(PARTS), dtype=z.dtype)
    gc[: len(PARTS)] += mean @ size / SIZE_SPREAD**2
    stiff = (frames / 8 / match.spread**2).repeat_interleave(3)
    c[len(PARTS) :, len(PARTS) :] += torch.diag(stiff)
    gc[len(PARTS) :] += stiff * shift.reshape(-1)
    cost += float(size @ mean @ size) / SIZE_SPREAD**2 / 2 + float((stiff * shift.reshape(-1) ** 2).sum()) / 2
    return cost, (a, b, c, ga, gc)


def z_size(rig: Rig) -> int:
    """Number of independent coordinates."""
    return rig.anatomy.couplings.coordinate_size


def _moved(
    state: tuple[Tensor, Tensor, Tensor], system: tuple[Tensor, ...], damping: float, rig: Rig
) -> tuple[Tensor, Tensor, Tensor]:
    z, size, shift = state
    a, b, c, ga, gc = system
    skip = 1 if rig.anatomy.free else 0
    at = tangent(z, skip)
    held = ((at <= rig.low) & (ga > 0)) | ((at >= rig.high) & (ga < 0))
    free = (~held).to(z)
    a = a * free[:, :, None] * free[:, None, :] + torch.diag_embed(1 - free + damping * a.diagonal(dim1=1, dim2=2))
    b, ga = b * free[..., None], ga * free
    factor = torch.linalg.cholesky(a)
    solved = torch.cholesky_solve(torch.cat([b, ga[..., None]], dim=2), factor)
    inner, right = solved[..., :-1], solved[..., -1]
    schur = c + damping * torch.diag(c.diagonal()) - torch.einsum("fzi,fzj->ij", b, inner)
    rhs = gc - torch.einsum("fzi,fz->i", b, right)
    d_shared = -torch.linalg.solve(schur, rhs)
    dz = -(right + (inner @ d_shared))
    new = at + dz
    new = torch.clamp(new, rig.low, rig.high)
    if skip:
        turned = multiply(exponential(dz[:, 3:6].clamp(-1.0, 1.0)), z[:, 3:7])
        new = torch.cat([new[:, :3], turned, new[:, 6:]], dim=1)
    size = (size + d_shared[: len(PARTS)]).clamp(0.3, 3.0)
    return new, size, shift + d_shared[len(PARTS) :].reshape(-1, 3)
