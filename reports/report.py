"""One HTML file that tells of the workspace and of named experiments what was asked, tried and found.

    python -m reports.report [REVISION ...] [--out dvc_plots/report.html]

It needs nothing beside it and no network: the charts are SVG, the pictures lie inside. Every value is escaped.
"""

import argparse
import base64
import os
import platform
import shlex
from collections.abc import Iterable, Sequence
from html import escape
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from reports import charts
from reports.compare import shown
from reports.revisions import WORKSPACE, ReadError, Revision, differences, git, read

STYLE = Path(__file__).with_name("style.css")
QUESTION = (
    "A block of rock in a press sticks and slips; each slip is an earthquake in a laboratory. From the recording "
    "alone, how long is it until the next one? A recurrent network answers, and is held against forecasts "
    "that need no network, on earthquakes that steered neither its training nor the choice of its epoch."
)
MEANING = {
    "mean delta": "share of the time that remains by which a forecast is off: sum |forecast - actual| / sum |actual|",
    "MAE": "mean absolute error: how far off a forecast is on average",
    "RMSE": "root of the mean squared error: the same, large errors weighing more",
    "R²": "share of the labels' variance that is explained: 1 is perfect, 0 is no better than their mean",
}


class Markup(str):
    """Text that is HTML already; everything else is escaped on its way into the page."""


def markup(value: Any) -> Markup:
    """Escape a value, unless it is markup."""
    return value if isinstance(value, Markup) else Markup(escape(str(value)))


def tag(name: str, *content: Any, **attributes: str) -> Markup:
    """Make an element; a trailing underscore of an attribute's name falls away (`class_`), others become hyphens."""
    given = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(text)}"' for key, text in attributes.items())
    return Markup(f"<{name}{given}>{''.join(map(markup, content))}</{name}>")


def table(label: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Markup:
    """Make a table that scrolls by itself where the screen is narrow; the first column names the row."""
    lines = [tag("tr", *(tag("th", name, scope="col") for name in head))]
    lines += [tag("tr", tag("th", name, scope="row"), *(tag("td", cell) for cell in cells)) for name, *cells in rows]
    return scrolling(label, tag("table", *lines))


def scrolling(label: str, content: Markup, class_: str = "scroll") -> Markup:
    """Let wide content scroll in a region of its own, which the keyboard can reach."""
    return tag("div", content, class_=class_, tabindex="0", role="region", aria_label=label)


def picture(kind: str, content: bytes, about: str) -> Markup:
    """Make an image that lies inside the page, with its caption."""
    source = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    image = Markup(f'<img src="{source}" alt="{escape(about)}">')
    return tag("figure", scrolling(about, image, "scroll paper"), tag("figcaption", about))


def in_words(revision: Revision) -> Markup:
    """Say what the figures of one revision mean."""
    test, best = revision.metrics["test"], revision.best_baseline
    other = revision.metrics["baselines"][best]
    unit = revision.about["unit"]
    said = (
        f"the network is off by {test['mean_delta']:.1%} of what remains, {test['mae']:.3g} {unit} on average; the "
        f"best forecast without a network, {best}, by {other['mean_delta']:.1%} and {other['mae']:.3g} {unit}. "
    )
    return tag("p", tag("strong", revision.name), ": ", said, revision.about["verdict"][-1])


def scores(revisions: Sequence[Revision]) -> Markup:
    """Network and baselines of every revision, on the test part."""
    unit = revisions[0].about["unit"]
    rows = [
        [
            f"{revision.name}: {name}",
            f"{found['mean_delta']:.1%}",
            *(f"{found[key]:.3g}" for key in ("mae", "rmse", "r2")),
        ]
        for revision in revisions
        for name, found in {"network": revision.metrics["test"], **revision.metrics["baselines"]}.items()
    ]
    meaning = [tag("li", tag("strong", name), ": ", text) for name, text in MEANING.items()]
    head = ["forecast", "mean delta", f"MAE ({unit})", f"RMSE ({unit})", "R²"]
    return Markup(table("Scores", head, rows) + tag("ul", *meaning, class_="soft"))


def parameters(revisions: Sequence[Revision]) -> Markup:
    """What differs between the revisions, and how each training ended."""
    differ = differences([revision.params for revision in revisions])
    rows = [[key, *map(shown, values)] for key, values in differ.items()]
    ends = [revision.outcome for revision in revisions]
    rows.append(["epochs trained", *(end["epochs"] for end in ends)])
    rows.append(["epoch that was kept", *(end["best"]["epoch"] for end in ends)])
    rows.append(["stopped by", *(end["stopped_by"] for end in ends)])
    whole = table("All parameters", ["parameter", "value"], [[k, shown(v)] for k, v in revisions[0].params.items()])
    details = tag("details", tag("summary", f"All parameters of {revisions[0].name}"), whole)
    return Markup(
        table("Parameters that differ", ["parameter", *(revision.name for revision in revisions)], rows) + details
    )


def data(revision: Revision) -> dict[str, Any]:
    """Where the rows come from, and how they are cut: label -> value."""
    series, windows = revision.series, revision.windows
    unit, parts = series["units"]["target"], windows["splits"][0]
    counts = " / ".join(str(parts[name]["windows"]) for name in ("train", "validation", "test"))
    return {
        "source": series["source"]["name"],
        "MD5 of the source": series["source"]["md5"],
        "rows": f"{series['rows']:,}",
        "span": f"{sum(windows['first_targets']):,.1f} {unit}" if windows["countdown"] else "no clock in the file",
        "failures": len(series["failures"]),
        "read": f"{', '.join(series['signal'])} ({series['units']['signal']})",
        "learnt": f"{', '.join(series['target'])} ({unit})",
        "a step is": f"{windows['samples_per_step']} samples: {', '.join(windows['features'])}",
        "windows of train, validation, test": counts,
        "cycles of the test part": revision.metrics["counts"]["test_cycles"],
    }


def datasets(revisions: Sequence[Revision]) -> Markup:
    """Compare the data of the revisions; a row that is the same for all is said once."""
    columns = [data(revision) for revision in revisions]
    rows = [[label, *(column[label] for column in columns)] for label in columns[0]]
    said = [row if len(set(row[1:])) > 1 else [*row[:2], *["as before"] * (len(row) - 2)] for row in rows]
    return table("Data", ["data", *(revision.name for revision in revisions)], said)


def provenance(revisions: Sequence[Revision]) -> Markup:
    """Exact commit, digest of the lock, the commands that make it again, and what this page was made with."""
    parts = []
    for revision in revisions:
        changes = differences([revision.base_params, revision.params])
        sets = [f"-S {shlex.quote(f'{key}={yaml_value(new)}')}" for key, (_, new) in changes.items()]
        run = f"dvc exp run {' '.join(sets)}" if sets else "dvc repro"
        rows = [
            ["commit", tag("code", revision.commit, " and changes that are not committed" if revision.changed else "")],
            ["made on", git("show", "-s", "--format=%cI", revision.commit)],
            ["SHA-256 of dvc.lock", tag("code", revision.lock_digest)],
        ]
        commands = f"git checkout {revision.base}\nmake install && . .venv/bin/activate\n{run}"
        origin = table(f"Origin of {revision.name}", ["origin", "value"], rows)
        parts += [tag("h3", revision.name), origin, tag("pre", tag("code", commands), tabindex="0")]
    machine = f"{platform.system()} {platform.release()}, {platform.machine()}, {os.cpu_count()} CPU cores"
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "dvc"))
    here = f"This page was put together on: {machine}, with {versions}."
    return Markup("".join(parts) + tag("p", here, class_="soft"))


