"""Means over the clips of a group, with their intervals: what one says about a policy in a sentence."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from myotrack.validate.metrics import BY_NAME, METRICS, Better, Metric, Score, rounded
from myotrack.validate.statistics import Interval, Seeds, mean_interval, share_interval

TOGETHER = "all"
"""The seed of a summary over all seeds."""


@dataclass(frozen=True)
class Summary:
    """One metric over the clips of a group."""

    group: str
    """As 'held-out clips'."""
    acting: str
    """As 'mean actions'; empty if nobody says."""
    seed: str
    """Of what was drawn; `TOGETHER` over several, where each clip counts by its mean."""
    metric: str
    """A name in `METRICS`."""
    unit: str
    better: Better
    interval: Interval
    """Mean over the clips that have the number, at every seed. Errors are those before the first violation of the
    published rule, so success and coverage stand beside them."""
    seeds: Seeds | None = None
    """How the means of several seeds differ; None for one."""

    @property
    def text(self) -> str:
        """The mean as tables show it."""
        return self._told(self.interval.mean)

    @property
    def ends(self) -> str:
        """The interval in words."""
        low, high = self.interval.low, self.interval.high
        return "one clip" if low is None or high is None else f"{self._told(low)} to {self._told(high)}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        about = {name: getattr(self, name) for name in ("group", "acting", "seed", "metric", "unit", "better")}
        interval = asdict(self.interval)
        about |= {"clips": interval.pop("count"), **interval}
        return about | ({} if self.seeds is None else {"seeds": asdict(self.seeds)})

    def _told(self, value: float) -> str:
        return rounded(value, BY_NAME[self.metric].digits)


Values = dict[str, dict[str, float]]
"""By clip, then by seed."""


def summarise(scores: Iterable[Score]) -> tuple[Summary, ...]:
    """A summary per group, way of acting, seed and metric; over all seeds, too, if there are several.

    Scores without a group are left out, and so are metrics without a name in `METRICS`.

    Raises:
        ValueError: A clip has two values of the same kind, group, way of acting and seed.
    """
    parts: dict[tuple[str, str], dict[str, Values]] = {}
    for score in scores:
        if not score.group or score.metric not in BY_NAME:
            continue
        clips = parts.setdefault((score.group, score.acting), {}).setdefault(score.metric, {})
        values = clips.setdefault(score.trial, {})
        if score.seed in values:
            raise ValueError(
                f"Clip '{score.trial}' was judged twice among '{score.group}'; tell its trials apart by their seeds."
            )
        values[score.seed] = score.value
    return tuple(
        summary
        for (group, acting), metrics in parts.items()
        for metric in METRICS
        if metric.name in metrics
        for summary in _summaries(group, acting, metric, metrics[metric.name])
    )


def _summaries(group: str, acting: str, metric: Metric, clips: Values) -> list[Summary]:
    """Of one metric: over all seeds first, then seed by seed."""

    def over(seed: str, values: np.ndarray, seeds: Seeds | None = None) -> Summary:
        interval = mean_interval(values)
        if metric.share:
            share = share_interval(interval.mean / 100, len(values))
            interval = Interval(interval.mean, 100 * (share.low or 0.0), 100 * (share.high or 0.0), share.count)
        return Summary(group, acting, seed, metric.name, metric.unit, metric.better, interval, seeds)

    names = list(dict.fromkeys(seed for values in clips.values() for seed in values))
    made = [over(seed, np.array([values[seed] for values in clips.values() if seed in values])) for seed in names]
    whole = [[values[seed] for seed in names] for values in clips.values() if values.keys() == set(names)]
    if len(names) == 1 or not whole:
        return made
    table = np.array(whole)
    return [over(TOGETHER, table, Seeds.of(table.mean(axis=0))), *made]
