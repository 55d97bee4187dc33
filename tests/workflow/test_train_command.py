"""`myotrack train` and `validate`: a run's folder, going on, starting from another policy, and what is refused."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.clips.builtin import builtin
from myotrack.clips.store import save
from myotrack.simulate.physics import Physics
from myotrack.track.action import Correction, Direct, Synergy
from myotrack.track.env import TrackingEnv
from myotrack.track.task import Task
from myotrack.train import checkpoint
from myotrack.train.checkpoint import CheckpointError
from myotrack.train.clone import CloneSettings
from myotrack.train.imagine import ImagineSettings
from myotrack.train.log import LOG, read_log
from myotrack.train.networks import NetworkSettings
from myotrack.train.optimise import OptimiserSettings
from myotrack.train.policy import PolicySettings
from myotrack.train.ppo import PPO, PPOSettings
from myotrack.train.team import Team
from myotrack.train.trainer import CHECKPOINTS, LAST
from myotrack.validate.scorecard import Scorecard
from myotrack.workflow import learning, page
from myotrack.workflow.asked import chosen, distilling, fine_tuning, going_on
from myotrack.workflow.cli import main
from myotrack.workflow.cli_learn import TrainCommand
from myotrack.workflow.learning import LEARNT, STRANGE_BUILTIN, STRANGE_PERSON, clip_groups, lesson_of
from myotrack.workflow.policies import POLICY, open_policy, world_model
from myotrack.workflow.recipes import RECIPES, ClipChoice, Experiment, arms, finetune
from myotrack.workflow.run import EXPERIMENT, REPORT, SCORECARD, open_run
from myotrack.workflow.train import learn
from myotrack.workflow.validate import Examination, examine

SMALL = CloneSettings(first_steps=12, steps=8, updates=4, batch=32)


def experiment(**changes: object) -> Experiment:
    """Everything small: what is learnt does not matter here."""
    small = replace(
        arms(),
        clips=ClipChoice(builtin=("reach~0",), judged=("drink",)),
        policy=PolicySettings(network=NetworkSettings(width=16, blocks=1), std=0.1),
        clone=SMALL,
        worlds=4,
        minutes=None,
        steps=4 * (12 + 8),
    )
    return replace(small, **changes)


def quiet(*words: object) -> None:
    pass


@pytest.fixture(scope="module", autouse=True)
def short() -> Iterator[None]:
    """Half a second of every built-in motion."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "builtin", lambda name, anatomy: builtin(name, anatomy).part(0.5, 1.0))
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "small"
    outcome = learn(experiment(), folder, quiet, quiet)
    assert outcome.how == "finished"
    return folder


def status(*words: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(words))
    return int(left.value.code or 0)


def test_a_run_tells_what_it_learnt_and_how(run: Path, arms: Anatomy) -> None:
    about = json.loads((run / EXPERIMENT).read_text())
    assert about["body_hash"] == arms.hash
    assert about["clips"] == {"learnt": ["reach~0"], "judged": {STRANGE_BUILTIN: ["drink"]}}
    assert "0.30 m" in about["termination"]
    assert sum(size for _, _, size in about["observation"]) == 211
    [row] = read_log(run / LOG)
    assert row["steps_total"] == 80
    assert {"score", "loss", "landmark_error", "failed", "time_teacher"} <= row.keys()
    stored = open_policy(run)
    assert stored.experiment == experiment()
    assert stored.clips == ("reach~0",)
    assert stored.network(arms).mean(torch.zeros(2, 211)).shape == (2, arms.model.nu)


def test_a_checkpoint_is_a_policy_too(run: Path, arms: Anatomy) -> None:
    last = open_policy(run / "checkpoints" / "last.safetensors").network(arms)
    for one, other in zip(last.parameters(), open_policy(run).network(arms).parameters(), strict=True):
        assert torch.equal(one, other)


