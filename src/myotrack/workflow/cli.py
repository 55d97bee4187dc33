"""The command line: what each command takes, and where it goes. Heavy libraries are loaded by the command that runs."""

import os
import sys
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from myotrack.workflow.cli_learn import ExportCommand, KeepCommand, TrainCommand, ValidateCommand
from myotrack.workflow.debug import DEBUG, debugging
from myotrack.workflow.typed import remember

BodyName = Literal["full", "arms"]
SimulatedBody = Literal["full", "arms", "full:paths", "full:fast", "arms:paths", "arms:fast"]


@dataclass(frozen=True)
class AnatomyCommand:
    """Show the tables of a body: what it is made of, what we changed in it, and what is wrong with it.

    Without a table's name, a summary is shown. Several can be asked for at once.
    """

    body: BodyName = "full"
    """Which body."""
    fingers: bool = False
    """With moving fingers and their muscles."""
    joints: bool = False
    """Joints: positive direction, range, driver."""
    muscles: bool = False
    """Muscles: peak force, fibre and tendon length, time constants, group, side."""
    landmarks: bool = False
    """Tracked points and where they are in the resting posture."""
    couplings: bool = False
    """Dependent joints and their polynomials."""
    contacts: bool = False
    """Surfaces that can touch, and the pairs that do."""
    changes: bool = False
    """Every change of the published body, with its reason and source."""
    audit: bool = False
    """Known and new faults: muscle parameters, symmetry, path jumps, masses, moment arms (takes about 20 s)."""
    paths: bool = False
    """Fitted muscle paths of the fast bodies: how far every length and moment arm is from the wrapped one, over all
    joint ranges. Fits them first if they do not come with the package (half a minute)."""
    json: bool = False
    """Print one JSON object on standard output instead of tables."""

    def run(self) -> int:
        """Print the tables."""
        from myotrack.workflow.tables import show_anatomy

        return show_anatomy(self)


@dataclass(frozen=True)
class RetargetCommand:
    """Turn recordings into clips of a body: a clip and a quality row per file. Clips that are there already are kept.

    Try `myotrack retarget walk.c3d --out clips`, or a folder with everything below it:
    `myotrack retarget recordings --body arms --out clips --jobs 8`.
    The exit status is 1 if a file could not be retargeted. A clip beyond the quality limits is made and called poor.
    A clip is made again if its recording, the .asf beside it, the body, an option, a file given here or the version of
    myotrack has changed. If that fails, the clip from before is renamed to '<name>.npz.old'.
    """

    files: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE_OR_FOLDER [...]")]
    """ASF/AMC, BVH, C3D, TRC, AMASS (.npz), OpenSim storages (.mot, .sto), each also as .gz. Folders are searched."""
    out: Path
    """Folder of the clips; it also gets 'quality.json', which tells of every file."""
    body: BodyName = "full"
    """Which body."""
    fingers: bool = False
    """With moving fingers and their muscles."""
    jobs: int = 0
    """How many files at once; 0 takes one per core."""
    markers: Path | None = None
    """Table (.csv) that says where markers sit: point, segment, forward, left, up [m], spread."""
    skeleton: Path | None = None
    """The .asf of .amc files that have none beside them."""
    model: Path | None = None
    """The body model of AMASS files."""
    up: Literal["x", "y", "z", "-x", "-y", "-z"] | None = None
    """The axis that points up in the files, where they do not say it or say it wrongly."""
    size: Literal["kept", "fitted"] = "kept"
    """'kept': the body stays as it is, and distances over the ground are scaled to it. 'fitted': the body gets the
    sizes of the subject, and every clip belongs to a body of its own."""
    mass: Annotated[float | None, tyro.conf.arg(metavar="KG")] = None
    """Mass of the subject of all these files, for --size fitted; else it is as recorded, or by volume."""
    plant: bool = True
    """Let feet stand on the floor without slipping, hovering or sinking, and limbs not pass through each other. With
    --no-plant a clip is plain inverse kinematics: joint angles are closest to the recording, but cannot be walked."""
    treadmill: bool = True
    """Turn walking on a belt (feet on the ground slide all alike) into walking over ground. With --no-treadmill the
    person stays in place, and feet may slide."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the solver works; 'cuda' pays for long motions only. Last digits differ."""
    mirrored: bool = False
    """Also make the mirror image of every clip, '<name>_mirrored'."""
    json: bool = False
    """Print one JSON object on standard output, the same as 'quality.json'."""
    force: bool = False
    """Make clips again that are there already."""

    def run(self) -> int:
        """Retarget and print."""
        from myotrack.workflow.retarget import retarget

        return retarget(self)


@dataclass(frozen=True)
class ClipsCommand:
    """List the clips of a folder, or the motions that come with myotrack: how good they are, and how they go.

    Try `myotrack clips --picture motions.png` for the built-in motions as stick figures and joint angles, then
    `myotrack clips DIR` for those of a folder. The exit status is 1 if a file is damaged.
    """

    folder: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")] = None
    """Folder of clips; without it, the built-in motions."""
    body: BodyName = "full"
    """Whose built-in motions."""
    picture: Path | None = None
    """Also draw the clips on a page (.png): stick figures, joint angles, stances."""
    json: bool = False
    """Print one JSON object on standard output."""

    def run(self) -> int:
        """Look and print."""
        from myotrack.workflow.clips import show_clips

        return show_clips(self)


