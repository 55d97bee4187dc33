"""`Imagination`: bodies that exist only as numbers, for learning how a body moves and how to move it (`train.imagine`).

A state is a row: independent coordinates z (root, joints), their rates, and the last action, which stands for what the
muscles are doing. A change is what a held action makes of rates, and of the mean rates over it; positions follow:

    v' = v + Δv;    z' = z + h (v + (1 + 1/n) Δv / 2 + δ)

with h the time that an action is held and n its steps of the physics, which moves positions by the new rates; the
root's part is in the heading frame, its quaternion along its own axes. δ is 0 for rates that change evenly: whoever
knows both Δv and δ gets exactly where the simulator got, and whoever leaves out δ gets nearly there.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from myotrack.algebra.permutation import SignedPermutation, Symmetry
from myotrack.algebra.quaternion import conjugate, multiply, rotate
from myotrack.algebra.rotation import exponential, logarithm
from myotrack.clips.clip import RATE
from myotrack.clips.library import Reference
from myotrack.simulate.state import BodyState
from myotrack.track.action import Synergy, action_mirror, spring
from myotrack.track.env import TrackingEnv
from myotrack.track.heading import AXIAL, VECTOR, Heading, seen
from myotrack.track.moment import Moment
from myotrack.track.task import Task
from myotrack.track.terminate import distances

State = Float[Tensor, "row state"]
Place = Int[Tensor, "row 2"]
"""Clip and frame."""
ROOT_POS, ROOT_VEL = 7, 6
"""Positions and rates of a free root."""


@dataclass(frozen=True)
class ImaginedCost:
    """What imagined bodies are to avoid: errors of coordinates in units of a tolerance.

    Each is ln(1 + e²) of an error e over its tolerance: a square while it is small, and hardly more when it doubles
    beyond, so that bodies that are lost do not drown the others.
    """

    landmark: float = 0.06
    """RMS distance of the landmarks, the pelvis laid onto its reference [m]."""
    posture: float = 0.4
    """RMS of the joint angles [rad]."""
    velocity: float = 3.0
    """RMS of the joint rates [rad/s]."""
    root: float = 0.1
    """Distance of the pelvis [m]."""
    turn: float = 0.25
    """Angle of the pelvis [rad]."""
    root_velocity: float = 0.5
    """Of the pelvis [m/s]."""
    action: float = 0.1
    """Weight of the mean square of an action, so that nothing is asked for in vain."""
    change: float = 0.0
    """Weight of the mean square of what an action differs by from the one before, so that they are calm. Measured
    together with `effort` (docs/training.md): a walk is closer, with less active muscles, and less sure."""
    effort: float = 0.0
    """Weight of the mean square of all that joints are asked for, as shares of their strength, so that muscles rest."""

    def __post_init__(self) -> None:
        tolerances = self.landmark, self.posture, self.velocity, self.root, self.turn, self.root_velocity
        if min(tolerances) <= 0 or min(self.action, self.change, self.effort) < 0:
            raise ValueError(f"Tolerances are positive, and weights are not negative; got {self}.")


class Imagination:
    """What `train.imagine` has to know of the bodies of an env (`train.imagine.World`)."""

    def __init__(self, env: TrackingEnv, cost: ImaginedCost = ImaginedCost()) -> None:
        """Prepare.

        Args:
            env: Whose bodies are imagined: free in space, with actions that ask joints for shares of their strength.
            cost: Of what they do.

        Raises:
            ValueError: The action or body is of another kind, or the policy sees what does not follow from coordinates.
        """
        task, anatomy = env.task, env.anatomy
        self._check(env)
        self.env, self._cost, self._hold = env, cost, task.hold
        self._library, self._observer, device = env.library, env.observer, env.device
        self._interval = task.hold / RATE
        self._passed = (1 + 1 / (task.hold * env.simulator.physics.substeps)) / 2
        self._pos, self._vel = env.library.sizes[:2]
        self._neutral = anatomy.mirror.neutral.to(device, torch.float32)[None]
        self._heading = Heading(anatomy, device)
        self._kinematics = anatomy.kinematics.to(device, torch.float32)
        self._joints = self._pos - ROOT_POS
        assert isinstance(task.action, Synergy)
        self._spring = spring(task.action, env.simulator)
        self._scale = task.action.scale
        self._hint = env.hints()
        self.state_size = self._pos + self._vel + self._joints
        self.change_size = 2 * self._vel
        self.feature_size = 1 + 3 * 3 + 5 * self._joints
        joint = action_mirror(task.action, anatomy)
        rates = SignedPermutation.joined([VECTOR, AXIAL, joint])
        row = SignedPermutation.joined(
            [SignedPermutation.identity(1), VECTOR, VECTOR, AXIAL, joint, joint, joint, joint, joint]
        )
        self.symmetry = Symmetry(row, SignedPermutation.joined([rates, rates])).to(device)
        first = [("root velocity", "m/s", slice(0, 3)), ("root spin", "rad/s", slice(3, 6))]
        self.groups = (*first, ("joint rates", "rad/s", slice(6, self._vel)))

    @staticmethod
    def _check(env: TrackingEnv) -> None:
        why = unimaginable(env.task)
        if why or not env.anatomy.free:
            why = why or "the body is not free in space"
            raise ValueError(
                f"This cannot be learnt in imagination, for {why}; change that, or learn by trial and error."
            )
        if env.anatomy.landmarks.index("pelvis") != 0:
            raise ValueError("The pelvis has to be the first landmark.")

    def present(self, before: Float[Tensor, "row action"]) -> tuple[State, Place]:
        """States of the env's worlds, with where in their clips they are.

        Args:
            before: Their last action; 0 where an episode begins, since the muscles then do what the motion takes.
        """
        body = self.env.simulator.body
        state = torch.cat([body.coordinate_pos.float(), body.coordinate_vel.float(), before.float()], dim=1)
        return state, torch.stack([self.env.clip, self.env.frame], dim=1)

    def later(self, place: Place) -> Place:
        """Places after an action."""
        return place + torch.tensor([0, self._hold], device=place.device)

    def counts(self, place: Place) -> Bool[Tensor, "row"]:
        """Whether clips are still going on there."""
        return place[:, 1] < self._library.length[place[:, 0]]

    @torch.no_grad()
    def lost(self, state: State, place: Place) -> Bool[Tensor, "row"]:
        """Whether the task's rule would have ended the episode."""
        apart = self._landmarks(place) - self._kinematics.pose(self._parts(state)[0]).pos
        return self.env.task.rule.violated(*distances(apart, self.env.anatomy))

    def features(self, state: State, place: Place, action: Float[Tensor, "row action"]) -> Float[Tensor, "row feature"]:
        """What decides about the change, the same wherever a body is and whichever way it looks.

        Height, tilt, velocities of the root; angles and rates of the joints; shares of strength that are asked for,
        those before, and rates of the reference.
        """
        pos, vel, before = self._parts(state)
        pelvis, heading = self._frames(pos)
        down = torch.zeros_like(pos[:, :3])
        down[:, 2] = -1.0
        drawn, rate = self._drawn(state, place), self._table(place, 1)[1]
        return torch.cat(
            [
                pos[:, 2:3],
                seen(pelvis, down),
                seen(heading, vel[:, :3]),
                rotate(conjugate(self._neutral), vel[:, 3:6]),
                pos[:, ROOT_POS:],
                vel[:, ROOT_VEL:],
                drawn + self._scale * action,
                drawn + self._scale * before,
                rate[:, ROOT_VEL:],
            ],
            dim=1,
        )

    def changed(self, state: State, following: State) -> Float[Tensor, "row change"]:
        """The change that leads from one state to another; `advanced` undoes it."""
        pos, vel, _ = self._parts(state)
        after, rate, _ = self._parts(following)
        heading = self._frames(pos)[1]
        turn = logarithm(multiply(conjugate(pos[:, 3:7]), after[:, 3:7]))
        moved = torch.cat([after[:, :3] - pos[:, :3], turn, after[:, ROOT_POS:] - pos[:, ROOT_POS:]], dim=1)
        both = rate - vel, moved / self._interval - torch.lerp(vel, rate, self._passed)
        return torch.cat([self._inward(heading, each) for each in both], dim=1)

    def advanced(self, state: State, action: Float[Tensor, "row action"], change: Float[Tensor, "row change"]) -> State:
        """The state after an action that made a change."""
        pos, vel, _ = self._parts(state)
        heading = self._frames(pos)[1]
        gained, apart = (self._outward(heading, each) for each in change.split(self._vel, dim=1))
        rate = vel + gained
        moved = self._interval * (torch.lerp(vel, rate, self._passed) + apart)
        turned = multiply(pos[:, 3:7], exponential(moved[:, 3:6]))
        unit = torch.nn.functional.normalize(turned, dim=1)
        joints = pos[:, ROOT_POS:] + moved[:, ROOT_VEL:]
        return torch.cat([pos[:, :3] + moved[:, :3], unit, joints, rate, action], dim=1)

    def apart(self, state: State, other: State) -> Float[Tensor, "row change"]:
        """How far two states are from each other: rates, and positions over the time that an action is held."""
        pos, vel, _ = self._parts(state)
        goal, rate, _ = self._parts(other)
        heading = self._frames(goal)[1]
        turn = logarithm(multiply(conjugate(pos[:, 3:7]), goal[:, 3:7]))
        missing = torch.cat([goal[:, :3] - pos[:, :3], turn, goal[:, ROOT_POS:] - pos[:, ROOT_POS:]], dim=1)
        both = rate - vel, missing / self._interval
        return torch.cat([self._inward(heading, each) for each in both], dim=1)

    def observed(self, state: State, place: Place) -> Float[Tensor, "row feature"]:
        """What the policy would see; gradients flow."""
        pos, vel, _ = self._parts(state)
        phase = torch.zeros_like(pos[:, 0])
        body = self._body(pos, vel)
        return self._observer.read(Moment(body, self._reference(place), body.muscle_excitation, phase))

    def costs(
        self, state: State, place: Place, action: Float[Tensor, "row action"], following: State
    ) -> dict[str, Float[Tensor, "row"]]:
        """What is to be avoided in the state that an action has led to, and in the action, term by term."""
        pos, vel, _ = self._parts(following)
        before, later, cost = self._parts(state)[2], self.later(place), self._cost
        goal, rate, _ = self._table(later, 0)
        missing = self._landmarks(later) - self._kinematics.pose(pos).pos
        missing = missing - missing[:, :1]
        away = {
            "landmark": missing.square().sum(dim=-1).mean(dim=1) / cost.landmark**2,
            "posture": (goal[:, ROOT_POS:] - pos[:, ROOT_POS:]).square().mean(dim=1) / cost.posture**2,
            "velocity": (rate[:, ROOT_VEL:] - vel[:, ROOT_VEL:]).square().mean(dim=1) / cost.velocity**2,
            "root": (goal[:, :3] - pos[:, :3]).square().sum(dim=1) / cost.root**2,
            "turn": logarithm(multiply(conjugate(pos[:, 3:7]), goal[:, 3:7])).square().sum(dim=1) / cost.turn**2,
            "root_velocity": (rate[:, :3] - vel[:, :3]).square().sum(dim=1) / cost.root_velocity**2,
        }
        asked = self._drawn(state, place) + self._scale * action
        spent = {
            "action": cost.action * action.square().mean(dim=1),
            "change": cost.change * (action - before).square().mean(dim=1),
            "effort": cost.effort * asked.square().mean(dim=1),
        }
        return {name: value.log1p() for name, value in away.items()} | spent

    def _parts(self, state: State) -> tuple[Tensor, Tensor, Tensor]:
        """Positions, rates, last action."""
        pos, vel, before = state.split([self._pos, self._vel, self._joints], dim=1)
        return pos, vel, before

    def _frames(self, pos: Float[Tensor, "row pos"]) -> tuple[Float[Tensor, "row 4"], Float[Tensor, "row 4"]]:
        """Orientation of the pelvis, and the heading frame."""
        pelvis = multiply(pos[:, 3:7], self._neutral)
        return pelvis, self._heading.of(pelvis[:, None])

    def _inward(self, heading: Float[Tensor, "row 4"], rate: Float[Tensor, "row rate"]) -> Float[Tensor, "row rate"]:
        """Rates of the root as they are in the heading frame and along the axes of the pelvis."""
        spin = rotate(conjugate(self._neutral), rate[:, 3:6])
        return torch.cat([seen(heading, rate[:, :3]), spin, rate[:, ROOT_VEL:]], dim=1)

    def _outward(self, heading: Float[Tensor, "row 4"], rate: Float[Tensor, "row rate"]) -> Float[Tensor, "row rate"]:
        """The inverse."""
        parts = [rotate(heading, rate[:, :3]), rotate(self._neutral, rate[:, 3:6]), rate[:, ROOT_VEL:]]
        return torch.cat(parts, dim=1)

    def _drawn(self, state: State, place: Place) -> Float[Tensor, "row joint"]:
        """Shares of strength without an action: of the springs, and those that would make the reference's motion."""
        pos, vel, _ = self._parts(state)
        target, rate, hint = self._table(place, 1)
        return self._spring(target[:, ROOT_POS:] - pos[:, ROOT_POS:], rate[:, ROOT_VEL:] - vel[:, ROOT_VEL:]) + hint

    def _table(self, place: Place, ahead: int) -> tuple[Tensor, Tensor, Tensor]:
        """Positions and rates of the reference some frames ahead, and the shares that would make its motion."""
        clip, frame = place.unbind(dim=1)
        wanted, last = frame + ahead, self._library.length[clip] - 1
        row = self._library.start[clip] + torch.minimum(wanted, last)
        table = self._library.table[row]
        first = self._pos + 7 * self._library.sizes[2]
        going = (wanted <= last)[:, None]
        return table[:, : self._pos], table[:, first : first + self._vel] * going, self._hint[row]

    def _landmarks(self, place: Place) -> Float[Tensor, "row landmark 3"]:
        """Where they should be."""
        last = self._library.length[place[:, 0]] - 1
        row = self._library.start[place[:, 0]] + torch.minimum(place[:, 1], last)
        count = 3 * self._library.sizes[2]
        return self._library.table[row, self._pos : self._pos + count].unflatten(1, (-1, 3))

    def _reference(self, place: Place) -> Reference:
        """What the observer compares with: the pelvis is the only landmark."""
        reference = self._library.at(place[:, 0], place[:, 1], self._observer.ahead)
        return Reference(
            reference.coordinate_pos, reference.coordinate_vel, reference.coordinate_acc,
            reference.landmark_pos_w[:, :, :1], reference.landmark_quat_w[:, :, :1],
            reference.landmark_vel_w[:, :, :1], reference.landmark_spin_w[:, :, :1],
            reference.contact, reference.valid,
        )  # fmt: skip

    def _body(self, pos: Float[Tensor, "row pos"], vel: Float[Tensor, "row rate"]) -> BodyState:
        """A body that has a pelvis and nothing else, no muscles and no feet."""
        rows = len(pos)

        def none(*size: int) -> Tensor:
            return pos.new_zeros(rows, *size)

        pelvis = multiply(pos[:, 3:7], self._neutral)
        spin_w = rotate(pos[:, 3:7], vel[:, 3:6])
        return BodyState(
            time=none(), intact=torch.ones(rows, dtype=torch.bool, device=pos.device), qpos=none(0), qvel=none(0),
            coordinate_pos=pos, coordinate_vel=vel, landmark_pos_w=pos[:, None, :3], landmark_quat_w=pelvis[:, None],
            landmark_vel_w=vel[:, None, :3], landmark_spin_w=spin_w[:, None],
            com_pos_w=none(3), com_vel_w=none(3), angular_momentum_w=none(3),
            muscle_excitation=none(0), muscle_activation=none(0), muscle_length=none(0), muscle_velocity=none(0),
            muscle_force=none(0), region_force_w=none(0, 3), region_moment_w=none(0, 3), foot_force_w=none(0, 3),
            foot_cop_w=none(0, 3), foot_free_moment=none(0),
        )  # fmt: skip


def unimaginable(task: Task) -> str:
    """Why a task cannot be learnt in imagination, as half a sentence; nothing if it can."""
    if not isinstance(task.action, Synergy):
        return "its action is not one that asks joints for shares of their strength"
    look = task.observation
    names = ("landmarks", "feet", "activation", "excitation", "length", "velocity", "force", "phase")
    hidden = [name for name in names if getattr(look, name)]
    if hidden:
        return f"its policy sees more than what follows from coordinates: {', '.join(hidden)}"
    return "its policy sees the past, by a delay" if task.disturbance.delay else ""
