"""The page of `dvc plots show` and `dvc plots diff` that needs no network: page.html, style.css and Vega in one file.

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


def template() -> str:
    """Return the page with the placeholders that DVC fills: {plot_divs} and {refresh_tag}."""
    vega = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", r"<\/script")
    page = (FOLDER / "page.html").read_text(encoding="utf-8")
    style = (FOLDER / "style.css").read_text(encoding="utf-8")
    return page.replace("<!-- style -->", style).replace("<!-- vega -->", vega)


def main(folder: Path = Path(".dvc")) -> None:
    """Write page.html into `folder` and make DVC use it, also in the project of the other systems."""
    (folder / "page.html").write_text(template(), encoding="utf-8")
    for project, page in ((Path(), "page.html"), (Path("systems"), "../../.dvc/page.html")):
        if (project / ".dvc").is_dir():
            command = [sys.executable, "-m", "dvc", "config", "--local", "plots.html_template", page]
            subprocess.run(command, check=True, cwd=project)


if __name__ == "__main__":
    main()
