"""Write one HTML file on the workspace and on named experiments: question, parameters, data and results.

    python -m reports.report [REVISION ...] [--out dvc_plots/report.html]

The file needs no other file and no network: charts are SVG, pictures and page.js are embedded. The layout is in
report.html; Jinja escapes every value.
"""

import argparse
import base64
import math
import os
import platform
import re
import shlex
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

import jinja2
import yaml

from reports import charts, paired, study_words
from reports.compare import shown
from reports.revisions import WORKSPACE, ReadError, Revision, differences, git, read

PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)
PAGES.tests["numeric"] = lambda cell: numeric(cell)


def in_words(revision: Revision) -> str:
    """Return the result of one revision as a sentence."""
    test, best = revision.metrics["test"], revision.best_baseline
    other = revision.metrics["baselines"][best]
    unit = revision.predictions["unit"]
    return (
        f"the network is off by {test['mean_delta']:.1%} of the remaining time, {test['mae']:.3g} {unit} on average; "
        f"the best forecast without a network, {best}, by {other['mean_delta']:.1%} and {other['mae']:.3g} {unit}. "
        f"{revision.predictions['summary'][-1]}"
    )


SCORES = {
    "mean_delta": "mean delta: sum |forecast - actual| / sum |actual|, the error as a share of the remaining time",
    "mae": "MAE, mean absolute error",
    "rmse": "RMSE, root of the mean squared error, in which large errors weigh more",
    "r2": "R², share of the labels' variance that is explained: 1 is perfect, 0 is no better than their mean",
}


def scores(revisions: Sequence[Revision], key: str) -> list[list[str]]:
    """Return one score on the test set: a row per forecast, a column per revision, all with the same decimals."""
    scored = [{"network": revision.metrics["test"], **revision.metrics["baselines"]} for revision in revisions]
    forecasts = dict.fromkeys(name for column in scored for name in column)
    rows = {name: [column.get(name, {}).get(key) for column in scored] for name in forecasts}
    largest = max((abs(value) for row in rows.values() for value in row if value), default=1.0)
    form = ".1%" if key == "mean_delta" else f".{max(0, 2 - math.floor(math.log10(largest)))}f"
    return [[name, *("-" if value is None else f"{value:{form}}" for value in row)] for name, row in rows.items()]


def numeric(cell: object) -> bool:
    """Tell whether a cell is a number, which is aligned to the right."""
    return bool(re.fullmatch(r"-|[-+]?[\d.,]+(e[-+]?\d+)?%?", str(cell)))


def in_short(revisions: Sequence[Revision]) -> list[tuple[str, str]]:
    """Return each revision's name and its values of the parameters that differ."""
    differ = differences([revision.params for revision in revisions])
    return [
        (revision.name, ", ".join(f"{key} {shown(values[i])}" for key, values in differ.items()))
        for i, revision in enumerate(revisions)
    ]


def parameters(revisions: Sequence[Revision]) -> list[list[Any]]:
    """Return rows with the parameters that differ between the revisions, and how each training ended."""
    differ = differences([revision.params for revision in revisions])
    trainings = [revision.training for revision in revisions]
    return [
        *([key, *map(shown, values)] for key, values in differ.items()),
        ["epochs trained", *(training["epochs"] for training in trainings)],
        ["best epoch", *(training["best"]["epoch"] for training in trainings)],
        ["stopped by", *(training["stopped_by"] for training in trainings)],
    ]


def data(revision: Revision) -> dict[str, Any]:
    """Return the origin of the rows and how windows are made of them: label -> value."""
    series, windows = revision.series, revision.windows
    unit, parts = series["units"]["target"], windows["splits"][0]
    step = (
        f"{windows['samples_per_step']} samples: {', '.join(windows['statistics'])} of {', '.join(windows['signal'])}"
    )
    counts = " / ".join(str(parts[name]["windows"]) for name in ("train", "validation", "test"))
    return {
        "source": series["source"]["name"],
        "MD5 of the source": f"{series['source']['md5'][:10]} ...",
        "rows": f"{series['rows']:,}",
        "left out or unusual": accounted(revision.metrics.get("data", {})),
        "span": f"{sum(windows['first_targets']):,.1f} {unit}" if windows["countdown"] else "unknown",
        "failures": len(series["failures"]),
        "signal": f"{', '.join(series['signal'])} ({series['units']['signal']})",
        "target": f"{', '.join(series['target'])} ({unit})",
        "step": step,
        "windows of train, validation, test": counts,
        "cycles of the test set": revision.metrics["counts"]["test_cycles"],
    }


