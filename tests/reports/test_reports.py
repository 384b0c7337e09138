"""What a person reads: charts of several revisions, the report, the comparison, and that the README tells the truth."""

import hashlib
import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import vl_convert
import yaml
from in_git import ROOT, git
from machine import said
from processes import command, dvc, finish
from small_project import CHARTS, EXPERIMENTS, PICTURES, REVISIONS, SMALL, arguments, clear, start, write_params

from recurrent.storage.tables import read_csv
from reports import charts, compare, report, revisions
from reports.readme import table

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def drawn(repository):
    """Every chart of three revisions: plot id -> Vega-Lite."""
    plots = json.loads(dvc(repository, "plots", "diff", *REVISIONS, "--json"))
    assert "errors" not in plots
    return {name: found[0]["content"] for name, found in plots["data"].items() if found[0]["type"] == "vega"}


@pytest.fixture(scope="session")
def written(report_page):
    return report_page.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def scores(repository):
    """Revision -> its metrics as DVC gives them, with dotted keys."""
    shown = json.loads(dvc(repository, "metrics", "show", "--json"))[""]["data"]["metrics/quake.json"]["data"]
    found = {"workspace": revisions.dotted(shown)}
    for name in EXPERIMENTS:
        compared = json.loads(dvc(repository, "metrics", "diff", "--all", "--json", "HEAD", name))
        found[name] = {key: values["new"] for key, values in compared["metrics/quake.json"].items()}
    return found


def marks(svg, kind):
    """Count the lines or bars of a drawing."""
    return len(re.findall(rf'aria-roledescription="{kind}"', svg))


