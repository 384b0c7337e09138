"""The page of `dvc plots show` and `dvc plots diff` that needs no network: page.html, style.css and Vega in one file.

    python -m reports.plots_page

The scripts come out of the installed vl-convert-python, so nothing of third parties lies in Git. The file and the
setting that points to it lie side by side in .dvc and are both this machine's own: where one is absent so is the
other, and DVC draws its own page, which asks the network for the scripts.
"""

import subprocess
import sys
from pathlib import Path

import vl_convert

FOLDER = Path(__file__).parent


def template() -> str:
    """Give the page with the placeholders that DVC fills: {plot_divs} and {refresh_tag}."""
    vega = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", r"<\/script")
    page = (FOLDER / "page.html").read_text(encoding="utf-8")
    style = (FOLDER / "style.css").read_text(encoding="utf-8")
    return page.replace("<!-- style -->", style).replace("<!-- vega -->", vega)


def main(folder: Path = Path(".dvc")) -> None:
    """Write page.html into `folder` and tell DVC to use it, in the project of the other systems, too."""
    (folder / "page.html").write_text(template(), encoding="utf-8")
    for project, page in ((Path(), "page.html"), (Path("systems"), "../../.dvc/page.html")):
        if (project / ".dvc").is_dir():
            command = [sys.executable, "-m", "dvc", "config", "--local", "plots.html_template", page]
            subprocess.run(command, check=True, cwd=project)


if __name__ == "__main__":
    main()