def accounted(counts: dict[str, Any]) -> str:
    """Return the rows that were left out, added or noted, each with its reason."""
    told = [(key, why, n) for key in ("dropped", "added", "noted") for why, n in counts.get(key, {}).items()]
    rest = [
        ("dropped", key, counts[key]) for key in ("rows_after_the_last_step", "steps_in_no_part") if counts.get(key)
    ]
    return "; ".join(f"{key}: {why.replace('_', ' ')} {n:g}" for key, why, n in (*told, *rest)) or "nothing"


def datasets(revisions: Sequence[Revision]) -> list[list[Any]]:
    """Compare the data of the revisions; where all have the same value it is given once."""
    columns = [data(revision) for revision in revisions]
    rows = [[label, *(column[label] for column in columns)] for label in columns[0]]
    return [row if len(set(row[1:])) > 1 else [*row[:2], *["same"] * (len(row) - 2)] for row in rows]


def made_on(revision: Revision) -> str:
    """Return the date of the revision's commit."""
    return git("show", "-s", "--format=%cI", revision.commit)


def commands(revision: Revision) -> str:
    """Return the commands that reproduce the revision."""
    changes = differences([revision.base_params, revision.params])
    sets = [f"-S {shlex.quote(f'{key}={yaml_value(new)}')}" for key, (_, new) in changes.items()]
    run = f"dvc exp run {' '.join(sets)}" if sets else "dvc repro"
    return f"git checkout {revision.base}\nmake install && . .venv/bin/activate\n{run}"


def yaml_value(value: Any) -> str:
    """Return a value as `dvc exp run -S` takes it."""
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("\n").removesuffix("\n...")


def embedded(kind: str, content: bytes) -> str:
    """Return a picture as a data URL."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def longer_sequences(docs: Path) -> tuple[str, str] | None:
    """Return the study's answer and its picture; None where there is no study."""
    study, picture = docs / "study.md", docs / "pictures" / "study-error.png"
    if not (study.exists() and picture.exists()):
        return None
    words = study_words.answer(study.read_text(encoding="utf-8")).replace("`", "")
    return words, embedded("png", picture.read_bytes())


def page(revisions: Sequence[Revision], drawings: dict[str, tuple[str, str]]) -> str:
    """Return the page for these revisions and SVG drawings: plot id -> SVG for a wide and for a narrow screen."""
    names = [revision.name for revision in revisions]
    return PAGES.get_template("report.html").render(
        revisions=revisions,
        names=names,
        unit=revisions[0].predictions["unit"],
        in_words=in_words,
        against=paired.in_words,
        caveat=paired.CAVEAT,
        longer=longer_sequences(Path("docs")),
        in_short=in_short(revisions),
        scores=[(key, title, scores(revisions, key)) for key, title in SCORES.items()],
        parameters=parameters(revisions),
        all_parameters=[[key, shown(value)] for key, value in revisions[0].params.items()],
        datasets=datasets(revisions),
        drawings=[
            (f"{name}: {', '.join(names)}", *(embedded("svg+xml", text.encode()) for text in texts))
            for name, texts in drawings.items()
        ],
        png_pictures=[
            [
                (f"{PurePosixPath(path).stem}: {revision.name}", embedded("png", revision.pictures[path]), "")
                for revision in revisions
                if path in revision.pictures
            ]
            for path in dict.fromkeys(path for revision in revisions for path in revision.pictures)
        ],
        made_on=made_on,
        commands=commands,
        machine=f"{platform.system()} {platform.release()}, {platform.machine()}, {os.cpu_count()} CPU cores",
        versions=", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "dvc")),
    )


def main() -> None:
    """Write the report of the workspace and of the revisions that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revisions", nargs="*", metavar="REVISION", help="commit, branch, tag or experiment")
    parser.add_argument("--out", type=Path, default=Path("dvc_plots/report.html"))
    arguments = parser.parse_args()
    names = list(dict.fromkeys([WORKSPACE, *arguments.revisions]))
    try:
        revisions = [read(name) for name in names]
        specifications = charts.specifications(names)
    except ReadError as error:
        parser.exit(1, f"error: {error}\n")
    drawings = {name: (charts.svg(chart), charts.svg(charts.narrow(chart))) for name, chart in specifications.items()}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(page(revisions, drawings), encoding="utf-8")
    print(arguments.out)


if __name__ == "__main__":
    main()
