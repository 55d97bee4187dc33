"""Still images of a film, which stand in its place on paper."""

import subprocess
import tempfile
from pathlib import Path

COUNT = 6
"""Images of a film: a row on paper."""
HEIGHT = 300
"""Of an image [pixels]."""
RATE = 10
"""Images per second among which they are chosen [Hz]."""
QUALITY = 4
"""Of JPEG, as the encoder has it: 2 is best, 31 worst."""


def stills(film: bytes, count: int = COUNT) -> list[bytes]:
    """Images evenly over a film, as JPEG; none if it cannot be read.

    Args:
        film: An MP4.
        count: How many; fewer if the film has fewer.
    """
    import imageio_ffmpeg

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "film.mp4")
        path.write_bytes(film)
        done = subprocess.run(
            [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-threads", "1",
             "-vf", f"fps={RATE},scale=-2:{HEIGHT}", "-q:v", str(QUALITY), str(Path(folder, "still%04d.jpg"))],
            capture_output=True,
        )  # fmt: skip
        if done.returncode:
            return []
        images = sorted(Path(folder).glob("still*.jpg"))
        wanted = sorted(
            {round((number + 0.5) * (len(images) - 1) / count) for number in range(count)} if images else ()
        )
        return [images[number].read_bytes() for number in wanted]
