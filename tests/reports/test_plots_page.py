"""The page of `dvc plots`: its title and its scores are those of the project at hand."""

import json
import re
import sys

from in_git import ROOT
from processes import command, dvc

from recurrent.evaluate.truth import Quantities
from reports import charts_page, plots_page


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


def test_the_page_of_the_charts_names_the_parameters_that_differ(project):
    command(project, sys.executable, "-m", "reports.plots_page")
    (project / "params.yaml").write_text((project / "params.yaml").read_text().replace("seed: 0", "seed: 3"))
    command(project, sys.executable, "-m", "reports.charts_page", "workspace", "short", "gru")
    page = (project / "dvc_plots" / "index.html").read_text(encoding="utf-8")
    found = page[page.index('id="differs"') :].partition("</section>")[0]
    rows = [re.findall(r"<t[hd][^>]*>([^<]*)<", line) for line in found.splitlines() if line.startswith("<tr>")]
    assert ["parameter", "workspace", "short", "gru"] in rows
    assert ["seq_len", "20", "10", "20"] in rows and ["model.cell", "manual", "manual", "gru"] in rows
    assert "hidden_size" not in found and charts_page.PLACE not in page
    said = command(project, sys.executable, "-m", "reports.charts_page", "shrt", code=1)
    assert said.startswith("error: shrt: no such branch")
    pipeline = project / "dvc.yaml"
    pipeline.write_text(pipeline.read_text(encoding="utf-8").partition("\nplots:")[0] + "\n", encoding="utf-8")
    said = command(project, sys.executable, "-m", "reports.charts_page", "workspace", code=1)
    assert "error: DVC has plots of none of workspace; run `dvc repro` first" in said
    assert not (project / "dvc_plots" / "index.html").exists()  # that of the revisions above


def test_equal_revisions_and_strange_names_are_told():
    assert "No parameter differs" in charts_page.section(["a", "b"], [{"x": 1}] * 2)
    assert "<b>" not in charts_page.section(["<b>", "b"], [{"<b>": "<b>"}, {}])
