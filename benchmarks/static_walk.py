"""Static optimisation of a recorded walk against its EMG.  Usage: python benchmarks/static_walk.py [--emg]

Rajagopal et al. (2016, doi:10.1109/TBME.2016.2586891) recorded markers, force plates and ten muscles of the right leg
in one walk. From markers and forces alone: moments beside the published ones, activations beside the EMG, for several
costs and bodies. With --emg: whether EMG of half of the channels, as soft targets, brings the other half nearer.
"""

import copy
import csv
import importlib.resources
import itertools
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import tyro

from myotrack.anatomy.electrodes import Electrode, electrodes, means
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.naming import stem_of
from myotrack.anatomy.repairs import Repairs
from myotrack.anatomy.tension import Curves
from myotrack.capture.join import together
from myotrack.capture.reader import read
from myotrack.capture.recording import Recording, Signals
from myotrack.clips.clip import RATE
from myotrack.clips.smooth import smoothed
from myotrack.retarget.pipeline import Fit, fit
from myotrack.retarget.settings import Settings
from myotrack.steer.effort import COSTS, Muscles, effort
from myotrack.steer.ground import ground_of, longest, of_mass
from myotrack.steer.recruit import Measured, Recruitment, Reserve, recruit
from myotrack.steer.share import share
from myotrack.steer.static import RIGID, Choices, Movement, asked_rows, movement, pulled, recorded
from myotrack.validate.muscles import SILENT, Agreements, agreement, correlation, envelope, sampled
from myotrack.workflow.output import machine

FILES = ("motion_capture_walk.trc", "grf_walk.mot", "moco_electromyography.sto.gz")
JOINTS = ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle")
STRIDE = 1.144
"""From one step of the right foot on the plates to the next [s]; thresholds of 20 N at 0.268 and 1.412 s."""
MUSCLE_REPAIRS = ("inert_muscles", "control_range", "length_range", "supraspinatus", "longissimus", "rest_tension")
TURNS = (1, 2, 3, 4)
"""Fifths of a stride by which EMG is turned round for the control."""
STEPS = 16
"""Of the solver, where rows of EMG pull against moments."""
GIVEN = (0.1, 0.03)
"""Softness of the given channels, in activation."""


def main(emg: bool = False) -> None:
    """Print the tables.

    Args:
        emg: Give half of the channels as soft targets, in all 252 ways, instead.
    """
    root = Path(__file__).parents[1]
    folder = root / os.environ.get("MYOTRACK_DATA", "../shared/data") / "rajagopal2016"
    if not folder.is_dir():
        sys.exit(f"There are no recordings in {folder}. Set MYOTRACK_DATA to the folder that holds rajagopal2016/.")
    full = Anatomy.load("full")
    begin = time.perf_counter()
    trial = together(*(read(folder / name) for name in FILES))
    found = fit(trial, full, Settings(size="fitted", plant=False))
    fitted = time.perf_counter()
    walk, mass = recorded(trial, found)
    dynamics = time.perf_counter()
    pulled(walk)
    end = time.perf_counter()
    rows = first_stride(walk)
    if emg:
        held_out(walk.part(rows), trial, rows)
        return
    print(
        f"{walk.frames} frames; from files to motion {fitted - begin:.2f} s, to moments {dynamics - fitted:.2f} s, to"
    )
    print(f"activations {end - dynamics:.2f} s: {walk.frames / (end - fitted):.0f} frames/s from motion and forces,")
    print(f"{walk.frames / (end - begin):.0f} frames/s from markers and forces. {machine()}")
    print(
        f"{mass:.1f} kg; all forces measured from {rows.start / RATE:.2f} s on; stride: {rows.stop - rows.start} frames"
    )
    tell_moments(walk, found, read(folder / "moco_id_walk.sto.gz"))
    tell_channels(pulled(walk, Choices(cost="squared")).activation, walk, trial, rows, "squared")
    tell_channels(pulled(walk, Choices(cost="volume")).activation, walk, trial, rows, "volume")
    print(
        "\nvariant: mean r, at 50 ms, RMSE | mean over all strides: r, at 50 ms | residual and reserve of the leg [Nm]"
    )
    for name, body, choices in variants(walk, trial, found, full):
        tell_variant(name, body, choices, trial, rows)
    raw = read(folder / "emg_walk_raw.anc")
    assert raw.emg is not None and trial.emg is not None
    ours = envelope(raw.emg)
    ours = Signals(trial.emg.names, ours.rate, ours.values)
    tell_variant("squared, our envelope of the raw EMG", walk, Choices(), replace(trial, emg=ours), rows)


