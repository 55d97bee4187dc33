"""The command line of learning: what `train` and `validate` take. Heavy libraries are loaded by what runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

Level = Literal["original", "paths", "fast"]
Recipe = Literal[
    "arms",
    "arms-ppo",
    "walk",
    "walk-ppo",
    "walk-torque",
    "locomotion",
    "generalist",
    "style",
    "refine",
    "distil",
    "finetune",
]


@dataclass(frozen=True)
class TrainCommand:
    """Train a policy: one network from what a body senses to the excitations of its muscles.

    Try `myotrack train arms --out runs/arms`, which takes three minutes on two cores; then with recordings of your own:
    `myotrack retarget recordings --body arms --out clips`, `myotrack train arms --clips clips --out runs/mine`.
    A run can be stopped at any time (Ctrl-C) and gone on with (--resume).
    The exit status is 1 if learning was stopped or has diverged.
    """

    recipe: Annotated[Recipe, tyro.conf.Positional]
    """'arms': built-in motions, and clips, taught by muscle control. 'arms-ppo': the same, then trial and error.
    'walk': the whole body walks on its own feet, as a built-in motion or --clips do; a model of the body is learnt and
    the policy inside it, then trial and error follows, a quarter of an hour in all. 'walk-ppo': trial and error alone.
    'walk-torque': the same as 'walk' by ideal joints as strong as the muscles. 'locomotion': one policy for a folder of
    clips (--clips). 'generalist': the same with a wider network, from easy to hard, for many clips, of the arms too.
    'style': a body moves like its clips, paid for what cannot be told from them instead of for being where they are.
    'refine': a policy (--begin) that keeps its motions follows them more closely and with less effort. 'distil': a
    network of excitations learns what a policy (--begin) of these kinds does. 'finetune': a policy (--begin) learns new
    clips: arms in a minute, bodies on feet in ten."""
    out: Path
    """Folder of the run."""
    clips: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Clips to learn, made by `myotrack retarget`: beside the built-in motions with arms, instead of them on feet."""
    test_share: float | None = None
    """Share of the recorded frames, whole persons at a time, that is kept for judging; 0 learns from all. The recipe's
    own if not given: 0.2 with arms, 0.15 for many clips on feet, 0 with the others."""
    split_seed: int = 0
    """Another seed keeps other persons and clips."""
    begin: Annotated[Path | None, tyro.conf.arg(metavar="RUN")] = None
    """Run or policy to begin with: needed by 'finetune', 'refine' and 'distil', possible with all bodies on feet."""
    fingers: bool = False
    """With moving fingers and their muscles: 126 instead of 64."""
    level: Level | None = None
    """Learn on a body with fitted muscle paths ('paths'), or on a minimal skeleton, too ('fast'): several times as many
    steps per second. The policy is the same, and is judged on the original. The recipe's own if not given: the original
    with arms, 'fast' with the others."""
    substeps: int | None = None
    """Physics steps in each 10 ms while learning; judging takes 5. Fewer are faster. The recipe's own if not given: 5
    with arms, 3 with bodies on feet."""
    finish: float | None = None
    """Share of the time, at the end, to learn on the original after another --level; trial and error after cloning then
    has the original alone. The recipe's own if not given: 0.2 with 'locomotion' and 'generalist', 0 with the others."""
    minutes: float | None = None
    """Time for learning; the recipe's own if no end is given."""
    steps: int | None = None
    """Control steps over all worlds, instead; with the same seed the result is the same on one machine."""
    target: float | None = None
    """Mean reward per control step, for trial and error discounted with what follows, at which learning ends early."""
    worlds: int | None = None
    """How many bodies at once; the recipe's own if not given."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where bodies and networks live."""
    seed: int = 0
    """Of everything that is drawn."""
    seeds: int = 1
    """Train so many policies one after another, with --seed and those that follow it; each gets a run of its own in
    --out, 'seed-0' and so on, and `myotrack validate` judges them together."""
    symmetric: bool = False
    """A network whose mirrored observation has exactly the mirrored action. Twice the time of the network."""
    resume: bool = False
    """Go on with the run in --out, with its own recipe and choices; --minutes or --steps may give it more, and --clips
    says where its clips are if it comes from another machine."""
    json: bool = False
    """Print one JSON object on standard output."""
    force: bool = False
    """Replace a run that is there already."""

    def run(self) -> int:
        """Train and print."""
        from myotrack.workflow.train import train

        return train(self)


