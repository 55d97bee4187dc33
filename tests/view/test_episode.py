"""An episode is what a roll-out is, and a push adds its impulse."""

import numpy as np
import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.clips.builtin import builtin
from myotrack.clips.library import ClipLibrary
from myotrack.simulate.threads import Threads
from myotrack.track.terminate import Rule
from myotrack.validate.rollout import roll_out
from myotrack.view.episode import Episode


class Even:
    """Tells all muscles the same."""

    def __init__(self, anatomy: Anatomy) -> None:
        self.muscles, self.begun = anatomy.model.nu, 0

    def reset(self, body, clip, frame) -> None:
        self.begun += 1

    def __call__(self, body, clip, frame):
        return torch.full((len(clip), self.muscles), 0.1)


@pytest.fixture(scope="module")
def library(full: Anatomy) -> ClipLibrary:
    return ClipLibrary.of([builtin("walk", full)], full)


@pytest.fixture(scope="module")
def episode(full: Anatomy, library: ClipLibrary) -> Episode:
    return Episode(Threads(full, 1), library, Even(full), torch.zeros(1, full.model.nu))


def test_without_a_push_it_is_the_trial_of_a_rollout(full: Anatomy, library: ClipLibrary, episode: Episode) -> None:
    (trial,) = roll_out(Threads(full, 1), library, Even(full))
    assert trial.ended  # A body without control falls.
    episode.restart()
    for frame in range(trial.frames):
        now = episode.now
        assert now.frame == frame and now.lost is None
        torch.testing.assert_close(episode._simulator.body.coordinate_pos[0].float(), trial.pos[frame].float())
        np.testing.assert_allclose(now.activation, trial.activation[frame].numpy(), atol=1e-6)
        ghost = full.couplings.qpos(trial.reference_pos[frame].double()).numpy()
        np.testing.assert_allclose(now.ghost, ghost, atol=1e-5)
        episode.step()
    # The trial ended where the rule was violated; the episode says so, and goes on.
    assert episode.now.lost == pytest.approx(trial.frames * episode.interval)
    assert not episode.now.over and episode.step().frame == trial.frames + 1


def test_a_push_adds_its_impulse_and_ends(full: Anatomy, episode: Episode) -> None:
    def centre_of_mass_speed(push: bool) -> tuple[np.ndarray, list[bool]]:
        episode.restart()
        assert episode.now.push is None
        if push:
            # Straight up, so that the floor has no part in it once the feet are off.
            episode.push("pelvis", np.array([0.0, 3000.0, 3000.0]), seconds=0.05)
        pushed = [episode.step().push is not None for _ in range(10)]
        return episode._simulator.body.com_vel_w[0].numpy().astype(float), pushed

    (still, nobody), (moved, somebody) = centre_of_mass_speed(False), centre_of_mass_speed(True)
    assert not any(nobody) and somebody == [True] * 4 + [False] * 6
    mass = float(full.model.body_mass.sum())
    # 150 N s; the floor's friction takes some of it.
    gained = mass * (moved - still)
    assert 75.0 < gained[1] < 160.0 and gained[2] > 30.0 and abs(gained[0]) < 40.0


def test_restarting_gives_the_same_motion_again_and_forgets_the_push(episode: Episode) -> None:
    episode.restart()
    first = [episode.step().qpos for _ in range(5)]
    episode.push("head", np.array([500.0, 0.0, 0.0]), seconds=1.0)
    episode.step()
    episode.restart()
    assert episode.now.frame == 0 and episode.now.lost is None
    np.testing.assert_array_equal([episode.step().qpos for _ in range(5)], first)


def test_a_stricter_rule_loses_the_body_earlier(full: Anatomy, library: ClipLibrary) -> None:
    strict = Episode(
        Threads(full, 1), library, Even(full), torch.zeros(1, full.model.nu), Rule(landmark=0.02, root=0.02)
    )
    for _ in range(40):
        strict.step()
    assert strict.now.lost is not None and 0 < strict.now.lost < 0.4
    assert strict.now.landmark > 0.02 or strict.now.root > 0.02


def test_what_cannot_be_is_refused(full: Anatomy, arms: Anatomy, library: ClipLibrary, episode: Episode) -> None:
    with pytest.raises(ValueError, match="A push takes time; got 0"):
        episode.push("pelvis", np.zeros(3), seconds=0.0)
    with pytest.raises(ValueError, match="A push has a force"):
        episode.push("pelvis", np.zeros(3), seconds=0.1)
    with pytest.raises(KeyError, match="no segment 'belly'; there are Full Body, sacrum"):
        episode.push("belly", np.ones(3), seconds=0.1)
    with pytest.raises(ValueError, match="one world; got a simulator of 2"):
        Episode(Threads(full, 2), library, Even(full), torch.zeros(1, full.model.nu))
    with pytest.raises(ValueError, match="another body than the simulator's"):
        Episode(Threads(arms, 1), library, Even(arms), torch.zeros(1, arms.model.nu))
