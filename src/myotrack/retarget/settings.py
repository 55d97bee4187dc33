"""Choices of a retargeting that users can make."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Settings:
    """Choices of a retargeting."""

    markers: Path | None = None
    """File that says where points belong, for names that are not known."""
    plant: bool = True
    """Let the feet stand on the floor without slipping, hovering or sinking, and limbs not pass through each other.
    Without it the clip is plain inverse kinematics, whose joint angles are closer to the recording."""
    treadmill: bool = True
    """Turn walking on a belt into walking over ground, where feet slide all alike."""
    size: Literal["kept", "fitted"] = "kept"
    """Whose size the body has. 'kept': its own, and the motion is scaled to it, so that one body performs all clips.
    'fitted': the person's, part by part, with their mass; each clip then has a body of its own (`Clip.anatomy`)."""
    mass: float | None = None
    """Of the person, for a body of fitted size [kg]. None: as recorded, or by volume if nothing is recorded."""
    device: str = "cpu"
    """Where the solver works: 'cpu', or 'cuda' for long motions on a GPU."""
