"""Statistics that are exact however they are gathered, and a mirror that they respect."""

import torch

from myotrack.algebra.permutation import SignedPermutation
from myotrack.train.normalise import CLIP, SMALLEST, Normaliser

MIRROR = SignedPermutation(torch.tensor([1, 0, 2]), torch.tensor([1.0, 1.0, -1.0]))


def rows(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 1000 + torch.tensor([1.0, 2.0, 0.01]) * torch.randn(count, 3, generator=generator)


def test_two_numbers_have_the_mean_and_spread_worked_out_by_hand() -> None:
    normaliser = Normaliser(1)
    normaliser.update(torch.tensor([[1.0]]))
    normaliser.update(torch.tensor([[5.0]]))
    # Mean 3, squared deviations 4 + 4, spread sqrt(8 / 2) = 2.
    assert (float(normaliser.mean), float(normaliser.std)) == (3.0, 2.0)
    torch.testing.assert_close(normaliser(torch.tensor([[7.0]])), torch.tensor([[2.0]]))


def test_merged_batches_have_the_statistics_of_everything_at_once() -> None:
    pieces, whole, everything = Normaliser(3), Normaliser(3), rows(1000)
    for piece in everything.split([1, 2, 300, 600, 97]):
        pieces.update(piece)
    pieces.update(everything[:0])
    whole.update(everything.reshape(10, 100, 3))
    wide = everything.double()
    for normaliser in (pieces, whole):
        assert float(normaliser.count) == 1000
        torch.testing.assert_close(normaliser.mean, wide.mean(dim=0), rtol=1e-13, atol=0.0)
        torch.testing.assert_close(normaliser.std, wide.std(dim=0, correction=0), rtol=1e-9, atol=0.0)


def test_what_is_normalised_and_undone_is_as_before() -> None:
    normaliser = Normaliser(3)
    normaliser.update(rows(100))
    torch.testing.assert_close(normaliser.undo(normaliser(rows(50, seed=1))), rows(50, seed=1))


def test_before_anything_is_seen_rows_pass_as_they_are() -> None:
    torch.testing.assert_close(Normaliser(3)(torch.tensor([1.0, -2.0, 3.0])), torch.tensor([1.0, -2.0, 3.0]))


def test_normalised_numbers_end_at_the_clip() -> None:
    normaliser = Normaliser(3)
    normaliser.update(rows(100))
    assert normaliser(torch.tensor([1e9, -1e9, 1000.0])).tolist()[:2] == [CLIP, -CLIP]


def test_a_feature_that_never_changes_stays_quiet() -> None:
    normaliser = Normaliser(1)
    normaliser.update(torch.full((100, 1), 0.3))
    assert float(normaliser.std) == SMALLEST
    assert abs(float(normaliser(torch.tensor([0.3 + 1e-6])))) < 0.02


def test_mirrored_statistics_are_those_of_rows_and_their_images() -> None:
    once, both = Normaliser(3, MIRROR), Normaliser(3)
    once.update(rows(10))
    once.update(rows(90, seed=1))
    for piece in (rows(10), rows(90, seed=1)):
        both.update(torch.cat([piece, MIRROR(piece)]))
    torch.testing.assert_close(once.mean, both.mean, rtol=1e-12, atol=1e-9)
    torch.testing.assert_close(once.std, both.std, rtol=1e-12, atol=0.0)
    assert float(once.count) == 200


def test_the_mirror_image_of_a_row_is_normalised_to_exactly_the_mirror_image() -> None:
    normaliser = Normaliser(3, MIRROR)
    normaliser.update(rows(100))
    some = rows(20, seed=2)
    assert torch.equal(normaliser(MIRROR(some)), MIRROR(normaliser(some)))
