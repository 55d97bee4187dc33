"""Fitted muscle paths: as MuJoCo wraps them, with arms that are their derivatives, in files that can be trusted."""

from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest
import torch

from myotrack.anatomy import levels
from myotrack.anatomy.fitted import FittedPaths, PathsError, load_paths, save_paths
from myotrack.anatomy.levels import parsed, paths_of, shipped_file
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.pathfit import BEYOND, PathErrors, fit_paths
from myotrack.anatomy.paths import lengths_and_arms, random_postures
from myotrack.anatomy.pieces import groups_of

JUMPING = ("SUP", "TMAJ", "DELT", "BIClong", "TRIlong", "LAT", "PECM", "SUPSP", "rect_abd", "EO", "IO", "gaslat")
"""Muscles whose wrapped paths jump somewhere between their joint limits (docs/fast.md)."""


@pytest.fixture(scope="module")
def bodies(full: Anatomy, arms: Anatomy) -> dict[str, Anatomy]:
    return {"full": full, "arms": arms}


@pytest.mark.parametrize("name", ["full", "arms"])
def test_fitted_paths_agree_with_wrapped_ones(bodies: dict[str, Anatomy], name: str) -> None:
    anatomy = bodies[name]
    errors = PathErrors.over(paths_of(anatomy), anatomy, random_postures(anatomy, 250, seed=11))
    smooth = torch.tensor([not muscle.name.startswith(JUMPING) for muscle in anatomy.muscles])
    level = torch.tensor([0.5, 0.95], dtype=torch.float64)
    length, arm = (torch.quantile(values[smooth], level).tolist() for values in (errors.length, errors.arm))
    assert length[0] < 1e-4 and length[1] < 1e-3
    assert arm[0] < 5e-4 and arm[1] < 3e-3
    # Even over a jump the smooth path stays between the two sides.
    assert errors.length.max() < 5e-3


@pytest.mark.parametrize("name", ["full", "arms"])
def test_moment_arms_are_the_derivatives_of_lengths(bodies: dict[str, Anatomy], name: str) -> None:
    anatomy = bodies[name]
    paths, skip = paths_of(anatomy), 1 if anatomy.free else 0
    z = random_postures(anatomy, 3, seed=5)
    arm = paths.lengths_and_arms(z)[1]
    for coordinate in range(6 if anatomy.free else 0, anatomy.couplings.coordinate_size):
        step = torch.zeros_like(z)
        step[:, coordinate + skip] = 1e-5
        slope = (paths.lengths_and_arms(z + step)[0] - paths.lengths_and_arms(z - step)[0]) / 2e-5
        torch.testing.assert_close(-slope, arm[..., coordinate], atol=1e-8, rtol=0)
    assert not arm[..., : 6 if anatomy.free else 0].any()


def test_mirrored_postures_have_mirrored_lengths(full: Anatomy) -> None:
    z = random_postures(full, 50, seed=7)
    paths = paths_of(full)
    there, here = paths.lengths_and_arms(full.mirror.z(z))[0], full.mirror.muscle(paths.lengths_and_arms(z)[0])
    # Path points of the two sides differ in their last digits, and jumping paths were fitted on each side by itself.
    assert (there - here).abs().median() < 2e-5
    assert (there - here).abs().max() < 5e-3


def test_beyond_the_joint_limits_paths_go_on_and_then_stand_still(arms: Anatomy) -> None:
    paths, place = paths_of(arms), arms.coordinate_names.index("elbow_flex_r")
    high = float(arms.limits()[1][place])
    z = arms.rest.repeat(3, 1)
    z[:, place] = torch.tensor([high, high + BEYOND, high + 3.0])
    length, arm = paths.lengths_and_arms(z)
    assert (length[1] - length[0]).abs().max() < 0.01
    assert not arm[2, :, place].any()
    assert torch.isfinite(length).all() and (length[2] - length[1]).abs().max() < 0.05


@pytest.mark.parametrize(("name", "fingers"), [("arms", True), ("full", False)])
def test_a_length_is_a_sum_over_stretches(name: str, fingers: bool) -> None:
    """Second differences over joints of different stretches vanish, for wrapped paths, too."""
    anatomy = Anatomy.load(name, fingers)
    skip = 1 if anatomy.free else 0
    groups = groups_of(anatomy.model, anatomy.couplings)
    checked = 0
    z = random_postures(anatomy, 4, seed=3, margin=0.2)
    for muscle in range(0, len(anatomy.muscles), 7):
        mine = [set(group.coordinates) for group in groups if muscle in group.muscles]
        crossed = sorted(set().union(*mine))
        apart = [(a, b) for a in crossed for b in crossed if a < b and not any({a, b} <= group for group in mine)]
        for one, other in apart[:2]:
            steps = torch.zeros(4, z.shape[1], dtype=torch.float64)
            steps[1, one + skip] = steps[2, other + skip] = 0.2
            steps[3] = steps[1] + steps[2]
            lengths = lengths_and_arms(anatomy, z[:1] + steps, arms=False)[0][:, muscle]
            assert abs(float(lengths[0] - lengths[1] - lengths[2] + lengths[3])) < 1e-9
            checked += 1
    assert checked > 5
    assert max(len(group.coordinates) for group in groups) <= 4