def first_stride(walk: Movement) -> slice:
    """The stride that begins with the first frame in which all ground forces are measured."""
    whole, frames = longest(walk.measured), round(STRIDE * RATE)
    if whole.stop - whole.start < frames:
        sys.exit("No stride is measured as a whole.")
    return slice(whole.start, whole.start + frames)


def tell_moments(walk: Movement, found: Fit, published: Recording) -> None:
    """Joint moments beside the published ones, and what is left for the pelvis."""
    assert published.coordinates is not None and found.placement is not None
    ours_time = found.placement.start + np.arange(walk.frames) / RATE
    theirs_time = published.start + np.arange(published.frames) / published.rate
    common = (ours_time >= theirs_time[0]) & (ours_time <= theirs_time[-1]) & walk.measured.numpy()
    print("\nmoment: r and RMSE [Nm], right | left; largest published")
    for joint in JOINTS:
        words = []
        for side in "rl":
            ours = walk.forces[:, walk.anatomy.coordinate_names.index(f"{joint}_{side}")].numpy()[common]
            column = published.coordinates.names.index(f"{joint}_{side}_moment")
            theirs = np.interp(ours_time[common], theirs_time, published.coordinates.values[:, column])
            r, rmse = np.corrcoef(ours, theirs)[0, 1], np.sqrt(np.mean((ours - theirs) ** 2))
            words.append(f"{r:.3f} {rmse:5.1f} ({np.abs(theirs).max():.0f})")
        print(f"  {joint:14} {' | '.join(words)}")
    weight = 9.81 * float(walk.anatomy.model.body_mass.sum())
    rms = walk.forces[torch.as_tensor(common), :6].square().mean(dim=0).sqrt()
    print(f"  pelvis residual, RMS: {[round(float(v), 1) for v in rms]} N and Nm; weight {weight:.0f} N")


def seen(activation: torch.Tensor, walk: Movement, trial: Recording) -> tuple[tuple[Electrode, ...], np.ndarray]:
    """Mean activation under every electrode."""
    assert trial.emg is not None
    found = electrodes(trial.emg.names, walk.anatomy)
    return found, (activation @ means(found, walk.anatomy).T).numpy()


def judged(activation: torch.Tensor, walk: Movement, trial: Recording, rows: slice) -> Agreements:
    """Agreement over some frames."""
    assert trial.emg is not None
    found, mean = seen(activation, walk, trial)
    when = np.arange(rows.start, rows.stop) / RATE
    return agreement([each.channel for each in found], mean[rows], trial.emg, when)


def tell_channels(activation: torch.Tensor, walk: Movement, trial: Recording, rows: slice, name: str) -> None:
    """The table of channels."""
    result = judged(activation, walk, trial, rows)
    print(f"\n{name:20}{'r':>7}{'50 ms':>7}{'RMSE':>7}{'level':>7}{'chance':>8}{'95 %':>7}")
    for row in result.rows:
        told = [row.r, row.delayed, row.rmse, row.level, row.chance, row.lucky]
        words = ["   none" if value is None else f"{value:7.3f}" for value in told]
        print(f"  {row.channel:18}{''.join(words)}")
    print(f"  {'mean':18}{result.r:7.3f}{result.delayed:7.3f}{result.rmse:7.3f}", end="")
    print(f"   chance of the mean, 95 %: {result.chance:.3f}")


