"""The colours of the page can be told apart by people of any colour vision, and its letters can be read."""

import importlib.resources
import itertools
import re

import numpy as np
import pytest

CURVES = ("right", "left", "outside", "missed")
"""Colours that stand for something and may share a panel."""
SEEN = {
    "usual": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
"""What linear RGB looks like. Source: Machado et al. 2009, doi:10.1109/TVCG.2009.113, severity 1 (recalled)."""
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def palettes() -> dict[str, dict[str, np.ndarray]]:
    """Linear RGB of the variables of the style sheet, by day, at night and on paper."""
    style = importlib.resources.files("myotrack").joinpath("data/report/report.css").read_text(encoding="utf-8")
    blocks = [block for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL) if "--paper" in block]
    assert len(blocks) == 3
    return {
        name: {key: linear(value) for key, value in re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", block)}
        for name, block in zip(("day", "night", "paper"), blocks, strict=True)
    }


def linear(colour: str) -> np.ndarray:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * each for each in colour[1:])
    value = np.array([int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB of linear RGB."""
    x, y, z = np.cbrt(np.clip(TO_XYZ @ np.clip(rgb, 0, 1), 1e-6, None) / TO_XYZ.sum(axis=1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    """As the guidelines for accessible pages (WCAG 2.2) have it."""
    high, low = sorted((float(TO_XYZ[1] @ each) + 0.05 for each in (one, other)), reverse=True)
    return high / low


@pytest.mark.parametrize("name", ["day", "night", "paper"])
@pytest.mark.parametrize("vision", SEEN)
def test_curves_can_be_told_apart(name: str, vision: str) -> None:
    colours = {key: lab(np.array(SEEN[vision]) @ palettes()[name][key]) for key in CURVES}
    for one, other in itertools.combinations(CURVES, 2):
        # Colours 2 apart can just be told from each other side by side; thin lines need several times as much.
        assert np.linalg.norm(colours[one] - colours[other]) > 15, f"{one} and {other}"


@pytest.mark.parametrize("name", ["day", "night", "paper"])
def test_letters_can_be_read(name: str) -> None:
    palette = palettes()[name]
    for key, least in {"ink": 7.0, "soft": 4.5, "link": 4.5, "faint": 3.0, "own": 7.0}.items():
        assert contrast(palette[key], palette["paper"]) >= least, key
        assert contrast(palette[key], palette["wash"]) >= 0.9 * least, key
    for key in CURVES:
        assert contrast(palette[key], palette["paper"]) >= 3.0, key
