"""Compare two revisions in Markdown, for a pull request, with charts of both as PNG.

python -m reports.compare HEAD long [--out dvc_plots/compare]
"""

import argparse
import html
import re
from pathlib import Path
from typing import Any

from reports import charts, paired
from reports.revisions import ReadError, Revision, differences, dotted, read


def escaped(text: str) -> str:
    """Return text that Markdown and HTML show as it is, in one line."""
    return re.sub(
        r"([\\`*\[\]|~#]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", html.escape(" ".join(text.split()), quote=False)
    )


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; the first column is text, the others are numbers."""
    lines = [[escaped(cell) for cell in line] for line in (head, *rows)]
    lines.insert(1, ["---", *["---:"] * (len(head) - 1)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def shown(value: Any) -> str:
    """Return a float with four significant digits, everything else as it is in the file."""
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def change(before: Any, after: Any) -> str:
    """Return the relative change of a number in per cent; empty if there is none."""
    numbers = all(isinstance(value, int | float) for value in (before, after))
    return f"{(after - before) / abs(before):+.1%}" if numbers and before else ""


def compare(one: Revision, other: Revision, pictures: list[str]) -> str:
    """Return the page: parameters and metrics that differ, baselines, charts."""
    names = [one.name, other.name]
    params = differences([one.params, other.params])
    scores = [dotted({k: v for k, v in r.metrics.items() if k not in ("baselines", "counts")}) for r in (one, other)]
    errors = [dotted(r.metrics["baselines"]) for r in (one, other)]
    baselines = [key for key in dict.fromkeys([*errors[0], *errors[1]]) if key.endswith(("mean_delta", "mae"))]
    parts = [
        f"## {escaped(f'{other.name} against {one.name}')}",
        f"{escaped(paired.in_words(one, other))} {paired.CAVEAT}",
        "### Parameters that differ",
        table(["parameter", *names], [[key, *map(shown, pair)] for key, pair in params.items()]) if params else "None.",
        "### Metrics that differ",
    ]
    differ = [[key, *map(shown, pair), change(*pair)] for key, pair in differences(scores).items()]
    parts += [table(["metric", *names, "change"], differ) if differ else "None.", "### Baselines on the test set"]
    parts.append(table(["baseline", *names], [[key, *(shown(tree.get(key)) for tree in errors)] for key in baselines]))
    parts += [escaped(f"{r.name}: {r.commit[:10]}. {r.predictions['summary'][-1]}") for r in (one, other)]
    return "\n\n".join([*parts, *(f"![{Path(path).stem}]({path})" for path in pictures)]) + "\n"


def main() -> None:
    """Write comparison.md and the charts to a folder; print the Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revisions", nargs=2, metavar="REVISION", help="workspace, commit, branch, tag or experiment")
    parser.add_argument("--out", type=Path, default=Path("dvc_plots/compare"))
    arguments = parser.parse_args()
    try:
        one, other = (read(name) for name in arguments.revisions)
        drawn = charts.specifications(arguments.revisions)
    except ReadError as error:
        parser.exit(1, f"error: {error}\n")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, specification in drawn.items():
        (arguments.out / f"{name}.png").write_bytes(charts.png(specification))
    text = compare(one, other, [f"{name}.png" for name in drawn])
    (arguments.out / "comparison.md").write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
