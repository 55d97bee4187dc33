"""Names that skeletons of motion files give their joints, by convention."""

from dataclasses import dataclass

from myotrack.retarget.markers import Placement

SIDES = ("right", "left")


@dataclass(frozen=True)
class Role:
    """A joint centre every skeleton has in some form, and where our body has it."""

    segment: str
    """It moves with; 'side_' stands for the side."""
    site: str | None
    """MuJoCo site of the right side, or None for `place`."""
    place: tuple[float, float, float]
    """In the segment's frame, right side: forward, left, up [m]."""
    spread: float
    """How far from there a skeleton may have it [m]."""
    error: float
    """How far a point may be off in one frame [m]."""


# Spreads and errors: tuned. Joint centres of the CMU, BVH and SMPL skeletons of one recording differ by 1-4 cm.
ROLES: dict[str, Role] = {
    "root": Role("pelvis", None, (-0.05, 0.0, -0.04), 0.08, 0.03),
    "chest": Role("thorax", None, (-0.05, 0.0, -0.15), 0.15, 0.03),
    "neck": Role("thorax", None, (-0.03, 0.0, 0.0), 0.10, 0.02),
    "head": Role("head", None, (-0.02, 0.0, 0.05), 0.08, 0.05),
    "hip": Role("side_thigh", None, (0.0, 0.0, 0.0), 0.01, 0.01),
    "knee": Role("side_shank", None, (0.0, 0.0, 0.0), 0.01, 0.01),
    "ankle": Role("side_talus", None, (0.0, 0.0, 0.0), 0.015, 0.01),
    "toe": Role("side_foot", None, (0.179, 0.0, -0.002), 0.025, 0.015),
    "shoulder": Role("side_upper_arm", None, (0.0, 0.0, 0.0), 0.02, 0.015),
    "elbow": Role("side_forearm", None, (0.0, 0.0, 0.0), 0.01, 0.01),
    "wrist": Role("side_wrist", "s_wrist_r", (0.0, 0.0, 0.0), 0.015, 0.01),
    "hand": Role("side_hand", None, (0.0, 0.0, -0.03), 0.04, 0.03),
}


@dataclass(frozen=True)
class Convention:
    """What one family of skeletons calls its joints."""

    joints: dict[str, str]
    """Name by role; 'Side', 'side', 'S' and 's' in braces stand for Right, right, R and r."""

    def name(self, role: str, side: str) -> str | None:
        """What a joint is called, None if the convention lacks it."""
        if role not in self.joints:
            return None
        return self.joints[role].format(Side=side.title(), side=side, S=side[0].upper(), s=side[0])

    def placements(self) -> dict[str, Placement]:
        """Every joint's name, and where our body has it."""
        known = {}
        for role, spec in ROLES.items():
            for side in SIDES if spec.segment.startswith("side_") else SIDES[:1]:
                name = self.name(role, side)
                if name is not None:
                    known[name] = Placement(
                        segment=spec.segment.replace("side_", f"{side}_"),
                        site=spec.site,
                        place=spec.place,
                        spread=spec.spread,
                        error=spec.error,
                        mirrored=side == "left",
                    )
        return known


def _legs_arms(**changes: str) -> dict[str, str]:
    usual = {
        "root": "Hips", "neck": "Neck", "head": "Head",
        "hip": "{Side}UpLeg", "knee": "{Side}Leg", "ankle": "{Side}Foot", "toe": "{Side}ToeBase",
        "shoulder": "{Side}Arm", "elbow": "{Side}ForeArm", "wrist": "{Side}Hand",
    }  # fmt: skip
    return usual | changes


def _sided(chest: str) -> dict[str, str]:
    """Joints that are called what they are: RightHip, RightKnee, ..."""
    middle = {"root": "Hips", "chest": chest, "neck": "Neck", "head": "Head"}
    sides = ("hip", "knee", "ankle", "toe", "shoulder", "elbow", "wrist")
    return middle | {role: "{Side}" + role.title() for role in sides}


SKELETONS: dict[str, Convention] = {
    "SMPL": Convention({
        "root": "pelvis", "chest": "spine3", "neck": "neck", "head": "head",
        "hip": "{side}_hip", "knee": "{side}_knee", "ankle": "{side}_ankle", "toe": "{side}_foot",
        "shoulder": "{side}_shoulder", "elbow": "{side}_elbow", "wrist": "{side}_wrist",
    }),
    "Acclaim (CMU)": Convention({
        "root": "root", "chest": "thorax", "neck": "lowerneck", "head": "head",
        "hip": "{s}femur", "knee": "{s}tibia", "ankle": "{s}foot", "toe": "{s}toes",
        "shoulder": "{s}humerus", "elbow": "{s}radius", "wrist": "{s}wrist", "hand": "{s}fingers",
    }),
    "MotionBuilder": Convention(_legs_arms(chest="Spine1", hand="{Side}HandIndex1")),
    "MotionBuilder, two more spine joints": Convention(_legs_arms(chest="Spine3")),
    "LAFAN1": Convention(_legs_arms(chest="Spine2", toe="{Side}Toe")),
    "Mixamo": Convention({
        role: f"mixamorig:{name}" for role, name in _legs_arms(chest="Spine2", hand="{Side}HandIndex1").items()
    }),
    "Poser, DAZ, cgspeed's CMU": Convention({
        "root": "hip", "chest": "chest", "neck": "neck", "head": "head",
        "hip": "{s}Thigh", "knee": "{s}Shin", "ankle": "{s}Foot", "toe": "{s}Foot_end",
        "shoulder": "{s}Shldr", "elbow": "{s}ForeArm", "wrist": "{s}Hand", "hand": "{s}Mid1",
    }),
    "Xsens": Convention(_sided("Chest4")),
    "Character Studio": Convention({
        "root": "Bip01", "chest": "Bip01 Spine2", "neck": "Bip01 Neck", "head": "Bip01 Head",
        "hip": "Bip01 {S} Thigh", "knee": "Bip01 {S} Calf", "ankle": "Bip01 {S} Foot", "toe": "Bip01 {S} Toe0",
        "shoulder": "Bip01 {S} UpperArm", "elbow": "Bip01 {S} Forearm", "wrist": "Bip01 {S} Hand",
    }),
    "Biovision": Convention(_sided("Chest")),
    "Qualisys": Convention(_legs_arms(chest="Spine2")),
}  # fmt: skip
"""Conventions of motion files. The chest is the last joint of the spine below the neck and the collar bones."""

TURNS: dict[str, tuple[str, float]] = {
    "root": ("pelvis", 0.07),
    "chest": ("thorax", 0.10),
    "hip": ("side_thigh", 0.20),
    "knee": ("side_shank", 0.20),
    "ankle": ("side_foot", 0.10),
    "shoulder": ("side_upper_arm", 0.30),
    "elbow": ("side_forearm", 0.30),
    "wrist": ("side_hand", 0.30),
}
"""Segment whose orientation a joint's rotation tells, and how well [rad]. Tuned: twists of limbs are the least certain
part of a skeleton fitted to markers."""
