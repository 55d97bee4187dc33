"""Names of a body's parts: which side they are on, what they are called without it, and errors that name the nearest.

The published bodies write sides in three ways: `soleus_r`/`soleus_l` (legs, trunk, joints), `DELT1`/`DELT1_left`
(arm muscles) and `r_foot`/`l_foot` (feet). This module is the only place that knows.
"""

import difflib
from collections.abc import Sequence

RIGHT, LEFT, MIDLINE = "right", "left", "midline"


def side_of(name: str, paired: Sequence[str] = ()) -> str:
    """'right', 'left' or 'midline'. A bare name is on the right if `paired` holds the same name with '_left'."""
    if name.endswith(("_l", "_left")) or name.startswith(("l_", "left_")):
        return LEFT
    if name.endswith(("_r", "_right")) or name.startswith(("r_", "right_")) or f"{name}_left" in paired:
        return RIGHT
    return MIDLINE


def stem_of(name: str) -> str:
    """The name without its side: 'soleus' for 'soleus_l', 'DELT1' for 'DELT1_left'."""
    for suffix in ("_left", "_right", "_l", "_r"):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    for prefix in ("left_", "right_", "l_", "r_"):
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def counterpart(name: str, available: Sequence[str]) -> str:
    """The same part on the other side; a midline part is its own counterpart."""
    side = side_of(name, available)
    if side == MIDLINE:
        return name
    stem = stem_of(name)
    if side == RIGHT:
        candidates = (f"{stem}_l", f"{stem}_left", f"l_{stem}", f"left_{stem}")
    else:
        candidates = (f"{stem}_r", stem, f"r_{stem}", f"right_{stem}")
    for candidate in candidates:
        if candidate in available:
            return candidate
    raise KeyError(f"'{name}' has no counterpart on the other side.")


def indices_of(names: Sequence[str], available: Sequence[str], kind: str) -> list[int]:
    """Positions of `names` in `available`, in the order asked for.

    Raises:
        KeyError: A name that is not available; the message suggests the nearest one.
    """
    position = {name: index for index, name in enumerate(available)}
    for name in names:
        if name not in position:
            near = difflib.get_close_matches(name, available, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise KeyError(
                f"No {kind} is called '{name}'.{hint} The body has {len(available)}; "
                f"list them with `myotrack anatomy --{kind}s`."
            )
    return [position[name] for name in names]
