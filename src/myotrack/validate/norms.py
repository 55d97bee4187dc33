"""Published curves of human walking over the gait cycle, and how near a curve of ours comes to them.

    norms = read_norms(folder / "normative")
    like = compare(walk.angle("knee_angle").mean, norms["knee_angle"])
    like.r, like.rmse, like.inside

The tables are not part of the project. They hold a mean and a standard deviation per column, of 0 to 100 % of a cycle
that begins with the strike of the right foot. Units and signs are told by nothing in the files, so every column must
peak as high, and when, as in any healthy walk; one that does not is refused.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from myotrack.algebra.lowpass import lowpass
from myotrack.validate.gait import POINTS
from myotrack.validate.muscles import SILENT, correlation

Kind = Literal["angle", "force", "moment", "power", "emg"]
UNITS: dict[Kind, str] = {
    "angle": "rad", "force": "body weight", "moment": "N m/kg", "power": "W/kg", "emg": "of its greatest value",
}  # fmt: skip
WIDTH = 2.0
"""Standard deviations on either side of the mean that a band reaches. Source: 95 % of a normal distribution."""


EMG_CUTOFF = 20.0
"""Low-pass of the EMG norm after it was rectified [Hz]. Source: `filtEMG` of musclesyneRgies, its default."""


@dataclass(frozen=True)
class Norm:
    """A published curve."""

    name: str
    """One of `gait.ANGLES` or `gait.FORCES`; one of `gait.LOADED` with '_moment' or '_power' after it; or a muscle in
    words that `anatomy.electrodes` knows."""
    kind: Kind
    mean: Float[np.ndarray, "101"]
    """[rad], over body weight, [N m/kg], [W/kg], or EMG over each person's greatest value before the mean is taken."""
    spread: Float[np.ndarray, "101"]
    """Standard deviation."""
    of: str
    """Over what the mean and the deviation are taken: people, or walks of one person."""
    citation: str

    @property
    def unit(self) -> str:
        """Of the mean."""
        return UNITS[self.kind]


@dataclass(frozen=True)
class Likeness:
    """A curve beside another."""

    r: float | None
    """Pearson's correlation without lag; None if one has no shape, or is a silent muscle."""
    rmse: float
    """Root mean square difference, in the unit of the curves; of EMG of both over their greatest values, for nobody
    knows how strong it was."""
    lag: float
    """Share of the cycle by which the curve is later than the other where they correlate best, from -0.5 to 0.5."""
    lagged_r: float | None
    """The correlation there."""
    inside: float | None
    """Share of the cycle in which the curve is within mean ± `WIDTH` standard deviations, EMG over its greatest value;
    None without a band."""


@dataclass(frozen=True)
class Column:
    """A column of a table, and what is known of any healthy walk: where its greatest value lies, and how great it is.

    Not tuned: wide ranges about the curves of Winter (2009), Biomechanics and Motor Control of Human Movement, as
    recalled. They tell a wrong unit or sign, not a strange gait.
    """

    column: str
    peak: tuple[float, float]
    """In the unit of the table, after the sign; of the least value where `least` says so."""
    when: tuple[float, float]
    """Share of the cycle; from late to early if the first is greater."""
    sign: float = 1.0
    least: bool = False
    """Whether the least value tells more than the greatest: the peak of a muscle group that turns the joint towards
    negative angles."""


@dataclass(frozen=True)
class Table:
    """A file of norms."""

    file: str
    kind: Kind
    factor: float
    """To the unit of the kind."""
    of: str
    citation: str
    columns: dict[str, Column]
    """By the names that we give them."""