@dataclass(frozen=True)
class SteerCommand:
    """Drive the muscles along motions, without learning: trials, a scorecard and a report with films.

    Try `myotrack steer reach --body arms --out runs/reach`, then a recording:
    `myotrack steer walk.c3d --out runs/walk`. With `--mode static` nothing is simulated: a recorded motion and its
    ground forces tell which muscles must have made it.
    The exit status is 1 if a body lost its motion before the end.
    """

    motions: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="CLIP_OR_RECORDING [...]")]
    """Built-in motions by name (`myotrack clips` lists them), clips (.npz), or recordings, which are retargeted."""
    out: Path
    """Folder of the run: experiment.json, trials/*.npz, scorecard.json, report.html."""
    body: SimulatedBody = "full"
    """Which body; ':paths' with fitted muscle paths, ':fast' on a minimal skeleton, too (docs/fast.md)."""
    fingers: bool = False
    """With moving fingers and their muscles."""
    mode: Literal["control", "static"] = "control"
    """'control': muscles move a simulated body along the motion. 'static': which muscles must have made the motion,
    frame by frame, without simulation; the full body needs ground forces."""
    effort: Literal["squared", "cubed", "volume", "metabolic"] = "squared"
    """What muscles are spared in --mode static."""
    support: bool = True
    """Hold the pelvis of the full body from outside; the report says how strongly. With --no-support it stands on its
    own feet."""
    reserve: Annotated[float, tyro.conf.arg(metavar="NM")] = 0.0
    """Largest moment per joint that may help from outside; it is reported."""
    lift: Annotated[float, tyro.conf.arg(metavar="M")] = 0.0
    """Let a supported body hang so far above its motion; 0.1 keeps its feet off the floor."""
    forces: Path | None = None
    """File of the ground forces that were recorded with the motion (.mot, .c3d), for --mode static."""
    emg: Path | None = None
    """File of the EMG that was recorded with the motion; the report shows it beside the activations."""
    start: Annotated[float | None, tyro.conf.arg(metavar="S")] = None
    """Only from this time on [s]."""
    end: Annotated[float | None, tyro.conf.arg(metavar="S")] = None
    """Only up to this time [s]."""
    video: bool = True
    """Draw films of the moving body; they take most of the time of short motions."""
    json: bool = False
    """Print one JSON object on standard output."""
    force: bool = False
    """Replace a run that is there already."""

    def run(self) -> int:
        """Steer and print."""
        from myotrack.workflow.steer import steer

        return steer(self)


@dataclass(frozen=True)
class DemoCommand:
    """The whole pipeline: a network learns to move arms by their muscles, is judged on motions it has never seen, and a
    page with films tells how well; a full body walks beside it, by muscle control alone.

    All motions come with myotrack. Takes about three minutes on two cores; then try recordings of your own with
    `myotrack retarget`, `myotrack train` and `myotrack steer`.
    """

    out: Path = Path("runs/demo")
    """Folder of the run; a demo that is there already is replaced."""
    video: bool = True
    """Draw films of the moving bodies."""
    json: bool = False
    """Print one JSON object on standard output."""

    def run(self) -> int:
        """Run and print."""
        from myotrack.workflow.demo import demo

        return demo(self)


@dataclass(frozen=True)
class ReportCommand:
    """Make the page of a run again from its saved trials, and judge them again."""

    run_folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    video: bool = True
    """Draw films of the moving bodies."""
    json: bool = False
    """Print one JSON object on standard output."""

    def run(self) -> int:
        """Make the page and print."""
        from myotrack.workflow.page import show_report

        return show_report(self)


@dataclass(frozen=True)
class BenchCommand:
    """Measure how many control steps per second this machine simulates; on a CPU beside a plain MuJoCo loop.

    Try `myotrack bench`, `myotrack bench --body arms --worlds 256`,
    or `myotrack bench --device cuda --worlds 1024 4096 16384 --json`.
    """

    body: SimulatedBody = "full"
    """Which body; ':paths' with fitted muscle paths, ':fast' on a minimal skeleton, too (docs/fast.md)."""
    fingers: bool = False
    """With moving fingers and their muscles."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Native threads on the CPU, or MuJoCo Warp on a GPU."""
    worlds: Annotated[tuple[int, ...], tyro.conf.arg(metavar="N [N ...]")] = (64,)
    """How many worlds at once; several numbers give one row each."""
    steps: int = 20
    """Control steps per measurement (10 ms each)."""
    rounds: int = 3
    """Measurements of each kind, taken in turn; the median is reported."""
    threads: int = 0
    """CPU threads; 0 takes one per core."""
    picture: Path | None = None
    """Also write a picture (.png) or a short film (.mp4) of one body whose muscles twitch at random."""
    dump: Path | None = None
    """Folder for the last states of worlds that left the numbers."""
    json: bool = False
    """Print one JSON object on standard output."""

    def run(self) -> int:
        """Measure and print."""
        from myotrack.workflow.bench import bench

        return bench(self)