def tell_variant(name: str, walk: Movement, choices: Choices, trial: Recording, rows: slice) -> None:
    """One row."""
    done = pulled(walk, choices)
    one = judged(done.activation, walk, trial, rows)
    whole = longest(walk.measured)
    starts = range(whole.start, whole.stop - (rows.stop - rows.start) + 1, 2)
    every = [judged(done.activation, walk, trial, slice(s, s + rows.stop - rows.start)) for s in starts]
    leg = [n for n, c in enumerate(walk.anatomy.coordinate_names) if c.endswith("_r") and c.startswith(LEG)]
    missed, reserve = done.residual[rows][:, leg], done.reserve[rows][:, leg]
    mean = [np.mean([getattr(each, what) for each in every]) if every else None for what in ("r", "delayed")]
    r, delayed = ("  none" if value is None else f"{value:6.3f}" for value in mean)
    print(
        f"  {name:52}{one.r:6.3f}{one.delayed:7.3f}{one.rmse:7.3f} | {r} {delayed} | residual RMS "
        f"{float(missed.square().mean().sqrt()):.2f} most {float(missed.abs().max()):.1f}; reserve RMS "
        f"{float(reserve.square().mean().sqrt()):.2f} most {float(reserve.abs().max()):.1f}"
    )


LEG = ("hip", "knee", "ankle", "subtalar")


def variants(walk: Movement, trial: Recording, found: Fit, full: Anatomy) -> Iterator[tuple[str, Movement, Choices]]:
    """Costs, rows, reserve and bodies."""
    for cost in COSTS:
        yield cost, walk, Choices(cost=cost)
    yield "squared, subtalar moments open", walk, Choices(open=(*RIGID, "subtalar_angle_r", "subtalar_angle_l"))
    yield (
        "volume, subtalar moments open",
        walk,
        Choices("volume", open=(*RIGID, "subtalar_angle_r", "subtalar_angle_l")),
    )
    yield "squared, reserve up to 50 Nm", walk, Choices(reserve=Reserve(50.0))
    yield "volume, reserve up to 50 Nm", walk, Choices("volume", reserve=Reserve(50.0))
    published = Anatomy.load("full", repairs=Repairs(**dict.fromkeys(MUSCLE_REPAIRS, False)))
    yield "squared, published muscles (no repair of a muscle)", again(walk, trial, found, published), Choices()
    fibres = with_leg_of(walk.anatomy, full, curves=False)
    yield "squared, fibres of Rajagopal", other_muscles(walk, fibres), Choices()
    yield "volume, fibres of Rajagopal", other_muscles(walk, fibres), Choices("volume")
    curved = with_leg_of(walk.anatomy, full, curves=True)
    yield "squared, fibres of Rajagopal, curve 0.5 to 1.6", other_muscles(walk, curved), Choices()
    yield "same, reserve up to 50 Nm", other_muscles(walk, curved), Choices(reserve=Reserve(50.0))
    slack = replace(walk, tension=replace(walk.tension, passive=torch.zeros_like(walk.tension.passive)))
    yield "squared, passive forces off", slack, Choices()
    planted = fit(trial, full, Settings(size="fitted"))
    yield "squared, feet planted by the retargeting", recorded(trial, planted)[0], Choices()
    yield "squared, motion and forces at 10 Hz", recorded(trial, found, cutoff=10.0)[0], Choices()


def again(walk: Movement, trial: Recording, found: Fit, body: Anatomy) -> Movement:
    """The same motion on another version of the body."""
    assert found.placement is not None
    own = body.resized(found.anatomy.sizes)
    clip = replace(smoothed(found.clip), body_hash=own.hash)
    ground = ground_of(trial, clip, own, found.placement)
    return movement(*of_mass(clip, own, float(walk.anatomy.model.body_mass.sum())), ground)