_FALISSE = (
    "Falisse et al.: github.com/antoinefalisse/3dpredictsim@5fa3929fa9ba, ExperimentalData.mat, subject 1, over ground "
    "(MIT)"
)
_WALKS = "11 walks of one adult"
FALISSE_MASS = 62.0
"""Of the adult [kg]. Source: `body_mass` of subject 1 in the scripts of that repository (ResultsAnalysis/Fig2.m). The
vertical force of the same adult bears 92 % of body weight on average, so masses of 57 kg are possible, too."""
ALWAYS = (0.0, 1.0)
TABLES = (
    Table(
        "walk_falisse_subject1_angles.csv", "angle", math.pi / 180, _WALKS, _FALISSE,
        {
            # Tilt and rotation depend on where a model has its zero, and on the person.
            "pelvis_tilt": Column("pelvis_tilt", (-25.0, 15.0), ALWAYS),
            "pelvis_list": Column("pelvis_list", (2.0, 15.0), (0.5, 0.95)),
            "pelvis_rotation": Column("pelvis_rotation", (-5.0, 15.0), ALWAYS),
            "hip_flexion": Column("hip_flexion", (15.0, 55.0), (0.75, 0.15)),
            "hip_adduction": Column("hip_adduction", (3.0, 20.0), (0.05, 0.6)),
            "hip_rotation": Column("hip_rotation", (-10.0, 20.0), ALWAYS),
            # The file's knee bends to negative angles.
            "knee_angle": Column("knee_angle", (45.0, 85.0), (0.6, 0.85), -1.0),
            "ankle_angle": Column("ankle_angle", (5.0, 30.0), (0.3, 0.6)),
        },
    ),
    Table(
        "walk_falisse_subject1_grf.csv", "force", 0.01, _WALKS, _FALISSE,
        {
            "vertical": Column("Vertical", (85.0, 160.0), (0.05, 0.6)),
            "fore_aft": Column("Foreaft", (8.0, 45.0), (0.4, 0.65)),
            # To the right, of the right foot. It pushes the body to the left for most of the stance.
            "outward": Column("Lateral", (0.0, 8.0), ALWAYS),
        },
    ),
    Table(
        "walk_falisse_subject1_torques.csv", "moment", 1 / FALISSE_MASS, _WALKS, _FALISSE,
        {
            "hip_flexion_moment": Column("hip_flexion", (15.0, 90.0), (0.45, 0.7)),
            "hip_adduction_moment": Column("hip_adduction", (-120.0, -25.0), (0.05, 0.6), least=True),
            "hip_rotation_moment": Column("hip_rotation", (3.0, 30.0), (0.05, 0.6)),
            # The file's knee bends to negative angles: what extends it is negative after the sign.
            "knee_angle_moment": Column("knee_angle", (-90.0, -15.0), (0.08, 0.28), -1.0, least=True),
            "ankle_angle_moment": Column("ankle_angle", (-180.0, -60.0), (0.4, 0.6), least=True),
            "subtalar_angle_moment": Column("subtalar_angle", (0.0, 40.0), ALWAYS),
        },
    ),
    Table(
        "walk_falisse_subject1_powers.csv", "power", 1 / FALISSE_MASS, _WALKS, _FALISSE,
        {
            "hip_flexion_power": Column("hip_flexion", (25.0, 180.0), (0.5, 0.75)),
            "hip_adduction_power": Column("hip_adduction", (-100.0, -10.0), (0.03, 0.3), least=True),
            "hip_rotation_power": Column("hip_rotation", (0.0, 40.0), ALWAYS),
            "knee_angle_power": Column("knee_angle", (-180.0, -25.0), (0.55, 1.0), least=True),
            "ankle_angle_power": Column("ankle_angle", (100.0, 400.0), (0.45, 0.65)),
            "subtalar_angle_power": Column("subtalar_angle", (0.0, 60.0), ALWAYS),
        },
    ),
    Table(
        "emg_walk_santuz_gaitcycle101.csv", "emg", 1.0, "15 adults on a treadmill",
        "Santuz et al., doi:10.1016/j.isci.2019.100796, by alesantuz/musclesyneRgies@0fbf53b01d93 (MIT)",
        {
            "gluteus medius": Column("gluteus_medius", (0.4, 1.0), (0.0, 0.35)),
            "gluteus maximus": Column("gluteus_maximus", (0.4, 1.0), (0.95, 0.3)),
            "tensor fasciae latae": Column("tensor_fasciae_latae", (0.4, 1.0), ALWAYS),
            "rectus femoris": Column("rectus_femoris", (0.4, 1.0), ALWAYS),
            "vastus medialis": Column("vastus_medialis", (0.4, 1.0), (0.9, 0.3)),
            "vastus lateralis": Column("vastus_lateralis", (0.4, 1.0), (0.9, 0.3)),
            "semitendinosus": Column("semitendinosus", (0.4, 1.0), (0.75, 0.15)),
            "biceps femoris": Column("biceps_femoris", (0.4, 1.0), (0.75, 0.15)),
            "tibialis anterior": Column("tibialis_anterior", (0.4, 1.0), (0.9, 0.15)),
            "peroneus longus": Column("peroneus_longus", (0.4, 1.0), (0.1, 0.65)),
            "gastrocnemius medialis": Column("gastrocnemius_medialis", (0.4, 1.0), (0.2, 0.6)),
            "gastrocnemius lateralis": Column("gastrocnemius_lateralis", (0.4, 1.0), (0.2, 0.6)),
            "soleus": Column("soleus", (0.4, 1.0), (0.2, 0.6)),
        },
    ),
)  # fmt: skip