def words(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_every_template_is_used_and_every_chart_has_one_of_ours():
    assert {path.stem for path in (ROOT / ".dvc" / "plots").glob("*.json")} == {c["template"] for c in CHARTS.values()}


@pytest.mark.parametrize("plot", [*CHARTS, *PICTURES])
def test_the_readme_says_what_a_plot_shows_and_what_draws_it(plot):
    rows = [row for row in README.splitlines() if row.startswith(f"| `{plot}` |")]
    assert len(rows) == 1
    assert f"--targets {plot}`" in rows[0]


@pytest.mark.parametrize("plot", ["loss", "mean_delta"])
def test_history_of_three_revisions_is_three_dashes_in_two_colours(drawn, plot):
    svg = vl_convert.vegalite_to_svg(drawn[plot])
    assert marks(svg, "line mark") == 2 * len(REVISIONS)
    assert {"train", "validation", *REVISIONS, CHARTS[plot]["title"], CHARTS[plot]["y_label"]} <= set(words(svg))
    dashes = set(re.findall(r'stroke-dasharray="([^"]+)"', svg))
    assert len(dashes) >= len(REVISIONS)
    assert {"#0072B2", "#D55E00"} <= set(re.findall(r'stroke="(#\w+)"', svg))


def test_mean_delta_shows_the_required_value(drawn):
    svg = vl_convert.vegalite_to_svg(drawn["mean_delta"])
    assert words(svg).count("required: 10 %") == 1
    assert marks(svg, "rule mark") + svg.count("mark-rule role-mark") == 1


@pytest.mark.parametrize("plot", ["loss", "mean_delta"])
def test_long_names_do_not_widen_the_drawing_for_a_telephone(drawn, plot):
    text = json.dumps(drawn[plot])
    for name in REVISIONS:
        text = text.replace(f'"rev": "{name}"', f'"rev": "a-long-name-100-{name}"')
    svg = charts.svg(charts.narrow(json.loads(text)))
    assert sum("a-long-name" in word for word in words(svg)) == len(REVISIONS)
    assert float(re.search(r'width="([\d.]+)"', svg)[1]) < 330


def test_forecasts_of_three_revisions_have_a_panel_each(drawn):
    svg = vl_convert.vegalite_to_svg(drawn["prediction"])
    assert marks(svg, "line mark") == 2 * len(REVISIONS)
    assert [word for word in words(svg) if word in REVISIONS] == REVISIONS
    assert {"actual", "predicted", "time to failure (s)"} <= set(words(svg))


def test_forecasts_are_drawn_with_their_interval_where_there_is_one(drawn):
    chart = drawn["prediction"]
    assert marks(vl_convert.vegalite_to_svg(chart), "area mark") == len(REVISIONS)
    rows = chart["data"]["values"]
    assert all(float(row["lower"]) <= float(row["upper"]) for row in rows)
    without = [{key: row[key] for key in row if key not in ("lower", "upper")} for row in rows]
    svg = vl_convert.vegalite_to_svg(chart | {"data": {"values": without}})
    assert marks(svg, "area mark") == 0 and marks(svg, "line mark") == 2 * len(REVISIONS)


def test_the_chart_of_scores_draws_the_figures_of_the_metrics(drawn, scores):
    svg = vl_convert.vegalite_to_svg(drawn["scores"])
    assert marks(svg, "bar") == 5 * len(REVISIONS)
    for name in REVISIONS:
        known = scores[name]
        for key in ("test", *(f"baselines.{other}" for other in ("boosted_trees", "ridge", "clock", "median"))):
            assert f"{known[f'{key}.mean_delta']:.1%}" in words(svg)


def test_an_editor_gets_charts_whose_data_it_can_fill_in(repository):
    plots = json.loads(dvc(repository, "plots", "diff", *REVISIONS, "--split", "--json"))["data"]
    assert set(plots) == {*CHARTS, *PICTURES}
    for name, about in CHARTS.items():
        (chart,) = plots[name]
        assert chart["revisions"] == REVISIONS
        assert chart["content"]["data"] == {"values": "<DVC_METRIC_DATA>"}
        rows = chart["anchor_definitions"]["<DVC_METRIC_DATA>"]
        (columns,) = about["y"].values()
        assert {(row["rev"], row["field"]) for row in rows} >= {
            (rev, column) for rev in REVISIONS for column in ([columns] if isinstance(columns, str) else columns)
        }
    for name in PICTURES:
        assert [picture["revisions"] for picture in plots[name]] == [[rev] for rev in REVISIONS]
        assert all((repository / picture["url"]).is_file() for picture in plots[name])


def test_an_editor_gets_parameters_and_metrics_of_every_experiment(repository):
    shown = json.loads(dvc(repository, "exp", "show", "--json"))
    found = {e["name"]: e["revs"][0]["data"] for row in shown for e in row["experiments"] or []}
    assert set(found) == {"gru", "short"}
    assert found["gru"]["params"]["params.yaml"]["data"]["model"]["cell"] == "gru"
    assert found["short"]["metrics"]["metrics/quake.json"]["data"]["test"]["mean_delta"] > 0


def test_a_report_needs_nothing_beside_it_and_says_where_it_comes_from(repository, written, scores):
    sources = re.findall(r'(?:src|href)="([^"]{0,40})', written)
    assert len(sources) == len(CHARTS) + len(PICTURES) * len(REVISIONS)
    assert all(source.startswith("data:image/") for source in sources)
    assert not re.search(r"url\(|@import|<script src|<link", written)
    lock = (repository / "dvc.lock").read_bytes()
    assert hashlib.sha256(lock).hexdigest() in written
    assert command(repository, "git", "rev-parse", "HEAD").strip() in written
    for name in REVISIONS:
        assert f"{name}</strong>: the network is off by {scores[name]['test.mean_delta']:.1%}" in written
    assert yaml.safe_load(lock)["stages"]["ingest"]["deps"][0]["md5"] in written
    assert "dvc exp run -S model.cell=gru</code>" in written
    assert "dvc exp run -S seq_len=10</code>" in written
    assert "not committed" not in written


def test_like_stands_beside_like_in_a_report(written):
    captions = re.findall(r"<figcaption>(\w+: \w+)<", written)[-len(PICTURES) * len(REVISIONS) :]
    assert captions == [f"{Path(path).stem}: {name}" for path in PICTURES for name in REVISIONS]
    head = written[written.index("<header>") : written.index("</header>")]
    assert "<strong>gru</strong>: model.cell gru, seq_len 20" in head
    assert "<strong>short</strong>: model.cell manual, seq_len 10" in head


def test_numbers_of_a_report_have_the_same_decimals_and_stand_right(project):
    one = revisions.read("workspace")
    for key in report.SCORES:
        rows = report.scores([one, revisions.read("short")], key)
        assert {row[0] for row in rows} == {"network", *one.metrics["baselines"]}
        assert len({len(cell.partition(".")[2]) for row in rows for cell in row[1:]}) == 1
    page = report.page([one], {})
    assert re.search(r'<th scope="row">clock</th><td class="number">[\d.]+%</td>', page)
    assert [report.numeric(cell) for cell in (1, "-0.5", "33.0%", "1e-05", "max_epochs", "3 s")] == [True] * 4 + [
        False
    ] * 2


def test_a_report_escapes_whatever_it_is_told(project):
    evil = "<img src=x onerror=alert(1)> & \"quotes' |"
    honest = revisions.read("workspace")
    spoilt = replace(
        honest,
        name=evil,
        params=dict(honest.params) | {evil: evil},
        predictions=dict(honest.predictions) | {"unit": evil, "summary": [evil]},
        series=dict(honest.series) | {"source": {"name": evil, "md5": evil}, "target": evil, "signal": [evil]},
        training=dict(honest.training) | {"stopped_by": evil},
        pictures={evil: b"png"},
    )
    page = report.page([spoilt, honest], {evil: ("<svg/>", "<svg/>")})
    assert "<img src=x" not in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt; &amp; &#34;quotes&#39; |") > 10


def test_a_comparison_prints_what_differs_and_draws_it(repository, scores, tmp_path):
    text = command(repository, sys.executable, "-m", "reports.compare", "HEAD", "short", "--out", str(tmp_path))
    assert (tmp_path / "comparison.md").read_text(encoding="utf-8") == text
    assert re.findall(r"^\| (\w+) \| 20 \| 10 \|$", text, flags=re.M) == ["seq_len"]
    old, new = (scores[name]["test.mean_delta"] for name in ("workspace", "short"))
    assert f"| test.mean_delta | {old:.4g} | {new:.4g} | {(new - old) / old:+.1%} |" in text
    assert {"clock.mean_delta", "ridge.mean_delta", "median.mean_delta"} <= set(re.findall(r"^\| (\S+)", text, re.M))
    assert re.search(r"^short (is|differs) .* windows of the test set .*\(95 % interval -?[\d.]+", text, re.M)
    for name in CHARTS:
        assert f"![{name}]({name}.png)" in text
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_a_comparison_escapes_whatever_it_is_told(project):
    evil = "<img src=x onerror=alert(1)> | `x` [a](b)"
    honest = revisions.read("workspace")
    other = {"summary": [evil], "unit": evil}
    spoilt = replace(
        honest, name=evil, params={**honest.params, evil: evil}, predictions={**honest.predictions, **other}
    )
    text = compare.compare(honest, spoilt, [])
    assert "<img" not in text and text.count(r"&lt;img src=x onerror=alert(1)&gt; \| \`x\` \[a\](b)") > 5


def test_a_comparison_with_itself_has_nothing_to_say(project):
    same = revisions.read("workspace")
    assert compare.compare(same, same, []).count("None.") == 2


def test_an_unknown_revision_is_named(repository):
    said = command(repository, sys.executable, "-m", "reports.compare", "HEAD", "grru", code=1)
    assert said == "error: grru: no such branch, commit or experiment; `dvc exp list` names them\n"


def test_results_that_are_nowhere_are_named(project):
    shutil.rmtree(project / ".dvc" / "cache")
    with pytest.raises(
        revisions.ReadError, match=r"gru was computed elsewhere, .*: data/quake/\S+ is neither in Git nor in"
    ):
        revisions.read("gru")


@pytest.mark.parametrize("page", [["compare", "workspace", "gru"], ["report", "gru"]])
def test_a_template_that_is_gone_is_an_error_in_one_line_and_leaves_nothing(project, page):
    (project / ".dvc" / "plots" / "countdown.json").unlink()
    said = command(project, sys.executable, "-m", f"reports.{page[0]}", *page[1:], code=1)
    assert re.fullmatch(r"error: dvc plots diff workspace gru: .*Template 'countdown' not found.*\n", said)
    assert not (project / "dvc_plots" / page[0]).exists() and not (project / "dvc_plots" / "report.html").exists()


def test_charts_are_drawn_with_and_without_the_page_of_our_own(project):
    dvc(project, "plots", "show")
    plain = (project / "dvc_plots" / "index.html").read_text(encoding="utf-8")
    assert "https://cdn" in plain
    command(project, sys.executable, "-m", "reports.plots_page")
    dvc(project, "plots", "show")
    ours = (project / "dvc_plots" / "index.html").read_text(encoding="utf-8")
    assert not re.search(r'(?:src|href)="http', ours)
    assert all(f"vegaEmbed('#{name}'" in page for page in (plain, ours) for name in CHARTS)
    assert command(project, "git", "status", "--porcelain") == ""


def test_while_training_runs_its_history_is_complete_and_can_be_drawn(project):
    write_params(project, {"train.max_epochs": 10**9, "train.patience": 10**9})  # it ends when it is told to
    clear(project, "train")
    process = start(project, "train")
    try:
        next(line for line in process.stdout if line.startswith("epoch   2/"))
        rows = read_csv(project / arguments("train")[-1])
        assert rows["epoch"].tolist()[:2] == [1, 2]
        (chart,) = json.loads(dvc(project, "plots", "show", "loss", "--json"))["data"]["loss"]
        drawn = [row["epoch"] for row in chart["content"]["data"]["values"] if row["field"] == "train_loss"]
        assert len(drawn) >= 2
        assert process.poll() is None
    finally:
        process.terminate()
        finish(process)


def test_the_log_of_a_training_is_one_plain_line_per_epoch(project):
    clear(project, "train")
    code, out, err = finish(start(project, "train"))
    assert (code, err) == (0, said("train"))
    epochs = [line for line in out.splitlines() if line.startswith("epoch ")]
    assert len(epochs) == SMALL["train.max_epochs"]
    assert all(re.search(r"at most \d+:\d\d left$", line) for line in epochs)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", out)


def test_the_readmes_table_is_that_of_the_metrics(committed):
    metrics = json.loads((committed / "metrics" / "quake.json").read_text(encoding="utf-8"))
    readme = (committed / "README.md").read_text(encoding="utf-8")
    assert f"<!-- results -->\n{table(metrics)}\n<!-- end of results -->" in readme


@pytest.mark.parametrize("path", PICTURES)
def test_the_readmes_pictures_are_those_of_the_lock(committed, path):
    lock = yaml.safe_load((committed / "dvc.lock").read_text(encoding="utf-8"))
    (out,) = [out for stage in lock["stages"].values() for out in stage["outs"] if out["path"] == path]
    picture = committed / "docs" / "pictures" / Path(path).name
    assert hashlib.md5(picture.read_bytes()).hexdigest() == out["md5"]


def test_what_the_installation_makes_stays_out_of_git():
    made = [".dvc/page.html", ".dvc/config.local", "dvc_plots/report.html"]
    assert git("check-ignore", *made).decode().splitlines() == made