def other_muscles(walk: Movement, body: Anatomy) -> Movement:
    """The same mechanics with other muscle parameters; paths do not depend on them."""
    curves = Curves.of(body)
    tension = curves.tension(walk.mechanics.muscle_length, walk.mechanics.muscle_velocity)
    return replace(walk, anatomy=body, curves=curves, tension=tension)


def with_leg_of(body: Anatomy, full: Anatomy, curves: bool) -> Anatomy:
    """Optimal fibre and tendon slack lengths of the leg as in Rajagopal et al. (2016), grown with the person's paths.

    Args:
        body: Of the person's sizes.
        full: The published sizes.
        curves: Also the active force-length curve from 0.5 to 1.6, MuJoCo's own, in place of the fitted one; passive
            forces keep theirs.
    """
    table = importlib.resources.files("myotrack").joinpath("data/norms/rajagopal2016_leg_muscles.csv")
    norms = {row["muscle"]: row for row in csv.DictReader(table.read_text().splitlines())}
    model = copy.copy(body.model)
    for index, muscle in enumerate(body.muscles):
        row = norms.get(stem_of(muscle.name))
        if row is None:
            continue
        grown = muscle.fibre_length / full.muscles[index].fibre_length
        fibre = grown * float(row["optimal_fibre_length_m"])
        tendon = grown * float(row["tendon_slack_length_m"])
        model.actuator_lengthrange[index] = [tendon + fibre * end for end in muscle.fibre_range]
        if curves:
            model.actuator_gainprm[index, 4:6] = [0.5, 1.6]
    return replace(body, model=model)


def leg_problem(walk: Movement) -> tuple[Recruitment, torch.Tensor]:
    """The right leg alone, and which muscles it has."""
    price = effort("squared", Muscles(walk.curves, walk.mechanics.muscle_velocity))
    names, rows = walk.anatomy.coordinate_names, asked_rows(walk.anatomy)
    rows = rows[[names[row].startswith(LEG) and names[row].endswith("_r") for row in rows.tolist()]]
    muscles = (walk.mechanics.moment_arm[:, :, rows].abs().amax(dim=(0, 2)) > 1e-6).nonzero()[:, 0]
    return recruit(walk.mechanics, walk.tension, walk.forces, price, rows, muscles), muscles


def held_out(walk: Movement, trial: Recording, rows: slice) -> None:
    """Half of the channels given, the other half judged."""
    assert trial.emg is not None
    channels = electrodes(trial.emg.names, walk.anatomy)
    problem, muscles = leg_problem(walk)
    seen_by = means(channels, walk.anatomy)[:, muscles]
    when = np.arange(rows.start, rows.stop) / RATE
    print(f"EMG of five of ten channels given, the other five judged: 252 splits, {len(when)} frames. {machine()}")
    print("change of the mean r and of the error (over its mean without EMG) of those that are not given, then of r of")
    print("those that are; with their own EMG, and with EMG turned round within the stride by fifths of it")
    free = problem.read(share(problem.task, STEPS)).activation @ seen_by.T
    for delay in (0.0, 0.05):
        emg = torch.as_tensor(sampled(trial.emg, when - delay))
        # The file knows no maximum, so a channel tells its shape: its mean is that of the muscles without it.
        level = emg * free.mean(dim=0) / emg.mean(dim=0)
        for softness in GIVEN:
            tell_splits(f"recorded, delay {1000 * delay:.0f} ms", problem, seen_by, level, softness)
    generator = torch.Generator().manual_seed(0)
    taste = torch.exp(0.5 * torch.randn(problem.task.low.shape[1], generator=generator, dtype=torch.float64))
    phase = 2 * torch.pi * torch.rand(len(taste), generator=generator, dtype=torch.float64)
    angle = torch.linspace(0, 2 * torch.pi, len(when) + 1, dtype=torch.float64)[:-1, None]
    for name, most in (("without", 0.0), ("with", 0.2)):
        # Somebody who spares each muscle by another weight, and holds some of them tense without need.
        tense = most * taste.sort().values.flip(0) / taste.max() * (1 + torch.sin(angle + phase)) / 2
        person = replace(
            problem.task,
            effort=replace(problem.task.effort, weight=taste[None] * problem.task.effort.weight),
            low=tense,
        )
        truth = problem.read(share(person, STEPS)).activation
        made = (problem.effect @ truth[..., None])[..., 0] + problem.passive
        theirs = replace(problem, task=replace(problem.task, target=made - problem.passive), wanted=made)
        tell_splits(f"synthetic, {name} co-contraction", theirs, seen_by, truth @ seen_by.T, GIVEN[1], silence=False)