def test_going_on_equals_not_having_stopped(run: Path, tmp_path: Path, arms: Anatomy) -> None:
    longer = experiment(steps=80 + 3 * 32)
    learn(longer, tmp_path / "whole", quiet, quiet)
    learn(experiment(), tmp_path / "parts", quiet, quiet)
    assert learn(longer, tmp_path / "parts", quiet, quiet, resume=True).steps == 80 + 3 * 32
    whole, parts = (open_policy(tmp_path / name).tensors for name in ("whole", "parts"))
    for name, value in whole.items():
        assert torch.equal(value, parts[name]), name
    assert not torch.equal(whole["network.last.weight"], open_policy(run).tensors["network.last.weight"])


def test_trial_and_error_follows_cloning(tmp_path: Path) -> None:
    ppo = PPOSettings(steps=4, epochs=1, minibatches=1, anchor=1.0, anchor_rows=8, learn_scale=False)
    both = experiment(ppo=ppo, steps=2 * 80, clone_share=0.5)
    learn(both, tmp_path / "both", quiet, quiet)
    stages = [row["stage"] for row in read_log(tmp_path / "both" / LOG)]
    assert stages == ["clone"] + ["ppo"] * 5
    alone = experiment(ppo=replace(ppo, anchor=0.0), clone=None)
    learn(alone, tmp_path / "alone", quiet, quiet)
    assert {row["stage"] for row in read_log(tmp_path / "alone" / LOG)} == {"ppo"}


def test_a_policy_is_judged_on_what_it_learnt_and_on_what_it_did_not(run: Path) -> None:
    found = examine(run, None, Examination(), False, quiet)
    assert [(trial.name, trial.group, trial.kind) for trial, _ in found.trials] == [
        ("reach~0", LEARNT, "policy"),
        ("drink", STRANGE_BUILTIN, "policy"),
    ]
    again = open_run(run)
    assert [trial.name for trial, _ in again.trials] == ["reach~0", "drink"]
    card = Scorecard.of(again.trials)
    assert {summary.group for summary in card.summaries} == {LEARNT, STRANGE_BUILTIN}
    text = (run / REPORT).read_text()
    assert "How it was learnt" not in text  # One row is no curve.
    assert STRANGE_BUILTIN in text
    # Once more: the trials from before are gone, their successors are named.
    examine(run, None, Examination(), False, quiet)
    assert len(list((run / "trials").iterdir())) == 2


