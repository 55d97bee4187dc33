"""What is written on the images of a video: whose motion it is, the time, and what the colours mean."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from myotrack.view.film import RELAXED, WORKING, brightness
from myotrack.view.picture import Image
from myotrack.view.scene import HEAVIEST, HEAVY, LIGHT

INK, QUIET = (38, 44, 54), (96, 104, 116)
TICKS = (0.0, 0.1, 0.4, 1.0)
"""Activations named under the bar."""
_DESIGNED = 1080
"""Height of the images that sizes here are pixels of; other images have them in proportion."""
Layer = UInt8[np.ndarray, "high wide 4"]


class Legend:
    """Writes on images of one size. Whatever stays the same is drawn once."""

    def __init__(
        self, height: int, title: str, reference: str | None, muscles: bool, forces: bool, patches: bool
    ) -> None:
        """Prepare.

        Args:
            height: Of the images.
            title: Whose motion it is.
            reference: What the second body is called; None if there is none.
            muscles: Whether they are coloured by activation.
            forces: Whether forces of the ground are drawn.
            patches: Whether discs lie where they act.
        """
        self._scale = height / _DESIGNED
        self._title, self._reference, self._muscles = title, reference, muscles
        self._forces, self._patches = forces, patches

    def write(self, image: Image, seconds: float) -> None:
        """Write on an image."""
        margin = self._px(48)
        _lay(image, self._head, margin, margin)
        _lay(image, self._clock(seconds), margin, margin + self._px(46))
        if self._key is not None:
            edge = self._px(32)
            _lay(image, self._key, edge, len(image) - edge - len(self._key))

    @cached_property
    def _head(self) -> Layer:
        layer, pen = self._sheet(1300, 48)
        pen.text((0, 0), self._title, font=self._font(32), fill=INK)
        return np.asarray(layer)

    def _clock(self, seconds: float) -> Layer:
        layer, pen = self._sheet(360, 60)
        pen.text((0, 0), f"{seconds:.2f} s", font=self._font(44, "DejaVuSansMono.ttf"), fill=INK)
        return np.asarray(layer)

    @cached_property
    def _key(self) -> Layer | None:
        """Bar of activation, reference, forces; None if none of them is drawn."""
        rows = 1.6 * self._muscles + (self._reference is not None) + self._forces + self._patches
        if not rows:
            return None
        px, left = self._px, self._px(84)
        layer, pen = self._sheet(560 if self._forces else 470, 42 * rows + 32)
        pen.rounded_rectangle([0, 0, layer.width - 1, layer.height - 1], px(12), fill=(255, 255, 255, 150))
        card, (layer, pen) = layer, self._sheet(530 if self._forces else 440, 42 * rows + 4)
        small, top = self._font(22), px(6)
        if self._muscles:
            bar = self._bar(px(300), px(16))
            layer.paste(bar, (0, top + px(4)))
            pen.text((px(316), top - px(4)), "activation", font=small, fill=INK)
            for tick, share in zip(TICKS, brightness(np.array(TICKS)), strict=True):
                place = float(share) * px(300)
                pen.line([(place, top + px(20)), (place, top + px(26))], fill=QUIET, width=max(1, px(2)))
                anchor = "lt" if tick == 0 else "mt"
                pen.text((place, top + px(30)), f"{100 * tick:g} %", font=self._font(17), fill=QUIET, anchor=anchor)
            top += px(42 * 1.6)
        if self._reference is not None:
            pen.rounded_rectangle([0, top + px(6), px(60), top + px(22)], px(8), fill=(150, 172, 200))
            pen.text((left, top), self._reference, font=small, fill=INK)
            top += px(42)
        if self._forces:
            middle = top + px(14)
            pen.line([(0, middle), (px(46), middle)], fill=(38, 110, 70), width=px(6))
            head = [(px(42), middle - px(10)), (px(62), middle), (px(42), middle + px(10))]
            pen.polygon(head, fill=(38, 110, 70))
            pen.text((left, top), "force of the ground (1 m: body weight)", font=small, fill=INK)
            top += px(42)
        if self._patches:
            for number, share in enumerate((0.25, 0.6, 1.0)):
                radius, x = px(11 * np.sqrt(share)), px(12 + 22 * number)
                colour = tuple(int(255 * c) for c in LIGHT + share / HEAVIEST * (HEAVY - LIGHT))
                pen.ellipse([x - radius, top + px(14) - radius, x + radius, top + px(14) + radius], fill=colour)
            pen.text((left, top), "centre of pressure, by its force", font=small, fill=INK)
        card.alpha_composite(layer, (px(16), px(16)))
        return np.asarray(card)

    def _bar(self, width: int, height: int) -> Any:
        from PIL import Image as Pillow

        share = np.linspace(0, 1, width)[None, :, None]
        colour = 255 * (RELAXED[:3] + share * (WORKING[:3] - RELAXED[:3]))
        return Pillow.fromarray(np.repeat(colour, height, axis=0).astype(np.uint8)).convert("RGBA")

    def _sheet(self, width: float | int, height: float | int) -> tuple[Any, Any]:
        """An empty layer and a pen for it."""
        from PIL import Image as Pillow
        from PIL import ImageDraw

        layer = Pillow.new("RGBA", (self._px(width), self._px(height)), (255, 255, 255, 0))
        return layer, ImageDraw.Draw(layer)

    def _font(self, size: float | int, name: str = "DejaVuSans.ttf") -> Any:
        """A font that comes with matplotlib, so that it is there on every machine."""
        import matplotlib
        from PIL import ImageFont

        return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", name)), self._px(size))

    def _px(self, size: float | int) -> int:
        return max(1, round(size * self._scale))


def _lay(image: Image, layer: Layer, left: int, top: int) -> None:
    """Lay a layer onto an image; what reaches beyond it is cut off."""
    part = image[top : top + len(layer), left : left + layer.shape[1]]
    layer = layer[: part.shape[0], : part.shape[1]]
    cover: Float[np.ndarray, "rows columns 1"] = layer[..., 3:].astype(np.float32) / 255
    part[:] = (part + cover * (layer[..., :3] - part.astype(np.float32))).astype(np.uint8)