@dataclass(frozen=True)
class ViewCommand:
    """Look at motions in a browser: play, slow down, go round, and click on a muscle to see what it does.

    Try `myotrack view walk`, then a run: `myotrack steer walk --out runs/walk` and `myotrack view runs/walk`. Several
    motions walk side by side. The page is answered to this machine alone, and needs no network.
    Needs `pip install 'myotrack[view]'`.

    `myotrack view runs/walk --video walk.mp4` writes a video instead, and needs neither browser nor viser: 1080 lines,
    the reference as a ghost (or `--beside`), muscles coloured by activation, and the forces of the ground.

    `myotrack view runs/walk --live` does not show what was recorded but lets the run's policy move the body now: push
    its pelvis or a hand with so many newtons, and see whether it keeps following its clip.
    """

    motions: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN_OR_CLIP [...]")]
    """Folders of runs, trials or clips (.npz), or names of built-in motions; one to four."""
    trial: str | None = None
    """Which trial of a run; its first if not given."""
    host: str = "127.0.0.1"
    """Who is answered; '0.0.0.0' is everybody who can reach this machine."""
    port: int = 8080
    """Of the page; the next free one is taken if it is in use."""
    browser: bool = True
    """Open the page."""
    video: Path | None = None
    """Write an MP4 of one motion instead of showing it in a browser."""
    height: int = 1080
    """Lines of the video; it is 16 / 9 as wide."""
    rate: Literal[30, 60] = 30
    """Images per second of the video."""
    beside: bool = False
    """Put the reference a metre aside in the video, instead of as a ghost where it should be."""
    patches: bool = True
    """Draw discs in the video where feet press the floor; the page has a switch for them."""
    live: bool = False
    """Let the policy of a run, or one that comes with myotrack, move the body now; the page has buttons to push it."""
    clips: Path | None = None
    """What the policy may follow with --live, a folder or a file; its own clips if not given."""

    def run(self) -> int:
        """Show until interrupted."""
        from myotrack.workflow.view import view

        return view(self)


@dataclass(frozen=True)
class DoctorCommand:
    """Say what works on this machine, and the command that mends what does not."""

    json: bool = False
    """Print one JSON object on standard output."""

    def run(self) -> int:
        """Examine and print."""
        from myotrack.workflow.doctor import doctor

        return doctor(json=self.json)


@dataclass(frozen=True)
class Myotrack:
    """Muscle-driven human bodies, simulated by the thousand.

    Start with `myotrack demo`, then bring a recording: `myotrack steer walk.c3d --out runs/walk`.
    """

    command: (
        Annotated[DemoCommand, tyro.conf.subcommand("demo")]
        | Annotated[AnatomyCommand, tyro.conf.subcommand("anatomy")]
        | Annotated[RetargetCommand, tyro.conf.subcommand("retarget")]
        | Annotated[ClipsCommand, tyro.conf.subcommand("clips")]
        | Annotated[SteerCommand, tyro.conf.subcommand("steer")]
        | Annotated[TrainCommand, tyro.conf.subcommand("train")]
        | Annotated[ValidateCommand, tyro.conf.subcommand("validate")]
        | Annotated[ViewCommand, tyro.conf.subcommand("view")]
        | Annotated[ReportCommand, tyro.conf.subcommand("report")]
        | Annotated[ExportCommand, tyro.conf.subcommand("export")]
        | Annotated[KeepCommand, tyro.conf.subcommand("keep")]
        | Annotated[BenchCommand, tyro.conf.subcommand("bench")]
        | Annotated[DoctorCommand, tyro.conf.subcommand("doctor")]
    ) = field()
    debug: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Show the traceback of every error as well; the environment variable MYOTRACK_DEBUG=1 does the same."""


def main(arguments: list[str] | None = None) -> None:
    """Run one command and leave with its exit status; bad input is one sentence and status 2.

    With `--debug`, before or after the command's name, the traceback comes before the sentence.
    """
    if sys.platform == "linux" and "DISPLAY" not in os.environ:
        # MuJoCo would try to open a window; it looks here when it is imported.
        os.environ.setdefault("MUJOCO_GL", "egl")
    config = (tyro.conf.OmitSubcommandPrefixes, tyro.conf.CascadeSubcommandArgs)
    choice = tyro.cli(Myotrack, args=arguments, prog="myotrack", config=config)
    if choice.debug:
        os.environ[DEBUG] = "1"  # Commands look here.
    remember(sys.argv[1:] if arguments is None else arguments)
    try:
        status = choice.command.run()
    except (ValueError, KeyError, OSError, RuntimeError, ModuleNotFoundError) as error:
        if debugging():
            traceback.print_exc()
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"myotrack: {message}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


if __name__ == "__main__":
    main()
