"""Draw the pictures of a report for the documents.  Usage: python benchmarks/report_picture.py [--run runs/walk-02_01]

Needs Chromium (Debian package `chromium`) and a run whose page shows a body on its own feet, as that of `myotrack
validate walk-02_01 --clips CLIPS/02_01.npz`. Shows the head of the page, and some of what stands beside people, with a
still in the place of the film.
"""

import base64
import io
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import tyro
from PIL import Image

WIDTH = 1280
SECOND = 1.4
"""Of the film that is shown [s]."""
COLOURS = 160
"""Of a picture, which is mostly paper."""
ALWAYS = "section.trial ~ *, .people ~ *, .find { display: none; } main { padding-bottom: 0; } "
HEAD = "figure:not(.angles), .people h3:has(+ figure:not(.angles)) { display: none; }"
PEOPLE = (
    "nav, header, .trial > h2, .summary, .people > p, .people > .part, .people > figure:not(.cycle-moments, .muscles), "
    ".people > h3:has(+ figure:not(.cycle-moments, .muscles)), .block:nth-child(n+18) { display: none !important; } "
    ".page { display: block !important; max-width: 1180px !important; } main { padding-top: 0; } "
    "section { border: 0 !important; margin: 0 !important; }"
)
SHOTS = {"report": (HEAD, 2100), "report_people": (PEOPLE, 2000)}
"""Name of a picture, what it leaves out, and its height at most."""
FIRST = 1700
"""Height of the first screens."""


def main(run: Path = Path("runs/walk-02_01"), out: Path = Path("docs/figures"), name: str | None = None) -> None:
    """Photograph parts of a page.

    Args:
        run: Whose page.
        out: Folder of the pictures.
        name: Take the first screens of any page as one picture of this name instead.
    """
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("There is no Chromium here; install it, for instance with `apt-get install chromium`.")
    if not (run / "report.html").is_file():
        sys.exit(f"There is no report in {run}; make one with `myotrack validate` or `myotrack report`.")
    page = with_still((run / "report.html").read_text(encoding="utf-8"))
    out.mkdir(parents=True, exist_ok=True)
    for shot, (only, height) in (SHOTS if name is None else {name: ("", FIRST)}).items():
        picture = photograph(
            browser, page.replace("</head>", f"<style>{ALWAYS if only else ''}{only}</style></head>"), height
        )
        # Paper below the last line is cut off.
        used = np.flatnonzero((picture != picture[-1, 0]).any(axis=(1, 2)))
        picture = picture[: min(int(used[-1]) + 28, len(picture))]
        Image.fromarray(picture).quantize(COLOURS, dither=Image.Dither.NONE).save(out / f"{shot}.png", optimize=True)
        print(out / f"{shot}.png")


def with_still(page: str) -> str:
    """The page with an image in place of each film."""

    def still(found: re.Match[str]) -> str:
        film = re.search(r'src="data:video/mp4;base64,([^"]+)"', found[0])
        assert film is not None
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "film.mp4").write_bytes(base64.b64decode(film[1]))
            images = imageio.imread(Path(folder, "film.mp4"))
        stream = io.BytesIO()
        Image.fromarray(images[min(round(30 * SECOND), len(images) - 1)]).save(stream, "PNG")
        content = base64.b64encode(stream.getvalue()).decode()
        return f'<img style="display:block;border-radius:8px" src="data:image/png;base64,{content}">'

    return re.sub(r"<video.*?</video>", still, page, flags=re.DOTALL)


def photograph(browser: str, page: str, height: int) -> np.ndarray:
    """A page as a browser shows it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "page.html").write_text(page, encoding="utf-8")
        shot = Path(folder, "shot.png")
        subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--screenshot={shot}",
             f"--window-size={WIDTH},{height}", Path(folder, "page.html").as_uri()],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        return imageio.imread(shot)[..., :3]


if __name__ == "__main__":
    tyro.cli(main)
