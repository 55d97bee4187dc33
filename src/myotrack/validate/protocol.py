"""When a policy has lost its clip: how rules judge a trial afterwards, and what goes with its numbers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.track.terminate import PUBLISHED, STRICT, Rule, distances
from myotrack.validate.trials import BACKEND, SEED, Trial

RULES = (PUBLISHED, STRICT)
"""By which every policy is judged."""


def first_violation(trial: Trial, anatomy: Anatomy, rule: Rule) -> int | None:
    """The first frame that violates a rule; None if the clip was followed to its end.

    A trial that ended early violates every rule in the frame after its last, whatever the reason.
    """
    bad = rule.violated(*distances(trial.landmark_pos_w - trial.reference_landmark_pos_w, anatomy))
    if bad.any():
        return int(bad.int().argmax())
    return trial.frames if trial.frames < trial.wanted_frames else None


def success(trial: Trial, anatomy: Anatomy, rule: Rule) -> bool:
    """Whether no frame of the whole clip violates a rule."""
    return first_violation(trial, anatomy, rule) is None


def coverage(trial: Trial, anatomy: Anatomy, rule: Rule) -> float:
    """Share of the clip's frames before the first violation of a rule."""
    first = first_violation(trial, anatomy, rule)
    return 1.0 if first is None else first / trial.wanted_frames


def until(trial: Trial, frame: int | None) -> Trial:
    """The frames before one; all of them for None."""
    if frame is None or frame >= trial.frames:
        return trial
    kept = {each.name: getattr(trial, each.name) for each in fields(trial)}
    cut = {name: values[:frame] for name, values in kept.items() if isinstance(values, Tensor)}
    emg = trial.emg and replace(trial.emg, envelope=trial.emg.envelope[:frame])
    return replace(trial, **cut, emg=emg)


@dataclass(frozen=True)
class Conditions:
    """What must be said beside the numbers of a policy."""

    rules: tuple[Rule, ...]
    clips: int
    """Different ones."""
    seeds: tuple[str, ...]
    """Of what is drawn."""
    rates: tuple[float, ...]
    """How often muscles are commanded [Hz]."""
    backends: tuple[str, ...]
    """What simulated the bodies, and where."""
    bodies: tuple[str, ...]
    """`Anatomy.hash` of the bodies."""

    @classmethod
    def of(cls, trials: Sequence[Trial]) -> "Conditions":
        """As the trials tell them."""

        def told(name: str) -> tuple[str, ...]:
            return tuple(dict.fromkeys(trial.settings[name] for trial in trials if name in trial.settings))

        return cls(
            rules=RULES,
            clips=len({trial.name for trial in trials}),
            seeds=told(SEED),
            rates=tuple(dict.fromkeys(trial.rate for trial in trials)),
            backends=told(BACKEND),
            bodies=tuple(dict.fromkeys(trial.body_hash for trial in trials)),
        )

    @classmethod
    def from_dict(cls, row: object) -> "Conditions":
        """The inverse of `as_dict`.

        Raises:
            TypeError: A field is missing, of another type, or not known.
            KeyError: A rule lacks something.
            ValueError: A rule has no positive distances.
        """
        if not isinstance(row, dict) or row.keys() != {each.name for each in fields(cls)}:
            raise TypeError("its conditions have other fields")
        rules = tuple(Rule(float(rule["landmark"]), float(rule["root"]), str(rule["name"])) for rule in row["rules"])
        columns = [tuple(row[name]) for name in ("seeds", "rates", "backends", "bodies")]
        return cls(rules, int(row["clips"]), *columns)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        parts = [
            *map(str, self.rules),
            f"{self.clips} {'clip' if self.clips == 1 else 'clips'}",
            f"{'seed' if len(self.seeds) == 1 else 'seeds'} {', '.join(self.seeds)}" if self.seeds else "",
            f"muscles commanded at {' and '.join(f'{rate:g}' for rate in self.rates)} Hz",
            f"simulated by {' and '.join(self.backends)}" if self.backends else "",
            f"body {', '.join(self.bodies)}",
        ]
        return "; ".join(part for part in parts if part)
