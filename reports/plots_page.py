"""The page of `dvc plots show` and `dvc plots diff` that needs no network: page.html, style.css, page.js and Vega.

    python -m reports.plots_page

The scripts are those of the installed vl-convert-python, so Git holds no third-party code. The page and the setting
that refers to it are both in .dvc and both ignored by Git: without them DVC uses its own page, which loads the scripts
from the network.
"""

import subprocess
import sys
from pathlib import Path

import vl_convert

FOLDER = Path(__file__).parent
TITLES = {".": "When is the next laboratory earthquake?", "systems": "The other systems"}  # of each DVC project


def template(title: str) -> str:
    """Return the page with the placeholders that DVC fills: {plot_divs} and {refresh_tag}."""
    vega = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", r"<\/script")
    page = (FOLDER / "page.html").read_text(encoding="utf-8")
    style = (FOLDER / "style.css").read_text(encoding="utf-8")
    script = (FOLDER / "page.js").read_text(encoding="utf-8")
    parts = {"title": title, "style": style, "script": script, "vega": vega}
    for name, part in parts.items():
        page = page.replace(f"<!-- {name} -->", part)
    return page


def main() -> None:
    """Write page.html into the .dvc folder of each project and make DVC use it."""
    for project, title in TITLES.items():
        folder = Path(project) / ".dvc"
        if folder.is_dir():
            (folder / "page.html").write_text(template(title), encoding="utf-8")
            command = [sys.executable, "-m", "dvc", "config", "--local", "plots.html_template", "page.html"]
            subprocess.run(command, check=True, cwd=project)


if __name__ == "__main__":
    main()