def yaml_value(value: Any) -> str:
    """Write a value as `dvc exp run -S` takes it."""
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("\n").removesuffix("\n...")


def page(revisions: Sequence[Revision], drawings: dict[str, str]) -> str:
    """Put the whole page together from what was read, and from SVG drawings: plot id -> SVG."""
    names = ", ".join(revision.name for revision in revisions)
    drawn = [picture("svg+xml", text.encode(), f"{name}: {names}") for name, text in drawings.items()]
    inside = [
        picture("png", content, f"{PurePosixPath(path).stem}: {revision.name}")
        for revision in revisions
        for path, content in revision.pictures.items()
    ]
    sections = {
        "The question": tag("p", QUESTION),
        "The answer": Markup("".join(map(in_words, revisions))),
        "Beside the baselines": scores(revisions),
        "What differs": parameters(revisions),
        "The data": datasets(revisions),
        "Charts": tag("div", *drawn, class_="pictures"),
        "Pictures": tag("div", *inside, class_="pictures"),
        "Where it comes from, and how to make it again": provenance(revisions),
    }
    body = [tag("section", tag("h2", title), content, class_="wide") for title, content in sections.items()]
    header = tag("header", tag("h1", "When is the next laboratory earthquake?"), tag("p", f"Report on {names}"))
    head = [
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        tag("title", f"Laboratory earthquakes: {names}"),
        Markup(f"<style>{STYLE.read_text(encoding='utf-8')}</style>"),
    ]
    return f'<!DOCTYPE html>\n<html lang="en">{tag("head", *head)}{tag("body", header, tag("main", *body))}</html>\n'


def main() -> None:
    """Write the report of the workspace and of the revisions that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revisions", nargs="*", metavar="REVISION", help="commit, branch, tag or experiment")
    parser.add_argument("--out", type=Path, default=Path("dvc_plots/report.html"))
    arguments = parser.parse_args()
    names = list(dict.fromkeys([WORKSPACE, *arguments.revisions]))
    try:
        revisions = [read(name) for name in names]
        drawings = {name: charts.svg(chart) for name, chart in charts.specifications(names).items()}
    except ReadError as error:
        parser.exit(1, f"error: {error}\n")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(page(revisions, drawings), encoding="utf-8")
    print(arguments.out)


if __name__ == "__main__":
    main()