class NormError(ValueError):
    """Norms cannot be used. The message names the file and says why, in one sentence."""


def read_norms(folder: Path, tables: tuple[Table, ...] = TABLES) -> dict[str, Norm]:
    """All curves of walking, by their names.

    Args:
        folder: Where the tables are: 'normative' in the folder that MYOTRACK_DATA names.
        tables: Which of them.

    Raises:
        NormError: A table is not there, lacks a column, does not go over a whole cycle, holds what is no number, or
            has another unit or sign than it should.
    """
    missing = [table.file for table in tables if not (folder / table.file).is_file()]
    if missing:
        raise NormError(
            f"There are no norms of walking: {', '.join(missing)} not in {folder}; let MYOTRACK_DATA name the folder "
            "that holds normative/."
        )
    return {norm.name: norm for table in tables for norm in _read(folder / table.file, table)}


def compare(
    curve: Float[np.ndarray, "101"],
    other: Float[np.ndarray, "101"] | Norm,
    muscle: bool = False,
) -> Likeness:
    """A curve beside a norm, or beside another curve.

    Args:
        curve: Over a cycle, in the unit of the other; an activation beside EMG.
        other: A norm, or a curve without a band.
        muscle: Whether both are of a muscle, as they are beside a norm of EMG: its errors are of shape alone, and a
            silent one scores nothing (`muscles.SILENT`).
    """
    norm = other if isinstance(other, Norm) else None
    target = other.mean if isinstance(other, Norm) else other
    muscle = muscle or (norm is not None and norm.kind == "emg")
    silent = muscle and curve.mean() < SILENT
    shown, wanted = (_over_peak(curve), _over_peak(target)) if muscle else (curve, target)
    # The end of a cycle is the beginning of the next: 100 points go round.
    turns = np.stack([np.roll(target[:-1], turn) for turn in range(POINTS - 1)], axis=1)
    around = correlation(np.repeat(curve[:-1, None], POINTS - 1, axis=1), turns)
    r = float(correlation(curve[:, None], target[:, None])[0])
    dumb = silent or math.isnan(r) or bool(np.isnan(around).all())
    best = 0 if dumb else int(np.nanargmax(around))
    inside = None
    if norm is not None:
        # Each person's EMG was divided by its greatest value before the mean was taken, so ours is, too.
        inside = float((np.abs(shown - norm.mean) <= WIDTH * norm.spread).mean())
    return Likeness(
        r=None if dumb else r,
        rmse=float(np.sqrt(np.mean((shown - wanted) ** 2))),
        lag=(best - (POINTS - 1) * (best > (POINTS - 1) / 2)) / (POINTS - 1),
        lagged_r=None if dumb else float(around[best]),
        inside=inside,
    )


