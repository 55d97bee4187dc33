import pytest

from myotrack.anatomy.naming import counterpart, indices_of, side_of, stem_of


def test_the_three_ways_of_writing_a_side_are_understood() -> None:
    assert [side_of(name) for name in ("soleus_r", "soleus_l", "DELT1_left", "l_foot", "lat_bending")] == [
        "right", "left", "left", "left", "midline",
    ]  # fmt: skip
    assert side_of("DELT1", ["DELT1", "DELT1_left"]) == "right"
    assert [stem_of(name) for name in ("soleus_l", "DELT1_left", "r_foot")] == ["soleus", "DELT1", "foot"]


def test_a_counterpart_is_on_the_other_side_and_has_the_first_as_its_own() -> None:
    names = ["soleus_r", "soleus_l", "DELT1", "DELT1_left", "lat_bending"]
    assert [counterpart(name, names) for name in names] == [
        "soleus_l", "soleus_r", "DELT1_left", "DELT1", "lat_bending",
    ]  # fmt: skip


def test_an_unknown_muscle_is_named_with_its_nearest_neighbour() -> None:
    with pytest.raises(KeyError, match="No muscle is called 'soleus_R'. Did you mean 'soleus_r'?"):
        indices_of(["soleus_R"], ["soleus_r", "tibant_r"], "muscle")
