"""The page of `dvc plots`: its title and its scores are those of the project at hand."""

import json
import re
import sys

from in_git import ROOT
from processes import command, dvc

from recurrent.evaluate.truth import Quantities
from reports import plots_page


def test_the_chart_of_scores_knows_every_baseline():
    template = json.loads((ROOT / ".dvc" / "plots" / "scores.json").read_text(encoding="utf-8"))
    assert set(Quantities.baselines) <= set(template["transform"][0]["fold"])


def test_the_page_of_each_project_has_its_own_title(project):
    (project / "systems").mkdir()
    dvc(project / "systems", "init", "--subdir", "--quiet")
    command(project, sys.executable, "-m", "reports.plots_page")
    titles = [
        re.findall(r"<(?:title|h1)>([^<]+)<", (project / folder / ".dvc" / "page.html").read_text(encoding="utf-8"))
        for folder in (".", "systems")
    ]
    assert titles == [[title] * 2 for title in plots_page.TITLES.values()] and "earthquake" not in titles[1][0]
