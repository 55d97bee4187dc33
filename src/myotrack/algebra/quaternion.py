"""Unit quaternions (w, x, y, z), batched, with the rotation matrices they stand for.

A quaternion `q_w_b` turns vectors of frame b into frame w, as MuJoCo's `xquat` does.
"""

import torch
from jaxtyping import Float
from torch import Tensor

Quaternion = Float[Tensor, "*#batch 4"]
Vector = Float[Tensor, "*#batch 3"]


def multiply(left: Quaternion, right: Quaternion) -> Float[Tensor, "*batch 4"]:
    """The rotation `right` followed by `left`: `q_w_c = multiply(q_w_b, q_b_c)`."""
    w1, x1, y1, z1 = left.unbind(-1)
    w2, x2, y2, z2 = right.unbind(-1)
    return torch.stack(
        [
            w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2,
            w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2,
            w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2,
            w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2,
        ],
        dim=-1,
    )


def conjugate(quaternion: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 4"]:
    """The opposite rotation."""
    return torch.cat([quaternion[..., :1], -quaternion[..., 1:]], dim=-1)


def rotate(quaternion: Quaternion, vector: Vector) -> Float[Tensor, "*batch 3"]:
    """The vector turned by the rotation."""
    w, axis = quaternion[..., :1], quaternion[..., 1:]
    twice = 2 * torch.linalg.cross(axis, vector)
    return vector + w * twice + torch.linalg.cross(axis, twice)


def to_matrix(quaternion: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation matrix; its columns are the axes of the turned frame. The quaternion must have length one."""
    w, x, y, z = quaternion.unbind(-1)
    rows = [
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], dim=-1),
        torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], dim=-1),
        torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], dim=-1),
    ]
    return torch.stack(rows, dim=-2)


def from_matrix(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Quaternion of a rotation matrix, with w >= 0.

    Of the four ways to divide, the one with the largest divisor is taken, so no angle loses digits.
    Source: Shepperd (1978), doi:10.2514/3.55767b.
    """
    m = [[matrix[..., row, column] for column in range(3)] for row in range(3)]
    four_squared = torch.stack(
        [
            1 + m[0][0] + m[1][1] + m[2][2],
            1 + m[0][0] - m[1][1] - m[2][2],
            1 - m[0][0] + m[1][1] - m[2][2],
            1 - m[0][0] - m[1][1] + m[2][2],
        ],
        dim=-1,
    )
    sums = {
        (0, 1): m[2][1] - m[1][2],
        (0, 2): m[0][2] - m[2][0],
        (0, 3): m[1][0] - m[0][1],
        (1, 2): m[1][0] + m[0][1],
        (1, 3): m[0][2] + m[2][0],
        (2, 3): m[2][1] + m[1][2],
    }
    ways = torch.stack(
        [
            torch.stack(
                [four_squared[..., i] if i == j else sums[min(i, j), max(i, j)] for j in range(4)],
                dim=-1,
            )
            for i in range(4)
        ],
        dim=-2,
    )
    best = four_squared.argmax(dim=-1)[..., None, None].expand(*four_squared.shape[:-1], 1, 4)
    quaternion = torch.gather(ways, -2, best).squeeze(-2)
    quaternion = torch.nn.functional.normalize(quaternion, dim=-1)
    return torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)
