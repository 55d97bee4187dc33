"""Small motion files, made here so that the tests need no recordings."""

import io
import struct
from collections.abc import Mapping, Sequence

import numpy as np

INTEL, DEC, MIPS = 84, 85, 86
LABELS = ("LASI", "RASI", "LKNE", "RKNE", "LHEE", "RHEE", "LSHO", "RSHO", "CLAV")


def walker(frames: int = 40, rate: float = 100.0) -> np.ndarray:
    """Nine markers [m] on a stiff body with z up that glides along x: frame, point, 3."""
    body = np.array(
        [
            [0.1, 0.12, 1.0], [0.1, -0.12, 1.0], [0.0, 0.2, 0.5], [0.0, -0.2, 0.5], [0.02, 0.1, 0.03],
            [-0.02, -0.1, 0.03], [0.0, 0.2, 1.45], [0.0, -0.2, 1.45], [0.1, 0.0, 1.4],
        ]
    )  # fmt: skip
    time = np.arange(frames)[:, None] / rate
    return body + np.stack([1.3 * time, 0.02 * np.sin(6 * time), 0.02 * np.cos(12 * time)], axis=2)


def c3d(
    points: np.ndarray,
    labels: Sequence[str] = LABELS,
    *,
    rate: float = 100.0,
    seen: np.ndarray | None = None,
    analog: np.ndarray | None = None,
    analog_labels: Sequence[str] = (),
    analog_units: Sequence[str] = (),
    per_frame: int = 10,
    first_frame: int = 1,
    processor: int = INTEL,
    integer: bool = False,
    parameters: Mapping[str, Mapping[str, object]] | None = None,
) -> bytes:
    """A C3D file. Points are in its own unit, mm unless `parameters` say otherwise; analog is sample by channel."""
    frames, count = points.shape[:2]
    channels = 0 if analog is None else analog.shape[1]
    scale = 0.1 if integer else -0.1
    groups: dict[str, dict[str, object]] = {
        "POINT": {
            "USED": np.array(count, dtype=np.int16), "SCALE": np.array(scale), "RATE": np.array(rate),
            "FRAMES": np.array(min(frames, 32767), dtype=np.int16), "DATA_START": np.array(0, dtype=np.int16),
            "UNITS": ["mm"], "LABELS": list(labels), "X_SCREEN": ["+X"], "Y_SCREEN": ["+Z"],
        },
        "ANALOG": {
            "USED": np.array(channels, dtype=np.int16), "GEN_SCALE": np.array(1.0),
            "RATE": np.array(rate * per_frame), "SCALE": np.full(channels, 0.01 if integer else 1.0),
            "OFFSET": np.zeros(channels, dtype=np.int16), "LABELS": list(analog_labels), "UNITS": list(analog_units),
        },
    }  # fmt: skip
    for group, values in (parameters or {}).items():
        groups.setdefault(group, {}).update(values)
    order = ">" if processor == MIPS else "<"
    table = b"".join(_group(i + 1, name, values, processor) for i, (name, values) in enumerate(groups.items()))
    blocks = -(-(4 + len(table) + 2) // 512)
    section = (bytes([1, 0x50, blocks & 0xFF, processor]) + table).ljust(blocks * 512, b"\0")

    header = struct.pack(
        order + "5H", count, channels * per_frame, first_frame, min(first_frame + frames - 1, 65535), 10
    )
    header = bytes([2, 0x50]) + header + _float(np.array(scale), processor)
    header += struct.pack(order + "2H", 2 + blocks, per_frame if channels else 0) + _float(np.array(rate), processor)
    residual = np.where(np.ones((frames, count), dtype=bool) if seen is None else seen, 0.0, -1.0)
    rows = np.concatenate([points / (scale if integer else 1.0), residual[..., None]], axis=2).reshape(frames, -1)
    if analog is not None:
        samples = analog / (0.01 if integer else 1.0)
        rows = np.concatenate([rows, samples.reshape(frames, per_frame * channels)], axis=1)
    data = np.round(rows).astype(order + "i2").tobytes() if integer else _float(rows, processor)
    return header.ljust(512, b"\0") + section + data.ljust(-(-len(data) // 512) * 512, b"\0")


def _group(number: int, name: str, values: Mapping[str, object], processor: int) -> bytes:
    order = ">" if processor == MIPS else "<"
    parts = [struct.pack("2b", len(name), -number) + name.encode() + struct.pack(order + "H", 3) + b"\0"]
    for key, value in values.items():
        if isinstance(value, list):
            width = max((len(text.encode()) for text in value), default=0)
            body = struct.pack("bB", -1, 2) + bytes([width, len(value)])
            body += b"".join(text.encode().ljust(width) for text in value)
        else:
            value = np.asarray(value)
            kind = 2 if value.dtype.kind == "i" else 4
            flat = value.ravel(order="F")
            body = struct.pack("bB", kind, value.ndim) + bytes(value.shape)
            body += flat.astype(order + "i2").tobytes() if kind == 2 else _float(flat, processor)
        parts.append(struct.pack("2b", len(key), number) + key.encode())
        parts.append(struct.pack(order + "H", 3 + len(body)) + body + b"\0")
    return b"".join(parts)


def _float(values: np.ndarray, processor: int) -> bytes:
    values = np.asarray(values, dtype=np.float32)
    if processor == DEC:
        bits = (
            (values * np.float32(4)).view(np.uint32)
            if values.ndim
            else (values * np.float32(4)).reshape(1).view(np.uint32)
        )
        halves = np.stack([bits >> 16, bits & 0xFFFF], axis=-1)
        return halves.astype("<u2").tobytes()
    return values.astype(">f4" if processor == MIPS else "<f4").tobytes()


def force_platform(kind: int, corners: np.ndarray, origin: np.ndarray, channels: Sequence[int]) -> dict[str, object]:
    """The group FORCE_PLATFORM for one plate; corners (4, 3) and origin in the file's unit."""
    return {
        "USED": np.array(1, dtype=np.int16),
        "TYPE": np.array([kind], dtype=np.int16),
        "CORNERS": corners.T[:, :, None],
        "ORIGIN": origin[:, None],
        "CHANNEL": np.array(channels, dtype=np.int16)[:, None],
    }


def standing_c3d() -> bytes:
    """Markers, one force plate with 700 N on it, two EMG channels, two events."""
    points = walker(20) * 1000
    corners = np.array([[500.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 400.0, 0.0], [500.0, 400.0, 0.0]])
    samples = np.zeros((200, 8))
    samples[:, 2] = -700.0
    samples[:, 6:] = 0.1 * np.random.default_rng(0).standard_normal((200, 2))
    events = {
        "USED": np.array(2, dtype=np.int16),
        "CONTEXTS": ["Left", "Right"],
        "LABELS": ["Foot Strike", "Foot Off"],
        "TIMES": np.array([[0.0, 0.0], [0.05, 0.12]]),
    }
    return c3d(
        points,
        analog=samples,
        analog_labels=["Fx1", "Fy1", "Fz1", "Mx1", "My1", "Mz1", "L Sol", "EMG 2"],
        analog_units=["N", "N", "N", "Nmm", "Nmm", "Nmm", "V", "V"],
        parameters={
            "FORCE_PLATFORM": force_platform(2, corners, np.array([0.0, 0.0, -40.0]), [1, 2, 3, 4, 5, 6]),
            "EVENT": events,
            "SUBJECTS": {"NAMES": ["Ada"]},
            "PROCESSING": {"Bodymass": np.array([71.4]), "Height": np.array([1700.0])},
        },
    )


def trc(
    points: np.ndarray,
    labels: Sequence[str] = LABELS,
    *,
    rate: float = 100.0,
    unit: str = "mm",
    up: str = "y",
    start: float = 0.0,
) -> bytes:
    """A TRC file of points in metres with z up; NaN is left blank."""
    points = points * {"mm": 1000.0, "m": 1.0, "cm": 100.0}[unit]
    if up == "y":
        points = np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)
    lines = [
        "PathFileType\t4\t(X/Y/Z)\tmade.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{rate}\t{rate}\t{len(points)}\t{len(labels)}\t{unit}\t{rate}\t1\t{len(points)}",
        "Frame#\tTime\t" + "\t\t\t".join(labels),
        "\t\t" + "\t".join(f"{axis}{i + 1}" for i in range(len(labels)) for axis in "XYZ"),
        "",
    ]
    for index, row in enumerate(points.reshape(len(points), -1)):
        fields = ["" if np.isnan(value) else f"{value:.6f}" for value in row]
        lines.append("\t".join([str(index + 1), f"{start + index / rate:.6f}", *fields]))
    return "\n".join(lines).encode()


def storage(
    names: Sequence[str],
    table: np.ndarray,
    *,
    rate: float = 100.0,
    header: str = "Coordinates\nversion=1\ninDegrees=no",
    start: float = 0.0,
) -> bytes:
    """A MOT or STO file."""
    lines = [*header.splitlines(), "endheader", "\t".join(["time", *names])]
    lines += ["\t".join(f"{x:.10g}" for x in [start + index / rate, *row]) for index, row in enumerate(table)]
    return "\n".join(lines).encode()


def coordinates_mot() -> bytes:
    """Three joint coordinates."""
    time = np.arange(40) / 100
    table = np.stack([0.3 * np.sin(6 * time), 1.2 * time, 0.5 + 0.4 * np.cos(6 * time)], axis=1)
    return storage(["hip_flexion_r", "pelvis_tx", "knee_angle_r"], table)


def forces_mot() -> bytes:
    """Two feet that share a weight of 700 N."""
    names = [f"ground_force_{s}_{p}{a}" for s in "rl" for p in "vp" for a in "xyz"]
    names += [f"ground_torque_{s}_{a}" for s in "rl" for a in "xyz"]
    row = np.array([0, 350.0, 0, 0.1, 0, 0.15, 0, 350.0, 0, 0.1, 0, -0.15, *np.zeros(6)])
    return storage(names, np.tile(row, (40, 1)), header="forces\nversion=1\nnRows=40\nnColumns=19\ninDegrees=no")


def anc() -> bytes:
    """Two channels of an analog text file, one of them EMG."""
    lines = [
        "File_Type:\tAnalog R/C ASCII\tGeneration#:\t2", "Board_Type:\tX\tPolarity:\tBipolar", "Trial_Name:\tA",
        "BitDepth:\t16\tPreciseRate:\t1000.000000", "", "", "", "", "Name\tF1X\tSOL\t", "Rate\t1000\t1000\t",
        "Range\t5000\t2500\t",
    ]  # fmt: skip
    lines += [f"{i / 1000:.6f}\t{i}\t{(-1) ** i * 100}" for i in range(40)]
    return "\n".join(lines).encode()


def bvh() -> bytes:
    """A pelvis, a trunk and two legs that sway, y up, in centimetres."""
    head = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Spine
  {
    OFFSET 0 20 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT Head
    {
      OFFSET 0 40 0
      CHANNELS 3 Zrotation Xrotation Yrotation
      End Site
      {
        OFFSET 0 15 0
      }
    }
  }
  JOINT LeftUpLeg
  {
    OFFSET 9 -4 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT LeftLeg
    {
      OFFSET 0 -42 0
      CHANNELS 3 Zrotation Xrotation Yrotation
      End Site
      {
        OFFSET 0 -43 0
      }
    }
  }
  JOINT RightUpLeg
  {
    OFFSET -9 -4 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT RightLeg
    {
      OFFSET 0 -42 0
      CHANNELS 3 Zrotation Xrotation Yrotation
      End Site
      {
        OFFSET 0 -43 0
      }
    }
  }
}
MOTION
Frames: 40
Frame Time: 0.0083333
"""
    time = np.arange(40)[:, None] / 120
    angles = 10 * np.sin(6 * time + np.arange(21))
    rows = np.concatenate([100 * time, 90 + 0 * time, 0 * time, angles], axis=1)
    return (head + "\n".join(" ".join(f"{value:.5f}" for value in row) for row in rows) + "\n").encode()


def asf() -> bytes:
    """A skeleton in the manner of the CMU database: root, trunk, two legs."""
    bones = [
        ("lowerback", (0, 1, 0), 2.0, "rx ry rz"), ("head", (0, 1, 0), 9.0, "rx ry rz"),
        ("lfemur", (0.3, -0.95, 0), 7.0, "rx ry rz"), ("ltibia", (0.3, -0.95, 0), 7.2, "rx"),
        ("rfemur", (-0.3, -0.95, 0), 7.0, "rx ry rz"), ("rtibia", (-0.3, -0.95, 0), 7.2, "rx"),
    ]  # fmt: skip
    lines = [
        ":version 1.10", ":name VICON", ":units", "  mass 1.0", "  length 0.45", "  angle deg", ":documentation",
        "  made", ":root", "   order TX TY TZ RX RY RZ", "   axis XYZ", "   position 0 0 0", "   orientation 0 0 0",
        ":bonedata",
    ]  # fmt: skip
    for number, (name, direction, length, dof) in enumerate(bones, start=1):
        lines += [
            "  begin",
            f"     id {number}",
            f"     name {name}",
            "     direction " + " ".join(map(str, direction)),
        ]
        lines += [f"     length {length}", "     axis 0 0 20  XYZ", f"     dof {dof}"]
        lines += ["     limits (-160.0 20.0)"] + ["            (-70.0 70.0)"] * (len(dof.split()) - 1) + ["  end"]
    lines += [":hierarchy", "  begin", "    root lowerback lfemur rfemur", "    lowerback head", "    lfemur ltibia"]
    return "\n".join([*lines, "    rfemur rtibia", "  end", ""]).encode()


def amc() -> bytes:
    """Forty frames for that skeleton."""
    lines = ["#!OML:ASF made.asf", ":FULLY-SPECIFIED", ":DEGREES"]
    for frame in range(40):
        sway = 10 * np.sin(0.05 * frame)
        lines += [str(frame + 1), f"root {0.2 * frame:.4f} 15.5 0 {sway / 5:.4f} 0 0", f"lowerback {sway:.4f} 1 2"]
        lines += [
            f"head {-sway:.4f} 0 0",
            f"lfemur {2 * sway:.4f} 0 0",
            "ltibia 20",
            f"rfemur {-2 * sway:.4f} 0 0",
            "rtibia 15",
        ]
    return "\n".join([*lines, ""]).encode()


def npz(**arrays: np.ndarray) -> bytes:
    """An npz file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def amass() -> bytes:
    """A body in the layout of AMASS that bends a little on its way."""
    time = np.arange(40)[:, None] / 120
    poses = 0.2 * np.sin(6 * time + np.arange(156))
    poses[:, :3] = [np.pi / 2, 0.0, 0.0]
    trans = np.concatenate([time, 0 * time, 0.9 + 0 * time], axis=1)
    return npz(poses=poses, trans=trans, betas=np.zeros(16), gender=np.array("female"), mocap_framerate=np.array(120.0))


def trajectory() -> bytes:
    """A free body with two hinges, as LocoMuJoCo saves it."""
    time = np.arange(40)[:, None] / 100
    root = np.concatenate([time, 0 * time, 1 + 0 * time, 1 + 0 * time, *[0 * time] * 3], axis=1)
    return npz(
        qpos=np.concatenate([root, np.sin(time), np.cos(time)], axis=1),
        joint_names=np.array(["root", "hip_flexion_r", "knee_angle_r"]),
        jnt_type=np.array([0, 3, 3]),
        frequency=np.array(100.0),
        split_points=np.array([0, 40]),
    )
