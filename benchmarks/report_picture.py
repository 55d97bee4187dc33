"""Draw the picture of a report in the README.  Usage: python benchmarks/report_picture.py [--run runs/demo]

Needs Chromium (Debian package `chromium`) and a run of `myotrack demo`; shows the head of its second trial as a browser
does, with a still in the place of the film.
"""

import base64
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import tyro

WIDTH, HEIGHT = 1180, 1600
SECOND = 1.9
"""Of the film that is shown [s]."""
ONLY = (
    "<style>header, h2.first, .wide, #reading, #reading ~ *, figure ~ *, section:not(#{anchor}) {{ display: none; }} "
    "main {{ padding-bottom: 8px; }} section h2 {{ border: 0; margin-top: 0; padding-top: 0; }}</style>"
)


def main(run: Path = Path("runs/demo"), trial: str = "walk", out: Path = Path("docs/figures/report.png")) -> None:
    """Photograph the head of one trial."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("There is no Chromium here; install it, for instance with `apt-get install chromium`.")
    if not (run / "report.html").is_file():
        sys.exit(f"There is no report in {run}; make one with `myotrack demo --out {run}`.")
    page = (run / "report.html").read_text(encoding="utf-8")
    section = page[page.index(f'<section id="trial-{trial}">') :]
    film = re.search(r'src="data:video/mp4;base64,([^"]+)"', section)
    with tempfile.TemporaryDirectory() as folder:
        if film is not None:
            Path(folder, "film.mp4").write_bytes(base64.b64decode(film[1]))
            still = imageio.imread(Path(folder, "film.mp4"))[round(30 * SECOND)]
            content = base64.b64encode(imageio.imwrite("<bytes>", still, extension=".png")).decode()
            image = f'<img style="display:block;border-radius:6px" src="data:image/png;base64,{content}">'
            page = page.replace(section, re.sub(r"<video.*?</video>", image, section, count=1, flags=re.DOTALL))
        page = page.replace("</head>", ONLY.format(anchor=f"trial-{trial}") + "</head>")
        Path(folder, "page.html").write_text(page, encoding="utf-8")
        shot = Path(folder, "shot.png")
        subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--screenshot={shot}",
             f"--window-size={WIDTH},{HEIGHT}", Path(folder, "page.html").as_uri()],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        picture = imageio.imread(shot)[..., :3]
    used = np.flatnonzero((picture < 250).any(axis=(1, 2)))
    out.parent.mkdir(parents=True, exist_ok=True)
    imageio.imwrite(out, picture[: min(int(used[-1]) + 24, len(picture))])
    print(out)


if __name__ == "__main__":
    tyro.cli(main)
