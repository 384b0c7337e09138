"""The charts of several revisions on one page, with the parameters that differ between them.

    python -m reports.charts_page REVISION ... [--open]

`dvc plots diff` draws the page; what a template of its cannot know, the parameters, is added to it.
"""

import argparse
import subprocess
import sys
import webbrowser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reports.compare import shown
from reports.report import PAGES
from reports.revisions import ReadError, differences, params

PAGE, PLACE = Path("dvc_plots") / "index.html", "<!-- differs -->"


def section(names: Sequence[str], trees: Sequence[Mapping[str, Any]]) -> str:
    """Return HTML: a row per parameter that differs, a column per revision."""
    rows = [[key, *map(shown, values)] for key, values in differences(trees).items()]
    table = PAGES.get_template("table.html").module.table  # type: ignore[attr-defined]
    what = table("Parameters that differ", ["parameter", *names], rows) if rows else "<p>No parameter differs.</p>"
    return f'<section class="wide" id="differs"><h2>Parameters that differ</h2>{what}</section>'


def main() -> None:
    """Draw the page and add the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revisions", nargs="+", metavar="REVISION", help="workspace, commit, branch, tag or experiment")
    parser.add_argument("--open", action="store_true", help="open it in a browser")
    given = parser.parse_args()
    try:
        trees = [params(name) for name in given.revisions]
    except ReadError as error:
        parser.exit(1, f"error: {error}\n")
    PAGE.unlink(missing_ok=True)  # or that of other revisions would be taken for this one
    if code := subprocess.run([sys.executable, "-m", "dvc", "plots", "diff", *given.revisions]).returncode:
        sys.exit(code)
    if not PAGE.exists():
        parser.exit(1, f"error: DVC has plots of none of {', '.join(given.revisions)}; run `dvc repro` first\n")
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(page.replace(PLACE, section(given.revisions, trees)), encoding="utf-8")
    if given.open:
        webbrowser.open(PAGE.resolve().as_uri())


if __name__ == "__main__":
    main()