def tell_splits(
    name: str,
    problem: Recruitment,
    seen_by: torch.Tensor,
    truth: torch.Tensor,
    softness: float,
    silence: bool = True,
) -> None:
    """All ways to give half of the channels, with their EMG as it is and turned round within the stride.

    Args:
        name: Of the row.
        problem: Without EMG.
        seen_by: Means under the electrodes.
        truth: Levels of the channels, from which targets are taken and by which answers are judged.
        softness: Of the targets, in activation.
        silence: Whether a silent muscle scores nothing; not where the truth itself may be so low.
    """
    count, frames = len(seen_by), len(truth)
    halves = itertools.combinations(range(count), count // 2)
    splits = torch.tensor([[channel in half for channel in range(count)] for half in halves])
    given = splits.numpy()
    free = problem.read(share(problem.task, STEPS)).activation @ seen_by.T
    base, off = scores(free, truth, silence), (free - truth).square().mean(dim=0).sqrt().numpy()
    told: dict[int, list[np.ndarray]] = {}
    for turn in (0, *TURNS):
        level = truth.roll(turn * frames // 5, dims=0)
        found = torch.cat([guided(problem, seen_by, level, part, softness) for part in splits.split(21)])
        change = scores(found, truth, silence) - base
        error = ((found - truth).square().mean(dim=1).sqrt().numpy() - off) / off.mean()
        chosen = ((~given, change), (given, change), (~given, error))
        told[turn] = [np.where(mask, values, 0).sum(axis=1) / mask.sum(axis=1) for mask, values in chosen]
    turned = [np.mean([told[turn][part] for turn in TURNS], axis=0) for part in range(3)]
    better = 100 * (told[0][0] > turned[0]).mean()
    print(
        f"  {name:34} softness {softness:4.2f}: r of held-out {base.mean():.3f}, {told[0][0].mean():+.3f} with true, "
        f"{turned[0].mean():+.3f} with turned ({better:.0f} % of splits); error {100 * told[0][2].mean():+.0f} %, "
        f"{100 * turned[2].mean():+.0f} %; r of given {told[0][1].mean():+.3f}, {turned[1].mean():+.3f}"
    )


def guided(
    problem: Recruitment, seen_by: torch.Tensor, level: torch.Tensor, splits: torch.Tensor, softness: float
) -> torch.Tensor:
    """Mean activations under the electrodes, for several splits at once."""
    many = problem.repeated(len(splits))
    # A channel that is not given is a row that may be missed by any amount.
    soft = torch.where(splits, softness, 1e6).double().repeat_interleave(len(level), dim=0)
    told = many.guided(Measured(seen_by, level.repeat(len(splits), 1), soft))
    return (told.read(share(told.task, STEPS)).activation @ seen_by.T).view(len(splits), len(level), -1)


def scores(found: torch.Tensor, truth: torch.Tensor, silence: bool) -> np.ndarray:
    """r of every channel; if asked for, a silent muscle scores nothing."""
    values = found.numpy()
    r = correlation(values, np.broadcast_to(truth.numpy(), values.shape))
    # A channel without a shape correlates with nothing.
    return np.nan_to_num(np.where(values.mean(axis=-2) >= SILENT, r, 0.0) if silence else r)


if __name__ == "__main__":
    tyro.cli(main)
