"""`myotrack export`: the policy of a run as one ONNX file, checked against torch."""

import json
import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.clips.archive import format_of
from myotrack.track.action import Direct
from myotrack.track.observe import Observer
from myotrack.train.export import to_onnx
from myotrack.workflow.output import print_json
from myotrack.workflow.plain import as_plain
from myotrack.workflow.policies import POLICY, open_policy
from myotrack.workflow.run import TRIALS

if TYPE_CHECKING:
    from myotrack.workflow.cli_learn import ExportCommand


def export(command: "ExportCommand") -> int:
    """Write the file and say how far it is from torch."""
    if command.along_x:
        raise ValueError("--along-x is for motions; give --opensim, too.")
    unlearnt = command.source.is_dir() and not (command.source / POLICY).exists()
    if (unlearnt and (command.source / TRIALS).is_dir()) or (command.source.is_file() and format_of(command.source)):
        raise ValueError(f"{command.source}: this is no policy, but motions; they can be exported with --opensim.")
    stored = open_policy(command.source)
    anatomy = Anatomy.load(stored.experiment.body, stored.experiment.fingers)
    action = stored.experiment.task.action
    if not isinstance(action, Direct):
        raise ValueError(f"{stored.path}: only a policy that gives excitations directly can be exported.")
    rest = math.log(action.rest / (1 - action.rest))

    def excitation(numbers: Tensor) -> Tensor:
        return torch.sigmoid(numbers + rest)

    observer = Observer(anatomy, stored.experiment.task.observation)
    about = {
        "body": anatomy.name,
        "body_hash": anatomy.hash,
        "muscles": json.dumps(anatomy.muscle_names),
        "observation": json.dumps([[entry.name, entry.unit, entry.size] for entry in observer.layout]),
        "task": json.dumps(as_plain(stored.experiment.task)),
    }
    apart = to_onnx(stored.network(anatomy), excitation, command.out, about)
    if command.json:
        print_json({"out": str(command.out), "difference": apart, "inputs": observer.size, "outputs": anatomy.model.nu})
    else:
        sizes = f"{observer.size} numbers in, {anatomy.model.nu} excitations out"
        print(f"{command.out}: {sizes}; differs from torch by at most {apart:.1e}.")
    return 0
