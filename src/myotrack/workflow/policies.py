"""A policy in a file: weights, scales of the observation, and the experiment that made it. Nothing is executed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from myotrack.algebra.permutation import Symmetry
from myotrack.anatomy.model import Anatomy
from myotrack.track.action import action_mirror
from myotrack.track.observe import Observer
from myotrack.train import checkpoint
from myotrack.train.checkpoint import CheckpointError
from myotrack.train.policy import Policy
from myotrack.train.trainer import CHECKPOINTS, LAST
from myotrack.workflow.plain import from_plain
from myotrack.workflow.recipes import Experiment

POLICY = f"policy{checkpoint.SUFFIX}"
"""In a run's folder."""


PLACES = (Path(__file__).parents[1] / "data" / "checkpoints", Path(__file__).parents[3] / "checkpoints")
"""Where policies that come with myotrack are: in an installed package, and in a clone. A folder each, with its card."""


@dataclass(frozen=True)
class StoredPolicy:
    """What a file holds."""

    path: Path
    experiment: Experiment
    body_hash: str
    clips: tuple[str, ...]
    """Names of the motions it has learnt."""
    tensors: dict[str, Tensor]

    def check(self, anatomy: Anatomy) -> None:
        """Refuse a policy of another body.

        Raises:
            CheckpointError: The body has other muscles, joints or masses than the one it was trained with.
        """
        if self.body_hash != anatomy.hash:
            raise CheckpointError(
                f"{self.path}: this policy was made for another version of the body '{self.experiment.body}' "
                f"({self.body_hash}, now {anatomy.hash}); train it again."
            )

    def fill(self, policy: Policy) -> None:
        """Give the weights to a network of the same size.

        Raises:
            CheckpointError: They do not fit.
        """
        try:
            policy.load_state_dict(self.tensors)
        except RuntimeError as error:
            first = str(error).splitlines()[1].strip() if len(str(error).splitlines()) > 1 else str(error)
            raise CheckpointError(f"{self.path}: these weights do not fit the network: {first}") from error

    def network(self, anatomy: Anatomy) -> Policy:
        """The policy, on the CPU.

        Raises:
            CheckpointError: It belongs to another body, or the weights do not fit.
        """
        self.check(anatomy)
        observer = Observer(anatomy, self.experiment.task.observation)
        symmetry = Symmetry(observer.mirror, action_mirror(self.experiment.task.action, anatomy))
        policy = Policy(observer.size, len(symmetry.action.index), self.experiment.policy, symmetry)
        self.fill(policy)
        return policy.eval()


def save_policy(path: Path, policy: Policy, about: dict[str, Any]) -> None:
    """Write a policy.

    Raises:
        OSError: It cannot be written.
    """
    checkpoint.save(path, {name: value.detach().cpu() for name, value in policy.state_dict().items()}, about)


def open_policy(path: Path) -> StoredPolicy:
    """Read the policy of a run, or of a file.

    Args:
        path: A run's folder, its policy, or one of its checkpoints; or the name of a policy that comes with myotrack.

    Raises:
        CheckpointError: There is none, or it cannot be used; the message says why.
    """
    path = shipped(path) or path
    file = path / POLICY if path.is_dir() else path
    tensors, about = checkpoint.load(file)
    if "count" in about:
        # A checkpoint holds whole stages; the policy is that of the latest.
        tensors = checkpoint.part_of(tensors, f"{about['count']['stage']}.policy.")
    if not tensors or not isinstance(about.get("body_hash"), str) or not isinstance(about.get("clips"), list):
        raise CheckpointError(f"{file}: there is no policy in this file; name the folder of a `myotrack train`.")
    experiment = read_experiment(file, about.get("experiment"))
    return StoredPolicy(file, experiment, about["body_hash"], tuple(map(str, about["clips"])), tensors)


def world_model(path: Path) -> dict[str, Tensor] | None:
    """What a run had learnt of how its bodies move, for `train.imagine.Imagine.recall`.

    Args:
        path: Its policy, or one of its checkpoints.

    Returns:
        None if it did not learn in imagination, or has no checkpoint to go on from.
    """
    file = path.parent / CHECKPOINTS / LAST if path.name == POLICY else path
    if not file.exists():
        return None
    tensors, about = checkpoint.load(file)
    if "count" not in about:
        return None
    for number in range(about["count"]["stage"], -1, -1):
        stage = checkpoint.part_of(tensors, f"{number}.")
        if checkpoint.part_of(stage, "known."):
            return stage
    return None


def shipped_names() -> tuple[str, ...]:
    """Names of the policies that come with myotrack."""
    found = {path.parent.name for place in PLACES for path in place.glob(f"*/{POLICY}")}
    return tuple(sorted(found))


def shipped(name: Path) -> Path | None:
    """The folder of a policy that comes with myotrack; none if there is a file or folder of that name here."""
    if name.exists() or len(name.parts) != 1:
        return None
    return next((place / name for place in PLACES if (place / name / POLICY).exists()), None)


def read_experiment(path: Path, plain: Any) -> Experiment:
    """An experiment as it stands in a file.

    Raises:
        CheckpointError: It cannot be read; the message names the file and the field.
    """
    try:
        return from_plain(Experiment, plain)
    except ValueError as error:
        raise CheckpointError(f"{path}: the experiment in it cannot be used: {error}") from error
