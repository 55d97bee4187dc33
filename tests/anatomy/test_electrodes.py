"""Electrodes: channels as files name them, and the muscles beneath them."""

import pytest
import torch

from myotrack.anatomy.electrodes import _table, electrodes, means
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.naming import stem_of


@pytest.mark.parametrize(
    ("channel", "muscles"),
    [
        ("SOL", ("soleus_r",)),
        ("soleus", ("soleus_r",)),
        ("L_Rect_Fem EMG", ()),
        ("R RF", ("recfem_r",)),
        ("left_gluteus_medius", ("glmed1_l", "glmed2_l", "glmed3_l")),
        ("medial_hamstrings", ("semiten_r", "semimem_r")),
        ("Biceps Femoris", ("bflh_r",)),
        ("EMG TA_l", ("tibant_l",)),
        ("GM", ()),
        ("F1X", ()),
    ],
)
def test_a_channel_is_known_by_the_names_that_files_give_it(full: Anatomy, channel: str, muscles: tuple) -> None:
    found = electrodes([channel], full)
    assert tuple(name for electrode in found for name in electrode.muscles) == muscles


def test_a_side_that_is_not_told_is_the_one_that_is_given(full: Anatomy) -> None:
    assert electrodes(["SOL"], full, "left")[0].muscles == ("soleus_l",)
    assert electrodes(["SOL_r"], full, "left")[0].muscles == ("soleus_r",)


def test_every_muscle_of_the_table_is_one_of_ours(full: Anatomy) -> None:
    stems = {stem_of(name) for name in full.muscle_names}
    for row in _table().values():
        assert set(row["muscles"].split(";")) <= stems, row["channel"]
        assert row["citation"] and row["how"] in ("read", "recalled")


def test_shares_are_means(full: Anatomy) -> None:
    share = means(electrodes(["SOL", "GMED", "GAS"], full), full)
    torch.testing.assert_close(share.sum(dim=1), torch.ones(3, dtype=torch.float64))
    assert (share > 0).sum(dim=1).tolist() == [1, 3, 2]


def test_arms_have_no_calves(arms: Anatomy) -> None:
    assert [electrode.channel for electrode in electrodes(["SOL", "BIC"], arms)] == ["BIC"]
