"""`Choices`: what holds for every file of a run, and how it is told in a clip."""

from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Literal, cast

import torch

from myotrack import __version__
from myotrack.anatomy.model import BODIES
from myotrack.retarget.markers import read_marker_file
from myotrack.retarget.settings import Settings
from myotrack.workflow.folder import sha256

MADE_BY = "made by myotrack "
"""How the first of our notes in a clip begins."""
_KNOWN = {"up": (None, "x", "y", "z", "-x", "-y", "-z"), "size": ("kept", "fitted"), "device": ("cpu", "cuda")}
_OPTIONS = ("up", "size", "mass", "plant", "treadmill", "device")
"""What a clip tells of if it is not as usual."""


@dataclass(frozen=True)
class Choices:
    """What holds for every file of a run."""

    body: str = "full"
    fingers: bool = False
    markers: Path | None = None
    """File that says where points belong."""
    skeleton: Path | None = None
    """The ASF file of AMC files without one beside them."""
    model: Path | None = None
    """The body model of AMASS files."""
    up: str | None = None
    """The axis that points up in files that do not say so; None leaves it to the reader."""
    size: str = "kept"
    """Whose size the body has: its own, or the subject's."""
    mass: float | None = None
    """Of the subject, for a body of their size [kg]; None: as recorded, or by volume."""
    plant: bool = True
    """Let feet stand and limbs not pass through each other; without it, plain inverse kinematics."""
    treadmill: bool = True
    """Turn walking on a belt into walking over ground."""
    device: str = "cpu"
    """Where the solver works."""
    mirrored: bool = False
    """Make the mirror image of every clip, too."""
    force: bool = False
    """Make clips that are there already again."""

    def check(self) -> None:
        """Refuse what no file could be retargeted with.

        Raises:
            ValueError: There is no such body or option, or a file that was named is not there or not what it should be.
        """
        if self.body not in BODIES:
            raise ValueError(f"There is no body called '{self.body}'. The bodies are: {', '.join(BODIES)}.")
        for name, known in _KNOWN.items():
            if getattr(self, name) not in known:
                raise ValueError(f"'{name}' is one of {', '.join(filter(None, known))}, not '{getattr(self, name)}'.")
        if self.mass is not None and not (self.size == "fitted" and 0 < self.mass < inf):
            raise ValueError(
                f"A mass is for bodies of fitted size, and positive; it is {self.mass:g} kg, '{self.size}'."
            )
        for path in (self.markers, self.skeleton, self.model):
            if path is not None and not path.is_file():
                raise ValueError(f"{path}: there is no such file.")
        if self.markers is not None:
            read_marker_file(self.markers)

    def check_device(self) -> None:
        """Refuse a GPU that is not there. Where the work is done, which on a cluster is another machine.

        Raises:
            ValueError: PyTorch finds none.
        """
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ValueError("PyTorch finds no CUDA device here; leave out --device cuda.")

    def settings(self) -> Settings:
        """Those of a retargeting."""
        size = cast(Literal["kept", "fitted"], self.size)
        return Settings(
            markers=self.markers,
            plant=self.plant,
            treadmill=self.treadmill,
            size=size,
            mass=self.mass,
            device=self.device,
        )

    def notes(self) -> tuple[str, ...]:
        """What a clip tells of these choices: who made it, every option that is not the usual one, every file given.

        A clip whose last notes are others was made otherwise.
        """
        usual, options = Choices(), []
        for name in _OPTIONS:
            value = getattr(self, name)
            if value != getattr(usual, name):
                options.append(f"option given: --no-{name}" if value is False else f"option given: --{name} {value}")
        files = {"markers": self.markers, "skeleton": self.skeleton, "body model": self.model}
        given = [f"{what} given: {path.name}, sha256 {sha256(path)}" for what, path in files.items() if path]
        return (f"{MADE_BY}{__version__}", *options, *given)

    def absolute(self) -> "Choices":
        """The same for a process that works in another folder."""
        paths = {name: getattr(self, name) for name in ("markers", "skeleton", "model")}
        return replace(self, **{name: path and path.resolve() for name, path in paths.items()})