def test_a_page_that_cannot_be_written_leaves_the_one_before(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examine(run, None, Examination(), False, quiet)
    before = (run / REPORT).read_text()

    def full(path: Path, text: str) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(page, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        examine(run, None, Examination(), False, quiet)
    assert (run / REPORT).read_text() == before
    assert (run / SCORECARD).exists()
    assert len(open_run(run).trials) == 2


def test_fine_tuning_begins_with_what_the_policy_knows(run: Path, tmp_path: Path, arms: Anatomy) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    save(replace(builtin("wave", arms).part(1.0, 1.5), name="mine"), clips / "mine.npz", arms)
    choice = replace(fine_tuning(finetune(), run, clips), clone=SMALL, worlds=4, minutes=None, steps=20)
    assert choice.policy == experiment().policy
    assert choice.clips.builtin == ("reach~0",)
    learn(choice, tmp_path / "tuned", quiet, quiet)
    first, second = open_policy(run), open_policy(tmp_path / "tuned")
    assert second.clips == ("reach~0", "mine")
    # The scales of the observation stay; the weights begin with the old ones and have moved a little.
    assert torch.equal(first.tensors["normaliser.mean"], second.tensors["normaliser.mean"])
    apart = (first.tensors["network.first.weight"] - second.tensors["network.first.weight"]).abs().max()
    assert 0 < float(apart) < 0.05


def test_fine_tuning_rehearses_the_recordings_that_the_policy_knew(
    tmp_path: Path, arms: Anatomy, capsys: pytest.CaptureFixture[str]
) -> None:
    part = builtin("wave", arms).part(1.0, 1.5)
    for folder, names in (("old", ("a", "b", "c")), ("new", ("mine", "b"))):
        (tmp_path / folder).mkdir()
        for name in names:
            save(replace(part, name=name, subject=name), tmp_path / folder / f"{name}.npz", arms)
    choice = ClipChoice(builtin=("reach~0",), judged=("drink",), folder=tmp_path / "old", test_share=0.3)
    learn(experiment(clips=choice), tmp_path / "first", quiet, quiet)
    knew = set(open_policy(tmp_path / "first").clips) - {"reach~0"}
    assert len(knew) == 2
    clips = fine_tuning(finetune(), tmp_path / "first", tmp_path / "new").clips
    assert set(clips.rehearsed) == knew and clips.rehearsed_from == (tmp_path / "old",)
    groups = clip_groups(clips, arms, quiet)
    # What is learnt anew is not rehearsed as well, and who was kept for judging is not learnt.
    assert {clip.name for clip in groups.learnt} == {"reach~0", "mine", "b"} | knew
    weight = dict(zip((clip.name for clip in groups.learnt), groups.weight, strict=True))
    frames = {clip.name: clip.frames for clip in groups.learnt}
    new = sum(weight[name] * frames[name] for name in ("mine", "b"))
    assert new == pytest.approx(0.5) and sum(weight[name] * frames[name] for name in frames) == pytest.approx(1.0)
    (tmp_path / "old").rename(tmp_path / "elsewhere")
    assert fine_tuning(finetune(), tmp_path / "first", tmp_path / "new").clips.rehearsed_from == ()
    assert "are not here any more; they may be forgotten" in capsys.readouterr().err


def test_what_is_learnt_on_the_fast_body_is_judged_on_the_original(tmp_path: Path, arms: Anatomy) -> None:
    learn(experiment(level="fast"), tmp_path / "fast", quiet, quiet)
    assert open_policy(tmp_path / "fast").body_hash == arms.hash
    judges = {
        level: examine(tmp_path / "fast", None, Examination(level=level), False, quiet).trials[0][0].settings["backend"]
        for level in ("original", "fast")
    }
    assert judges == {"original": "Threads on cpu", "fast": "Threads on cpu, arms:fast"}


def test_learning_may_finish_on_the_original_and_be_stopped_there(tmp_path: Path) -> None:
    first, later = 4 * (12 + 8), 4 * 8

    def of(rounds: int) -> Experiment:
        steps = first + rounds * later
        return experiment(level="fast", steps=steps, finish=rounds * later / steps)

    learn(of(3), tmp_path / "whole", quiet, quiet)
    stages = [row["stage"] for row in read_log(tmp_path / "whole" / LOG)]
    assert stages == ["clone"] + ["clone on the original"] * 3
    assert read_log(tmp_path / "whole" / LOG)[-1]["rows"] == first + 3 * later
    learn(of(1), tmp_path / "parts", quiet, quiet)
    assert read_log(tmp_path / "parts" / LOG)[-1]["stage"] == "clone on the original"
    learn(of(3), tmp_path / "parts", quiet, quiet, resume=True)
    whole, parts = (open_policy(tmp_path / name).tensors for name in ("whole", "parts"))
    for name, value in whole.items():
        assert torch.equal(value, parts[name]), name


def test_trial_and_error_may_finish_on_the_original(tmp_path: Path) -> None:
    ppo = PPOSettings(steps=4, epochs=1, minibatches=1, anchor=1.0, anchor_rows=8, learn_scale=False)
    learn(experiment(level="fast", ppo=ppo, steps=2 * 80, clone_share=0.5, finish=0.5), tmp_path / "a", quiet, quiet)
    stages = [row["stage"] for row in read_log(tmp_path / "a" / LOG)]
    assert stages == ["clone"] + ["ppo on the original"] * 5
    alone = experiment(level="fast", ppo=replace(ppo, anchor=0.0), clone=None, finish=0.4)
    learn(alone, tmp_path / "b", quiet, quiet)
    stages = [row["stage"] for row in read_log(tmp_path / "b" / LOG)]
    # The first round also looks at the worlds for a round, to know what numbers an observation is made of.
    assert stages == ["ppo"] * 2 + ["ppo on the original"] * 2


def test_fewer_physics_steps_are_for_learning_alone() -> None:
    ppo = PPOSettings(steps=4, epochs=1, minibatches=1)
    lesson = lesson_of(experiment(level="fast", clone=None, ppo=ppo, finish=0.5, substeps=2), quiet)
    physics = [stage.env.simulator.physics for stage in lesson.stages if isinstance(stage, PPO)]
    # The control interval stays, and the body that ends it is the original in the steps of judging.
    assert [each.substeps for each in physics] == [2, Physics().substeps]
    assert [each.interval for each in physics] == pytest.approx([0.01, 0.01])
    assert chosen(TrainCommand("walk", Path("nowhere"), substeps=4)).substeps == 4
    assert chosen(TrainCommand("arms", Path("nowhere"))).substeps == Physics().substeps
    with pytest.raises(ValueError, match="1 to 100 physics steps; got 0"):
        experiment(substeps=0)


def test_several_seeds_are_trained_and_judged_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(RECIPES, "arms", experiment)
    out = tmp_path / "two"
    assert status("train", "arms", "--out", str(out), "--seeds", "2", "--seed", "5", "--steps", "80", "--json") == 0
    told = json.loads(capsys.readouterr().out)["runs"]
    assert [Path(run["out"]).name for run in told] == ["seed-5", "seed-6"]
    first, second = (open_policy(out / f"seed-{seed}") for seed in (5, 6))
    assert not torch.equal(first.tensors["network.first.weight"], second.tensors["network.first.weight"])
    status("validate", str(out), "--no-video", "--json")
    found = json.loads(capsys.readouterr().out)
    assert {(row["trial"], row["seed"]) for row in found["rows"]} >= {("drink", "5"), ("drink", "6")}
    [kept] = [row for row in found["summaries"] if row["metric"] == "landmark_error_mean" and row["seed"] == "all"
              and row["group"] == STRANGE_BUILTIN]  # fmt: skip
    assert kept["seeds"]["count"] == 2
    assert len(found["report"]) == 2 and all(Path(report).exists() for report in found["report"])
    # Runs of different recipes are not averaged.
    learn(experiment(worlds=8, seed=7), out / "seed-7", quiet, quiet)
    assert status("validate", str(out), "--no-video") == 2
    assert "its runs differ by more than their seeds" in capsys.readouterr().err


def test_recorded_persons_are_learnt_or_judged_never_both(tmp_path: Path, arms: Anatomy) -> None:
    reach = builtin("reach", arms).part(0.5, 1.0)
    for person in ("a", "b", "c"):
        for number in (1, 2):
            save(replace(reach, name=f"{person}{number}", subject=person), tmp_path / f"{person}{number}.npz", arms)
    groups = clip_groups(ClipChoice(builtin=(), judged=(), folder=tmp_path, test_share=0.3), arms, quiet)
    learnt, judged = {clip.name for clip in groups.learnt}, {clip.name for clip in groups.judged[STRANGE_PERSON]}
    assert learnt | judged == {"a1", "a2", "b1", "b2", "c1", "c2"}
    assert not {name[0] for name in learnt} & {name[0] for name in judged}
    with pytest.raises(ValueError, match="There is no motion to learn"):
        clip_groups(ClipChoice(builtin=(), judged=("reach",)), arms, quiet)


def test_a_policy_of_another_body_is_refused(run: Path, tmp_path: Path, arms: Anatomy) -> None:
    tensors, about = checkpoint.load(run / POLICY)
    other = tmp_path / POLICY
    checkpoint.save(other, tensors, about | {"body_hash": "0123456789abcdef"})
    with pytest.raises(
        CheckpointError, match=f"made for another version of the body 'arms' \\(0123456789abcdef, now {arms.hash}"
    ):
        open_policy(other).network(arms)
    checkpoint.save(other, {name: value for name, value in tensors.items() if name != "log_std"}, about)
    with pytest.raises(CheckpointError, match="these weights do not fit the network"):
        open_policy(other).network(arms)
    about["experiment"]["worlds"] = "many"
    checkpoint.save(other, tensors, about)
    with pytest.raises(CheckpointError, match="worlds is 'many', and should be of the type int"):
        open_policy(other)


def test_what_cannot_be_learnt_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Muscle control cannot teach the full body"):
        learn(experiment(body="full"), tmp_path / "a", quiet, quiet)
    with pytest.raises(ValueError, match="its action is `Direct`"):
        learn(experiment(task=Task(action=Correction())), tmp_path / "b", quiet, quiet)
    with pytest.raises(ValueError, match="There is nothing to learn by"):
        experiment(clone=None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("train", "arms", "--out", "{tmp}", "--resume"), "there is no training to go on with"),
        (("train", "finetune", "--out", "{tmp}"), "Fine-tuning needs a policy to begin with"),
        (("train", "arms", "--begin", "{run}", "--out", "{tmp}"), "--begin is for recipes of trial and error"),
        (("train", "refine", "--out", "{tmp}"), "There is nothing to refine"),
        (("train", "refine", "--begin", "{run}", "--out", "{tmp}"), "this policy moves the body 'arms'"),
        (("train", "arms", "--out", "{run}", "--clips", "{run}"), "there is a run already"),
        (("train", "arms", "--out", "{tmp}", "--clips", "{tmp}"), "there are no clips here"),
        (("train", "arms", "--out", "{run}", "--seeds", "2"), "there is a run already"),
        (("train", "arms", "--out", "{tmp}", "--seeds", "0"), "--seeds is how many policies to train"),
        (("train", "arms", "--out", "{tmp}", "--finish", "0.2"), "may finish on the original body"),
        (("validate", "{tmp}"), "there is no run here"),
    ],
)
def test_bad_choices_get_one_sentence_and_status_2(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    assert status(*(word.format(run=run, tmp=tmp_path) for word in words)) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("myotrack: ")
    assert sentence in said
    assert "\n" not in said


def test_validate_prints_one_json_object(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = status("validate", str(run), "--no-video", "--json")
    told = json.loads(capsys.readouterr().out)
    assert {"rows", "summaries", "conditions", "report"} <= told.keys()
    # A network of a few updates loses its motion or keeps it; the status says which.
    kept = [row["value"] for row in told["rows"] if row["metric"] == "success_published" and row["trial"] == "drink"]
    assert code == (0 if kept == [100.0] else 1)


def test_what_is_trained_can_be_exported(
    run: Path, tmp_path: Path, arms: Anatomy, capsys: pytest.CaptureFixture[str]
) -> None:
    import onnxruntime

    path = tmp_path / "policy.onnx"
    assert status("export", str(run), "--out", str(path)) == 0
    assert re.search(r"differs from torch by at most", capsys.readouterr().out)
    session = onnxruntime.InferenceSession(path)
    about = session.get_modelmeta().custom_metadata_map
    assert about["body_hash"] == arms.hash
    assert json.loads(about["muscles"]) == list(arms.muscle_names)
    observation = torch.randn(3, 211)
    [command] = session.run(None, {"observation": observation.numpy()})
    wanted = torch.sigmoid(open_policy(run).network(arms).mean(observation) + torch.logit(torch.tensor(0.02)))
    torch.testing.assert_close(torch.from_numpy(command), wanted.detach(), atol=1e-4, rtol=1e-3)


def test_a_walk_is_learnt_on_feet_and_distilled_into_excitations(tmp_path: Path) -> None:
    small = PolicySettings(network=NetworkSettings(width=16, blocks=1), std=0.3, symmetric=True)
    steps = replace(RECIPES["walk-ppo"]().ppo or PPOSettings(), steps=4, minibatches=2)
    begun = replace(RECIPES["walk-ppo"](), policy=small, ppo=steps, worlds=4, minutes=None, steps=16)
    assert learn(begun, tmp_path / "walk", quiet, quiet).how == "finished"
    stored = open_policy(tmp_path / "walk")
    assert isinstance(stored.experiment.task.action, Synergy)
    assert stored.experiment.level == "fast"
    row = read_log(tmp_path / "walk" / LOG)[-1]
    assert 0 < row["activation"] < 1

    pupil = distilling(RECIPES["distil"](), tmp_path / "walk", None)
    pupil = replace(pupil, clone=SMALL, worlds=4, minutes=None, steps=4 * (12 + 8), policy=small)
    assert learn(pupil, tmp_path / "muscles", quiet, quiet).how == "finished"
    stored = open_policy(tmp_path / "muscles")
    assert isinstance(stored.experiment.task.action, Direct)
    assert stored.experiment.task.hold == 1
    # It stands by itself: what it learnt from is needed no more.
    (tmp_path / "walk" / POLICY).unlink()
    run = examine(tmp_path / "muscles", None, Examination(level="fast"), False, quiet)
    assert [trial.name for trial, _ in run.trials] == ["walk"]


def test_a_policy_of_feet_goes_on_with_other_pay_and_other_clips(
    tmp_path: Path, full: Anatomy, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = PolicySettings(network=NetworkSettings(width=16, blocks=1), std=0.3, symmetric=True)
    steps = replace(RECIPES["walk-ppo"]().ppo or PPOSettings(), steps=4, minibatches=2)
    begun = replace(RECIPES["walk-ppo"](), policy=small, ppo=steps, worlds=4, minutes=None, steps=16)
    learn(begun, tmp_path / "walk", quiet, quiet)
    first = open_policy(tmp_path / "walk")

    refined = going_on(RECIPES["refine"](), tmp_path / "walk", None)
    assert refined.task.action == begun.task.action
    assert refined.task.reward == RECIPES["refine"]().task.reward != begun.task.reward
    assert refined.clips == begun.clips
    assert (refined.policy.network, refined.policy.std) == (small.network, RECIPES["refine"]().policy.highest_std)
    steps = replace(refined.ppo or PPOSettings(), steps=4, minibatches=2, warm_up=1)
    assert (
        learn(replace(refined, ppo=steps, worlds=4, minutes=None, steps=16), tmp_path / "r", quiet, quiet).steps == 16
    )
    # Only the critic has learnt, and the spread obeys its bound where actions are drawn.
    second = open_policy(tmp_path / "r")
    assert all(torch.equal(first.tensors[name], second.tensors[name]) for name in first.tensors if "network" in name)

    # It sees feet and landmarks, which nobody imagines.
    assert RECIPES["generalist"]().ppo is None
    many = going_on(RECIPES["generalist"](), tmp_path / "walk", None)
    assert many.imagine is None and many.ppo is not None
    many = replace(many, clips=ClipChoice(("walk", "walk_slow"), (), test_share=0.0), ppo=steps, worlds=4)
    assert learn(replace(many, minutes=None, steps=16), tmp_path / "many", quiet, quiet).how == "finished"
    assert read_log(tmp_path / "many" / LOG)[-1]["clips_learnt"] == 1
    # What is easy is known then, and not asked again.
    monkeypatch.setattr(TrackingEnv, "ease", None)
    assert learn(replace(many, minutes=None, steps=32), tmp_path / "many", quiet, quiet, resume=True).steps == 32

    with pytest.raises(ValueError, match="recipes of trial and error or imagination alone"):
        going_on(RECIPES["arms-ppo"](), tmp_path / "walk", None)

    save(builtin("walk_slow", full).part(0.5, 1.0), tmp_path / "slow.npz", full)
    words = ("--begin", str(tmp_path / "walk"), "--clips", str(tmp_path / "slow.npz"), "--worlds", "4", "--steps", "48")
    assert status("train", "finetune", *words, "--out", str(tmp_path / "tuned")) == 0
    tuned = open_policy(tmp_path / "tuned")
    # Trial and error by the first policy's task, in new clips and old ones.
    assert tuned.experiment.clone is None and tuned.experiment.ppo is not None
    assert tuned.experiment.task == begun.task
    assert (tuned.experiment.level, tuned.experiment.substeps) == (begun.level, begun.substeps)
    assert tuned.clips == ("walk", "walk_slow")


def test_one_person_alone_is_learnt_or_kept(tmp_path: Path) -> None:
    clip = replace(builtin("reach", Anatomy.load("arms")).part(0.5, 1.0), name="mine", subject="somebody")
    save(clip, tmp_path / "mine.npz")
    with pytest.raises(ValueError, match=r"two persons, and there are 1\. To keep nobody for judging: --test-share 0"):
        clip_groups(ClipChoice((), (), tmp_path), Anatomy.load("arms"), quiet)
    alone = clip_groups(ClipChoice((), (), tmp_path, test_share=0.0, clip_share=0.5), Anatomy.load("arms"), quiet)
    assert [clip.name for clip in alone.learnt] == ["mine"]
    assert alone.judged == {}


def test_a_generalist_has_the_body_of_its_clips(tmp_path: Path, arms: Anatomy) -> None:
    clip = builtin("reach", arms).part(0.5, 1.0)
    save(replace(clip, name="mine", subject="somebody"), tmp_path / "mine.npz")
    learnt = chosen(TrainCommand("generalist", tmp_path / "run", clips=tmp_path))
    assert (learnt.body, learnt.level) == ("arms", "original")
    assert learnt.clone is not None and learnt.clips.folder == tmp_path
    assert RECIPES["generalist"]().body == "full"
    # On feet, it finishes on the original, unless it is there all the time or is told otherwise.
    many = chosen(TrainCommand("locomotion", tmp_path / "run", clips=tmp_path))
    assert [(part.level, part.share) for part in many.parts] == [("fast", 0.8), ("original", 0.2)]
    assert chosen(TrainCommand("locomotion", tmp_path / "run", clips=tmp_path, finish=0.0)).finish == 0.0
    whole = chosen(TrainCommand("locomotion", tmp_path / "run", clips=tmp_path, level="original"))
    assert [part.level for part in whole.parts] == ["original"]


def test_a_walk_is_learnt_in_imagination_and_gone_on_with(tmp_path: Path, capsys) -> None:
    small = PolicySettings(network=NetworkSettings(width=16, blocks=1), std=0.2, symmetric=True)
    short = ImagineSettings(
        steps=4, first=4, memory=16, network=NetworkSettings(width=16, blocks=1), model_rows=8, model_steps=2,
        model_updates=1, warm_up=2, policy_rows=4, policy_steps=2, policy_updates=1,
    )  # fmt: skip
    begun = replace(RECIPES["walk"](), policy=small, imagine=short, ppo=None, worlds=4, minutes=None, steps=48)
    assert learn(begun, tmp_path / "whole", quiet, quiet).how == "finished"
    half = replace(begun, steps=32)
    learn(half, tmp_path / "run", quiet, quiet)
    learn(begun, tmp_path / "run", quiet, quiet, resume=True)
    whole, run = (open_policy(tmp_path / name) for name in ("whole", "run"))
    for name, value in whole.tensors.items():
        assert torch.equal(run.tensors[name], value), name
    row = read_log(tmp_path / "run" / LOG)[-1]
    assert row["stage"] == "imagine" and row["imagined"] > 0 and row["model_joint_rates_last"] > 0
    # Trial and error may come after it, and goes on from there.
    tried = PPOSettings(steps=4, minibatches=2)
    both = replace(begun, ppo=tried, clone_share=0.5, steps=96)
    learn(both, tmp_path / "both", quiet, quiet)
    stages = [row["stage"] for row in read_log(tmp_path / "both" / LOG)]
    assert stages == sorted(stages) and set(stages) == {"imagine", "ppo"}
    # What follows is imagined, too, and begins with what is known: the policy, and the model of the body.
    on = going_on(RECIPES["locomotion"](), tmp_path / "run", None)
    assert on.ppo is None and on.imagine == RECIPES["locomotion"]().imagine
    assert on.policy.network == small.network and on.clips == begun.clips
    still = replace(short, model=OptimiserSettings(rate=1e-9), policy=OptimiserSettings(rate=1e-9))
    learn(replace(on, imagine=still, worlds=4, minutes=None, steps=16), tmp_path / "on", quiet, quiet)
    for name, value in open_policy(tmp_path / "on").tensors.items():
        if name.startswith("network"):
            torch.testing.assert_close(run.tensors[name], value, atol=1e-6, rtol=0)
    models = world_model(run.path), world_model(tmp_path / "on" / POLICY)
    assert models[0] is not None and models[1] is not None
    weights = [name for name in models[0] if name.startswith("model.network")]
    assert weights
    for name in weights:
        torch.testing.assert_close(models[0][name], models[1][name], atol=1e-6, rtol=0)
    # A model of another size is refused in one sentence.
    wide = replace(short, network=NetworkSettings(width=24, blocks=1))
    with pytest.raises(CheckpointError, match="model of the body that was learnt with this policy does not fit"):
        learn(replace(on, imagine=wide, worlds=4, minutes=None, steps=16), tmp_path / "no", quiet, quiet)
    # New clips are imagined with it, too; without it, they are learnt by trial and error.
    save(builtin("walk_slow", Anatomy.load("full")).part(0.0, 0.5), tmp_path / "new.npz")
    tuned = fine_tuning(finetune("full"), tmp_path / "run", tmp_path / "new.npz")
    assert tuned.imagine is not None and tuned.ppo is None
    (tmp_path / "run" / CHECKPOINTS / LAST).unlink()
    tuned = fine_tuning(finetune("full"), tmp_path / "run", tmp_path / "new.npz")
    assert tuned.imagine is None and tuned.ppo is not None
    assert "not in imagination: there is no model" in " ".join(capsys.readouterr().err.split())
    assert going_on(RECIPES["locomotion"](), tmp_path / "run", None).imagine is not None
    assert "until one is learnt motions are lost" in " ".join(capsys.readouterr().err.split())
    # It is judged like any other.
    run = examine(tmp_path / "run", None, Examination(level="fast"), False, quiet)
    assert [trial.name for trial, _ in run.trials] == ["walk"]


def test_what_is_cloned_is_not_imagined() -> None:
    with pytest.raises(ValueError, match="not learnt in imagination, too"):
        replace(RECIPES["walk"](), clone=SMALL)


def test_only_a_policy_that_asks_muscles_for_moments_is_distilled(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to distil"):
        distilling(RECIPES["distil"](), None, None)
    small = PolicySettings(network=NetworkSettings(width=16, blocks=1), std=0.3)
    steps = PPOSettings(steps=4, minibatches=2)
    torque = replace(RECIPES["walk-torque"](), imagine=None)
    begun = replace(torque, policy=small, ppo=steps, worlds=2, minutes=None, steps=8)
    learn(begun, tmp_path / "torque", quiet, quiet)
    assert read_log(tmp_path / "torque" / LOG)[-1]["activation"] < 0.2
    with pytest.raises(ValueError, match="moves joints without muscles"):
        distilling(RECIPES["distil"](), tmp_path / "torque", None)


def test_several_processes_cannot_clone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Cloning is done by one process"):
        learn(experiment(), tmp_path / "run", quiet, quiet, team=_Pair())


class _Pair(Team):
    """Two of whom one is not there."""

    def __init__(self) -> None:
        super().__init__(0, 2)

    def any(self, flag: bool) -> bool:
        return flag
