"""A policy as one ONNX file: from raw observation to command, with the normaliser inside, checked against torch.

    to_onnx(policy, env.command, "run/policy.onnx", {"body_hash": anatomy.hash})

Any ONNX runtime can then drive a body, without torch and without myotrack.
"""

import importlib
import logging
import os
import secrets
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from myotrack.train.policy import Policy

INPUT, OUTPUT = "observation", "command"
_OPSET = 20
"""Version of ONNX's operators. Source: that of ONNX 1.15 (2023), which knows the layer norm and the runtimes know."""
_ROWS = 64
"""Random observations that the file is checked with; some of them far out, where the normaliser clips."""
_TOLERANCE = 1e-4
"""Greatest difference from torch, of commands and of their size. Measured: sums in another order differ by 1e-6."""


class ExportError(RuntimeError):
    """The file could not be made, or does not compute what the policy does. The message says what to do."""


class _Deployed(nn.Module):
    """What goes into the file."""

    def __init__(self, policy: Policy, command: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.policy, self.command = policy, command

    def forward(self, observation: Tensor) -> Tensor:
        return self.command(self.policy.mean(observation)).float()


def to_onnx(
    policy: Policy, command: Callable[[Tensor], Tensor], path: str | Path, metadata: Mapping[str, str]
) -> float:
    """Write the mean of a policy, whole or not at all: a file that was there before stays until the new one is checked.

    Its input 'observation' and its output 'command' are float32 of any number of rows.

    Args:
        policy: To be written, wherever it lives; it stays as it is.
        command: What actions mean, such as `Env.command` or a module.
        path: Where, ending in '.onnx'; missing folders are made.
        metadata: Words to be kept in the file, such as the body's hash and the layout of the observation.

    Returns:
        The greatest difference between the file's commands and torch's, over random observations.

    Raises:
        ExportError: A package is missing, or the file computes something else than the policy.
        ValueError: The file's name does not end in '.onnx'.
        OSError: It cannot be written.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise ValueError(f"{path}: policies are written into files that end in '.onnx'; call it {path.name}.onnx.")
    onnx = _needed("onnx")
    _needed("onnxscript")
    observation = _observations(policy)
    with torch.no_grad(), _quiet():
        network = _Deployed(policy, command)
        wanted = network(observation).cpu().numpy()
        program: Any = torch.onnx.export(
            network,
            (observation,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("row")},),
            opset_version=_OPSET,
            dynamo=True,
            verbose=False,
        )
    model = program.model_proto
    for part in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        del part.metadata_props[:]  # The exporter notes folders of this machine, which are nobody's business.
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    content = model.SerializeToString()
    difference = _difference(wanted, _answers(content, observation.cpu().numpy()))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return difference


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's words on its own deprecated parts, and on packages that policies do not need."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _observations(policy: Policy) -> Float[Tensor, "row feature"]:
    """Such as the policy has seen, and some from far outside."""
    normaliser = policy.normaliser
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(_ROWS, len(normaliser.mean), generator=generator)
    drawn[: _ROWS // 4] *= 10
    return normaliser.undo(drawn.to(normaliser.mean.device))


def _answers(content: bytes, observation: np.ndarray) -> np.ndarray:
    """What the file makes of observations, by the runtime if it is installed and by ONNX's own reference otherwise."""
    try:
        runtime = importlib.import_module("onnxruntime")
    except ImportError:
        reference = importlib.import_module("onnx.reference")
        onnx = importlib.import_module("onnx")
        return reference.ReferenceEvaluator(onnx.load_from_string(content)).run(None, {INPUT: observation})[0]
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run([OUTPUT], {INPUT: observation})[0]


def _difference(wanted: np.ndarray, found: np.ndarray) -> float:
    """The greatest one, if it is small enough.

    Raises:
        ExportError: It is not.
    """
    apart = np.abs(found - wanted)
    if found.shape != wanted.shape or not (apart <= _TOLERANCE * (1 + np.abs(wanted))).all():
        raise ExportError(
            f"The ONNX file's commands differ from the policy's by up to {apart.max():.2g}, so it was not kept; "
            "what actions mean must be a plain function of the action, made of torch operators."
        )
    return float(apart.max())


def _needed(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ExportError(
            f"Writing ONNX needs the package '{name}', which is not installed; "
            "get it with `pip install 'myotrack[export]'`."
        ) from error