def as_emg(excitation: Float[np.ndarray, "frame muscle"], rate: float) -> Float[np.ndarray, "frame muscle"]:
    """What electrodes would tell of muscles: what they are told, low-passed without delay as the norm of EMG is.

    EMG is the input of a Hill-type muscle, which activation and force follow by tens of milliseconds (Zajac 1989,
    recalled).

    Args:
        excitation: In [0, 1], one row per frame.
        rate: Of the rows [Hz].

    Raises:
        ValueError: There are too few rows to be filtered.
    """
    return lowpass(excitation, rate, EMG_CUTOFF).clip(0.0, 1.0)


def by_chance(curves: Sequence[Float[np.ndarray, "101"]], norms: Sequence[Norm]) -> float:
    """What mean correlation chance gives: the 95th percentile of it over all turns of the cycle.

    All curves are turned by the same share of the cycle, so what muscles have in common stays in common. A pattern that
    is right but comes late counts as chance, too. A curve without shape, or a silent muscle, scores nothing.

    Args:
        curves: One per norm.
        norms: What they are compared with.
    """
    ours = np.stack(
        [
            curve[:-1] * (curve.mean() >= SILENT or norm.kind != "emg")
            for curve, norm in zip(curves, norms, strict=True)
        ],
        axis=1,
    )
    theirs = np.stack([norm.mean[:-1] for norm in norms], axis=1)
    means = [np.nan_to_num(correlation(np.roll(ours, turn, axis=0), theirs)).mean() for turn in range(POINTS - 1)]
    return float(np.quantile(means, 0.95))


def _read(path: Path, table: Table) -> list[Norm]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            values = np.genfromtxt(path, delimiter=",", names=True)
    except (ValueError, UserWarning, OSError) as error:
        raise NormError(f"{path}: this is no table of norms ({str(error).splitlines()[0]}).") from error
    wanted = ["percent_gait_cycle", *(f"{each.column}_{part}" for each in table.columns.values() for part in _PARTS)]
    lost = [name for name in wanted if name not in (values.dtype.names or ())]
    if lost:
        raise NormError(f"{path}: there is no column '{lost[0]}' in this table of norms.")
    strange = [name for name in wanted if not np.isfinite(np.atleast_1d(values[name])).all()]
    if strange:
        raise NormError(f"{path}: its column '{strange[0]}' holds what is no number.")
    phase = np.atleast_1d(values["percent_gait_cycle"]) / 100
    if len(phase) < 20 or not (np.diff(phase) > 0).all() or abs(phase[0]) > 1e-6 or abs(phase[-1] - 1) > 1e-4:
        raise NormError(f"{path}: its column 'percent_gait_cycle' does not rise from 0 to 100.")
    grid, norms = np.linspace(0.0, 1.0, POINTS), []
    for name, each in table.columns.items():
        mean, spread = (np.interp(grid, phase, values[f"{each.column}_{part}"]) for part in _PARTS)
        mean = each.sign * mean
        _check(path, each, mean, spread)
        norms.append(Norm(name, table.kind, table.factor * mean, table.factor * spread, table.of, table.citation))
    return norms


_PARTS = ("mean", "sd")


def _check(path: Path, each: Column, mean: np.ndarray, spread: np.ndarray) -> None:
    """Refuse a unit or a sign that cannot be.

    Raises:
        NormError: The peak is another, or at another time, than in any walk.
    """
    if (spread < 0).any():
        raise NormError(f"{path}: its column '{each.column}_sd' has negative deviations.")
    place, word = (mean.argmin(), "least") if each.least else (mean.argmax(), "greatest")
    top, at = float(mean[place]), int(place) / (POINTS - 1)
    (low, high), (begin, end) = each.peak, each.when
    within = begin <= at <= end if begin <= end else at >= begin or at <= end
    if not (low <= top <= high and within):
        raise NormError(
            f"{path}: '{each.column}' is {word}, {top:.3g}, at {100 * at:.0f} % of the cycle, where a walk has "
            f"{low:g} to {high:g} between {100 * begin:.0f} and {100 * end:.0f} %; its unit or sign is another."
        )


def _over_peak(values: Float[np.ndarray, "101"]) -> Float[np.ndarray, "101"]:
    peak = values.max()
    return values / peak if peak > 0 else values