@dataclass(frozen=True)
class ValidateCommand:
    """Judge a policy: it performs every motion once, and a page tells how well.

    Try `myotrack validate runs/arms`. Motions are judged in groups: some that were learnt, built-in ones that were not,
    and those of persons that the policy has never seen. Who counts as lost, by two rules, stands with the numbers.
    Several seeds of a recipe are judged together: `myotrack train arms --seeds 3 --out runs/three` and
    `myotrack validate runs/three`.
    The exit status is 1 if a motion that was not learnt is lost.

    With --against two of anything are compared instead, motion by motion: runs (of `train`, `steer` or `demo`),
    policies in 'checkpoints', trials, clips, folders of clips, built-in motions. Try these:
    myotrack validate runs/arms --against runs/tuned (what both performed),
    myotrack validate walk-02_01 --against walk-02_01-muscles (two policies),
    myotrack validate walk-02_01 --against walks/02_01.npz (a policy performs the clip that it is set against).
    Every number that both have is told with its unit, which way is better, A, B, their difference and its 95 % interval
    over motions; curves are told by their correlation; and a page draws both. A recording becomes a clip by
    `myotrack retarget`, or a run by `myotrack steer`, first. The exit status of a comparison is 0.
    """

    run_folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of the run, which gets trials/, scorecard.json and report.html; or a folder of runs that differ by their
    seeds, which each get theirs; or the name of a policy in 'checkpoints', which is copied to runs/NAME. With --against
    whatever can be compared."""
    clips: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Judge by these clips instead of those that the run kept for it."""
    against: Annotated[str | None, tyro.conf.arg(metavar="B")] = None
    """Compare RUN, which may be any of the above, with this one. A run that has been judged is compared by its trials;
    with --clips policies perform these first, and their runs stay as they are. A policy in 'checkpoints' performs what
    the other has followed; two of them are compared by their scorecards."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE.html")] = None
    """With --against: the page, if it is not to lie beside the first of both."""
    sampled: bool = False
    """Judge drawn actions, too, not only their mean."""
    seed: int | None = None
    """Of what is drawn; that of the policy if not given."""
    level: Level = "original"
    """Judge on a body with less detail ('paths', 'fast') instead of the original."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the bodies live."""
    video: bool = True
    """Draw films of a few motions."""
    json: bool = False
    """Print one JSON object on standard output: every score, and means by group; or the comparison."""

    def run(self) -> int:
        """Judge or compare, and print."""
        if self.against is not None:
            from myotrack.workflow.against import against

            return against(self)
        if self.out is not None:
            raise ValueError("--out is the page of a comparison; add --against B. Reports lie in their runs' folders.")
        from myotrack.workflow.validate import validate

        return validate(self)


@dataclass(frozen=True)
class ExportCommand:
    """For other programs: the policy of a run as one ONNX file, or motions as files of OpenSim (--opensim).

    A policy goes from observation to muscle excitations, scales included; the file tells the order of observations and
    muscles and the version of the body, and is checked against torch. Needs `pip install 'myotrack[export]'`.

    With --opensim every trial of a run, or a trial or clip alone, becomes NAME_ik.mot (angles), NAME_moments.sto,
    NAME_grf.mot (ground forces), NAME_activation.sto and NAME_excitation.sto, in the coordinates of Rajagopal's model.
    A clip has angles only. Files of these names are replaced. Try `myotrack steer walk --out runs/walk`, then
    `myotrack export runs/walk --opensim --out walk-opensim` (docs/opensim.md).
    """

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_OR_CLIP")]
    """Folder of a run, or a policy; with --opensim a run that has trials, a trial, a clip, or a folder of clips."""
    out: Path
    """The file, ending in '.onnx'; with --opensim a folder."""
    opensim: bool = False
    """Write motions as MOT and STO files."""
    along_x: bool = False
    """With --opensim: turn the world about the vertical so that the pelvis looks along OpenSim's x on average, as its
    users expect; tilt and list of the pelvis turn about axes of the world."""
    json: bool = False
    """Print one JSON object on standard output."""

    def run(self) -> int:
        """Write and print."""
        if self.opensim:
            from myotrack.workflow.opensim import export_motions

            return export_motions(self)
        from myotrack.workflow.export import export

        return export(self)


@dataclass(frozen=True)
class KeepCommand:
    """Keep a run that is worth it: a small folder with policy, scorecard, what going on needs, and a card for people.

    Try `myotrack validate runs/walk`, then `myotrack keep runs/walk --name walk-02_01 --data "CMU 02_01"`. Afterwards
    `myotrack validate walk-02_01 --clips CLIPS` finds it by its name.
    """

    run_folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of a run that has been judged."""
    name: str
    """What it is called from now on."""
    data: str = "see the motions."
    """Where the motions come from, and their licence, in a sentence."""
    licence: str = "Apache-2.0 for the weights; the motions have their own."
    """Of the policy, in a sentence."""
    limits: str = "Judged on the motions above and nothing else."
    """What it cannot do, in a sentence or two."""
    out: Path = Path("checkpoints")
    """Folder of all that is kept."""
    json: bool = False
    """Print one JSON object on standard output."""
    force: bool = False
    """Replace what has this name already."""

    def run(self) -> int:
        """Copy and print."""
        from myotrack.workflow.keep import keep

        return keep(self)
