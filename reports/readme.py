"""Update the README: its table from metrics/quake.json, its pictures from plots/quake.

python -m reports.readme
"""

import json
import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PICTURES = ("training", "forecast", "error", "attribution")


def table(metrics: dict[str, Any]) -> str:
    """Return Markdown: the network and each baseline on the test set, worst first."""
    rows = metrics["baselines"] | {"**RNN of `nn.Linear`**": metrics["test"]}
    lines = ["| forecast | mean delta | mean absolute error | R² |", "| --- | --- | --- | --- |"]
    for name, scores in sorted(rows.items(), key=lambda row: -row[1]["mean_delta"]):
        lines.append(f"| {name} | {scores['mean_delta']:.1%} | {scores['mae']:.2f} s | {scores['r2']:.2f} |")
    counts = metrics["counts"]
    lines.append("")
    lines.append(
        f"{counts['test_windows']} windows on {counts['test_cycles']} unseen earthquakes; the network's error is "
        f"{metrics['skill']:.0%} below that of the best baseline."
    )
    return "\n".join(lines)


def fill(page: str, name: str, text: str) -> str:
    """Replace the text between the markers `name` of a Markdown page."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, marker, rest = page.partition(begin)
    if not marker or end not in rest:
        raise SystemExit(f"the page has no markers {begin} ... {end}")
    return f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}"


def between(page: str, name: str) -> str:
    """Return the text between the markers `name` of a Markdown page."""
    return page.partition(f"<!-- {name} -->\n")[2].partition(f"\n<!-- end of {name} -->")[0]


def main() -> None:
    """Rewrite README.md and docs/pictures."""
    readme = ROOT / "README.md"
    metrics = json.loads((ROOT / "metrics" / "quake.json").read_text())
    readme.write_text(fill(readme.read_text(), "results", table(metrics)))
    for name in PICTURES:
        shutil.copyfile(ROOT / "plots" / "quake" / f"{name}.png", ROOT / "docs" / "pictures" / f"{name}.png")


if __name__ == "__main__":
    main()
