"""01 Meet a body.  Usage: python examples/01_meet_a_body.py --body arms

Loads a body, prints what it is made of, and shows how its hand moves when one joint turns.
"""

from typing import Literal

import torch
import tyro

from myotrack import Anatomy


def main(body: Literal["full", "arms"] = "arms", steps: int = 5) -> None:
    """Print sizes, then the path of the right hand while the elbow bends in `steps` steps."""
    anatomy = Anatomy.load(body)
    print(f"{body}: {len(anatomy.muscles)} muscles, {anatomy.couplings.coordinate_size} independent coordinates")
    strongest = max(anatomy.muscles, key=lambda muscle: muscle.peak_force)
    print(f"strongest muscle: {strongest.name} ({strongest.group}), {strongest.peak_force:.0f} N")

    z = anatomy.rest.expand(steps, -1).clone()
    # The entries of z have one more for a free root: its quaternion has four numbers for three rates.
    elbow = anatomy.coordinate_names.index("elbow_flex_r") + anatomy.free
    z[:, elbow] = torch.linspace(0.0, 1.5, steps, dtype=z.dtype)
    hand = anatomy.kinematics.pose(z).pos[:, anatomy.landmarks.index("right_hand")]
    for angle, point in zip(z[:, elbow].rad2deg().tolist(), hand.tolist(), strict=True):
        print(f"elbow {angle:5.1f} deg: hand at x {point[0]:.3f}, y {point[1]:.3f}, z {point[2]:.3f} m")


if __name__ == "__main__":
    tyro.cli(main)
