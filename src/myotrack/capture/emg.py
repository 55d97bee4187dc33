"""Which analog channels are muscles, told from their names."""

import re

import numpy as np
from jaxtyping import Float

from myotrack.capture.recording import Signals

VOLTS = {"V": 1.0, "MV": 1e-3, "UV": 1e-6, "µV": 1e-6, "ΜV": 1e-6}

_SIDES = {"l", "r", "left", "right", "lt", "rt"}
_SHORT = {
    "sol", "gas", "gast", "gm", "gl", "mg", "lg", "ta", "tib", "mh", "lh", "bf", "bflh", "bfsh", "st", "sm", "vl", "vm",
    "rf", "rect", "hams", "ham", "quad", "quads", "gmax", "gmed", "per", "pl", "es", "ra", "add", "tfl", "bic", "tri",
    "delt", "ecr", "fcr", "ecu", "fcu", "edc", "fds",
}  # fmt: skip
_STEMS = (
    "soleus", "gastroc", "tibialis", "tibant", "hamstring", "medham", "latham", "bicep", "tricep", "vast", "rectus",
    "glut", "semit", "semim", "peron", "fibular", "delt", "erector", "adduct", "sartor", "gracil", "iliop", "psoas",
    "iliacus", "trapez", "pector", "latissimus", "brachi", "quadri", "oblique", "multifid", "popliteus", "tensor",
    "hallucis", "digitorum", "infraspin", "supraspin", "serratus", "calf",
)  # fmt: skip


def is_muscle(name: str) -> bool:
    """Whether a channel's name is that of a muscle or says EMG."""
    if "emg" in name.lower():
        return True
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word and word not in _SIDES]
    return any(word in _SHORT or word.startswith(_STEMS) for word in words)


def signals(names: list[str], values: Float[np.ndarray, "sample channel"], units: list[str], rate: float) -> Signals:
    """Channels as one `Signals`: in volts where every channel is given in a kind of volt, else as given."""
    factors = [VOLTS.get(unit.strip().upper()) for unit in units]
    known = [factor for factor in factors if factor is not None]
    if len(known) < len(factors):
        return Signals(tuple(names), rate, values, unit=units[0].strip())
    return Signals(tuple(names), rate, values * np.array(known))