def test_the_bodies_of_the_package_come_with_their_paths(full: Anatomy, arms: Anatomy) -> None:
    for anatomy in (full, arms, Anatomy.load("arms", True), Anatomy.load("full", True)):
        assert load_paths(shipped_file(anatomy.hash), anatomy.hash).muscles == len(anatomy.muscles)


def test_a_fit_is_the_same_every_time_and_survives_its_file(arms: Anatomy, tmp_path: Path) -> None:
    paths = fit_paths(arms, postures=600)
    again = fit_paths(arms, postures=600)
    for one, other in zip(paths.terms, again.terms, strict=True):
        assert np.array_equal(one.coefficient, other.coefficient)
    save_paths(paths, tmp_path / "a.npz")
    save_paths(again, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    z = random_postures(arms, 5)
    read = load_paths(tmp_path / "a.npz", arms.hash)
    torch.testing.assert_close(read.lengths_and_arms(z)[0], paths.lengths_and_arms(z)[0], atol=1e-7, rtol=0)
    with pytest.raises(PathsError, match="belong to another body or version"):
        load_paths(tmp_path / "a.npz", "0123456789abcdef")
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:5000])
    with pytest.raises(PathsError, match="are damaged; delete the file"):
        load_paths(tmp_path / "a.npz", arms.hash)


def test_paths_of_another_body_are_fitted_once_and_kept(
    arms: Anatomy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    from myotrack.anatomy import pathfit

    fitted = list[str]()

    def quick(anatomy: Anatomy) -> FittedPaths:
        fitted.append(anatomy.hash)
        return fit_paths(anatomy, postures=300)

    monkeypatch.setattr(pathfit, "fit_paths", quick)
    other = replace(arms, hash="feedfeedfeedfeed")
    first, second = paths_of(other), paths_of(other)
    assert fitted == ["feedfeedfeedfeed"]
    assert np.array_equal(first.terms[0].coefficient, second.terms[0].coefficient)


def test_levels_have_the_same_names_and_coordinates(full: Anatomy) -> None:
    for level in ("paths", "fast"):
        anatomy = Anatomy.load(f"full:{level}")
        assert (anatomy.name, anatomy.level, anatomy.title) == ("full", level, f"full:{level}")
        assert anatomy.hash == full.hash
        assert anatomy.coordinate_names == full.coordinate_names
        assert anatomy.muscle_names == full.muscle_names
        assert anatomy.landmarks == full.landmarks
        assert [muscle.peak_force for muscle in anatomy.muscles] == [muscle.peak_force for muscle in full.muscles]
        assert torch.equal(anatomy.limits()[0], full.limits()[0])
        assert anatomy.simulated.ntendon == anatomy.simulated.nu == 0
        assert anatomy.simulated.body_mass.sum() == pytest.approx(full.model.body_mass.sum(), rel=1e-9)
    assert Anatomy.load("full:fast").simulated.nv < 0.6 * full.model.nv


def test_names_of_levels_are_told_apart() -> None:
    assert parsed("arms") == ("arms", "original")
    assert parsed("arms:fast") == ("arms", "fast")
    with pytest.raises(ValueError, match="levels 'paths' and 'fast'"):
        Anatomy.load("arms:slow")
    with pytest.raises(ValueError, match="There is no body called 'legs'"):
        Anatomy.load("legs:fast")
    with pytest.raises(ValueError, match="Only the original of a body has bones"):
        Anatomy.load("arms:fast", visuals=True)


def test_a_path_that_is_no_path_is_refused() -> None:
    xml = """<mujoco><worldbody><body><joint name='a'/><geom size='1'/></body></worldbody>
    <tendon><fixed name='t'><joint joint='a' coef='1'/></fixed></tendon>
    <actuator><general tendon='t'/></actuator></mujoco>"""
    from myotrack.anatomy.couplings import Couplings

    model = mujoco.MjModel.from_xml_string(xml)
    with pytest.raises(ValueError, match="The path 't' does not go from site to site"):
        groups_of(model, Couplings.of(model))


def test_the_cache_lies_where_the_system_keeps_such_things(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert levels.kept_file("abc") == tmp_path / "myotrack" / "paths" / "abc.npz"
