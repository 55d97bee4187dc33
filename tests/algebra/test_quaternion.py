import torch

from myotrack.algebra.quaternion import conjugate, from_matrix, multiply, rotate, to_matrix


def random_turns(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.nn.functional.normalize(torch.randn(count, 4, generator=generator, dtype=torch.float64), dim=-1)


def test_a_quarter_turn_about_z_turns_x_into_y() -> None:
    half = 0.5**0.5
    turned = rotate(torch.tensor([half, 0.0, 0.0, half]), torch.tensor([1.0, 0.0, 0.0]))
    torch.testing.assert_close(turned, torch.tensor([0.0, 1.0, 0.0]), atol=1e-6, rtol=0)


def test_the_product_turns_by_the_right_factor_first() -> None:
    first, second = random_turns(20), random_turns(40)[20:]
    vector = torch.randn(20, 3, dtype=torch.float64)
    together = rotate(multiply(second, first), vector)
    torch.testing.assert_close(together, rotate(second, rotate(first, vector)))


def test_a_turn_and_its_conjugate_cancel() -> None:
    turns = random_turns(20)
    nothing = torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64).expand(20, 4)
    torch.testing.assert_close(multiply(turns, conjugate(turns)), nothing)


def test_the_matrix_turns_like_the_quaternion() -> None:
    turns, vector = random_turns(20), torch.randn(20, 3, dtype=torch.float64)
    torch.testing.assert_close((to_matrix(turns) @ vector[..., None]).squeeze(-1), rotate(turns, vector))


def test_matrix_and_quaternion_are_inverse_even_for_half_turns() -> None:
    half_turns = torch.eye(4, dtype=torch.float64)
    turns = torch.cat([random_turns(200), half_turns])
    again = from_matrix(to_matrix(turns))
    assert torch.minimum((again - turns).norm(dim=-1), (again + turns).norm(dim=-1)).max() < 1e-12
