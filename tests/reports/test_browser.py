"""The pages in a browser that has no network: every chart has marks, nothing is asked of anybody, all can be read."""

import json
import re
import shutil
import sys
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from in_git import ROOT
from processes import command, dvc
from small_project import CHARTS, PICTURES, REVISIONS

from recurrent.train.history import HISTORY_COLUMNS

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on the path"),
]
MARKS = {"loss": 2, "mean_delta": 2, "prediction": 2, "scores": 5}  # lines or bars of each revision
SCREENS = [(1400, "light"), (400, "light"), (1400, "dark"), (400, "dark")]


@pytest.fixture(scope="session")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pages(repository, report_page, tmp_path_factory):
    """Name -> file of the pages for three revisions, the charts made in a copy."""
    home = tmp_path_factory.mktemp("pages") / "project"
    shutil.copytree(repository, home, symlinks=True)
    command(home, sys.executable, "-m", "reports.plots_page")
    command(home, sys.executable, "-m", "reports.charts_page", *REVISIONS)
    return {"charts": home / "dvc_plots" / "index.html", "report": report_page}


@contextmanager
def opened(chromium, path, width, scheme):
    """Open a page; at the end no request may have left and the console must have stayed silent."""
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    if path.name == "index.html":
        page.wait_for_selector("body[data-drawn]")
    yield page
    context.close()
    assert said == []
    assert [url[:80] for url in asked if not url.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
@pytest.mark.parametrize("name", ["charts", "report"])
def test_a_page_can_be_read_by_everybody_on_any_screen(chromium, pages, name, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with opened(chromium, pages[name], width, scheme) as page:
        found = axe.run(page).response["violations"]
        assert [(v["id"], v["nodes"][0]["html"][:100]) for v in found if v["impact"] in ("serious", "critical")] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        broken = "[...document.images].filter(i => !i.naturalWidth || i.getBoundingClientRect().width < 150).length"
        assert page.evaluate("document.images.length") >= len(PICTURES) * len(REVISIONS)
        assert page.evaluate(broken) == 0


@pytest.mark.parametrize("width", [1400, 400])
def test_every_chart_has_marks_and_fits_its_card(chromium, pages, width):
    with opened(chromium, pages["charts"], width, "light") as page:
        for name in CHARTS:
            card = page.locator(f"#{name}-card")
            assert card.locator("h2").inner_text() == CHARTS[name]["title"]
            drawn = card.locator('[aria-roledescription="line mark"], [aria-roledescription="bar"]')
            assert drawn.count() == MARKS[name] * len(REVISIONS)
            svg, box = card.locator("svg").bounding_box(), card.bounding_box()
            assert box["x"] <= svg["x"] and svg["x"] + svg["width"] <= box["x"] + box["width"]
        for name in PICTURES:
            card = page.locator(f"#{re.sub('[/.]', '_', name)}-card")
            assert card.locator("figcaption").all_inner_texts() == REVISIONS


@pytest.mark.parametrize("width", [1400, 600, 400])
def test_long_names_of_revisions_leave_the_curves_their_width(chromium, pages, width):
    with opened(chromium, pages["charts"], width, "light") as page:
        page.evaluate(
            """async () => {
              for (const row of charts.flatMap(chart => chart.spec.data.values)) row.rev = `a-long-name-100-${row.rev}`;
              drawnWidth = 0;
              await redraw();
            }"""
        )
        for name in ("loss", "mean_delta"):
            card = page.locator(f"#{name}-card .chart")
            plot, host = card.locator("path.background").first.bounding_box(), card.bounding_box()
            assert card.locator("svg").bounding_box()["width"] <= host["width"]
            assert plot["width"] >= 0.7 * host["width"]


def test_charts_follow_the_width_of_the_window(chromium, pages):
    with opened(chromium, pages["charts"], 1400, "light") as page:

        def widths():
            return [box["width"] for box in (svg.bounding_box() for svg in page.locator(".chart svg").all())]

        wide = widths()
        page.set_viewport_size({"width": 400, "height": 900})
        page.wait_for_selector('body[data-drawn="400"]')
        assert max(widths()) < 400
        for width in (300, 500, 300, 1400):  # faster than the charts are drawn
            page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_selector('body[data-drawn="1400"]')
        assert widths() == wide


def test_the_page_begins_with_what_differs_and_with_the_figures_of_the_metrics(chromium, pages, repository):
    metrics = json.loads((repository / "metrics" / "quake.json").read_text(encoding="utf-8"))
    known = {"network": metrics["test"], **metrics["baselines"]}
    with opened(chromium, pages["charts"], 1400, "light") as page:
        assert page.locator("h2").all_inner_texts()[:2] == ["Parameters that differ", "Mean delta on the test set"]
        assert page.locator("#differs tr").count() == 3
        rows = page.locator("#table-of-scores tr")
        head, first = (rows.nth(i).locator("th, td").all_inner_texts() for i in (0, 1))
        cells = dict(zip(head, first, strict=True))
        assert rows.count() == 1 + len(REVISIONS)
    assert cells.pop("revision") == "workspace"
    assert float(cells.pop("network: mean absolute error")) == pytest.approx(metrics["test"]["mae"], abs=0.0051)
    assert float(cells.pop("network: R²")) == pytest.approx(metrics["test"]["r2"], abs=0.0051)
    assert cells == {name: f"{scores['mean_delta']:.1%}" for name, scores in known.items()}


def test_no_picture_of_the_report_is_cut_on_a_telephone(chromium, pages):
    with opened(chromium, pages["report"], 400, "light") as page:
        boxes = page.evaluate(
            "[...document.images].map(i => [i.getBoundingClientRect().right, i.currentSrc.slice(0, 14)])"
        )
        assert len(boxes) == len(CHARTS) + len(PICTURES) * len(REVISIONS)
        assert max(right for right, _ in boxes) <= 400
        cut = "[...document.querySelectorAll('.pictures *')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
        assert page.evaluate(cut) == 0


def test_the_page_is_light_on_paper_and_dark_in_the_dark(chromium, pages):
    ink = "getComputedStyle(document.querySelector('svg text')).fill"
    with opened(chromium, pages["charts"], 1400, "dark") as page:
        assert page.evaluate(ink) == "rgb(231, 234, 238)"
        page.emulate_media(media="print")
        assert page.evaluate(ink) == "rgb(0, 0, 0)"
        assert page.pdf().startswith(b"%PDF")


def test_what_is_not_there_yet_is_left_out(chromium, repository, tmp_path):
    home = tmp_path / "project"  # as while the first training runs
    shutil.copytree(repository, home, symlinks=True)
    for path in ("data/quake/predictions", ".dvc/cache"):
        shutil.rmtree(home / path)
    command(home, sys.executable, "-m", "reports.plots_page")
    dvc(home, "plots", "show")
    with opened(chromium, home / "dvc_plots" / "index.html", 400, "light") as page:
        drawn = page.locator("svg").count(), [CHARTS[name]["title"] for name in ("loss", "mean_delta")]
        assert drawn == (2, page.locator("h2").all_inner_texts()[:2])
        assert page.evaluate("document.documentElement.scrollWidth") <= 400


@pytest.mark.parametrize("name", ["charts", "report"])
def test_a_picture_opens_large_and_the_keyboard_closes_it(chromium, pages, name):
    with opened(chromium, pages[name], 400, "light") as page:
        picture = page.locator("button.enlarge").last
        picture.focus()
        page.keyboard.press("Enter")
        dialog, alt = page.locator("dialog[open]"), picture.locator("img").get_attribute("alt")
        assert dialog.get_attribute("aria-label") == alt
        page.wait_for_function("document.querySelector('dialog img').complete")
        assert dialog.locator("img").bounding_box()["width"] > 1.5 * picture.bounding_box()["width"]
        axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
        assert [v["id"] for v in axe.run(page).response["violations"] if v["impact"] in ("serious", "critical")] == []
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog", state="detached")  # the event of its end comes later
        assert page.evaluate("document.activeElement.className") == "enlarge"
        picture.click()
        page.locator("dialog button").click()
        page.wait_for_selector("dialog", state="detached")  # the event of its end comes later


def test_a_table_is_sorted_by_the_button_of_a_column_and_says_so(chromium, pages):
    with opened(chromium, pages["report"], 1400, "light") as page:
        table = page.locator("table").first
        button = table.locator("th button").nth(1)

        def column():
            cells = table.locator("td:nth-child(2)").all_inner_texts()
            return [float(cell.rstrip("%")) for cell in cells]

        for direction, backwards in (("ascending", False), ("descending", True)):
            button.press("Enter")
            assert column() == sorted(column(), reverse=backwards)
            assert table.locator("[aria-sort]").evaluate_all("all => all.map(e => e.ariaSort)") == [direction]
        table.locator("th button").first.press("Space")
        names = table.locator("th[scope=row]").all_inner_texts()
        assert names == sorted(names)


@pytest.fixture
def served(tmp_path):
    """A folder with the reports' files, and where it is served, as `python -m http.server` does."""

    class Silent(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    shutil.copytree(ROOT / "reports", tmp_path / "reports")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever).start()
        yield tmp_path, f"http://127.0.0.1:{server.server_port}/reports/live.html"
        server.shutdown()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_live_page_follows_a_training_and_forecasts(chromium, served, scheme):
    folder, address = served
    context = chromium.new_context(viewport={"width": 400, "height": 900}, color_scheme=scheme)
    page, said = context.new_page(), []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(address + "?history=/history.csv&forecast=/out.csv")
    page.wait_for_function("document.querySelectorAll('p.soft').length == 3")
    waiting = [f"waiting for {name}" for name in ("/history.csv", "/history.csv", "/out.csv")]
    assert page.locator("p.soft").all_inner_texts() == waiting
    shown = "[...document.querySelectorAll('polyline')].map(line => line.points.length)"

    def wait_for(counts):
        page.wait_for_function(f"JSON.stringify({shown}) == '{json.dumps(counts, separators=(',', ':'))}'")

    with (folder / "history.csv").open("w") as history, (folder / "out.csv").open("w") as forecast:
        history.write(",".join(HISTORY_COLUMNS) + "\n")
        for epoch in (1, 2, 3):
            history.write(",".join([str(epoch)] + ["0.25"] * (len(HISTORY_COLUMNS) - 1)) + "\n")
            history.flush()
            wait_for([epoch] * 4)
        forecast.write("row,t,lower,upper\n94,3.5,2,4\n188,2.5,1,3\n282,9")  # the last line is half written
        forecast.flush()
        wait_for([3] * 4 + [2])
    assert page.locator("p.soft").last.inner_text() == "row 188: t 2.500"
    assert page.evaluate("document.querySelector('polygon').points.length") == 4
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:100]) for v in found if v["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    (folder / "history.csv").unlink()  # as DVC does before a stage
    page.wait_for_function("document.querySelector('p.soft').textContent.startsWith('waiting')")
    context.close()
    assert said == []
