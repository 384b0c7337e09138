"""Print the experiments as a table of at most 100 columns: their scores, and how their parameters differ from HEAD's.

python -m reports.experiments [options of `dvc exp show`, e.g. --all-commits]
"""

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from reports.compare import shown
from reports.revisions import dotted

WIDTH = 100
SCORES = {"test": "test.mean_delta", "validation": "validation.mean_delta", "skill": "skill"}
Row = tuple[str, Mapping[str, Any] | None]  # name, and what DVC tells about it


def rows(shown_by_dvc: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return workspace, commits and experiments in DVC's order; None for one that failed or still runs."""
    found: list[Row] = []
    for commit in shown_by_dvc:
        found.append((commit["name"] or commit["rev"][:9], commit["data"]))  # "workspace" or a commit
        for experiment in commit["experiments"] or []:
            last = experiment["revs"][0]
            found.append((experiment["name"] or last["rev"][:9], last["data"]))
    return found


def values(data: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return params or metrics of all files: dotted key -> value."""
    files = (content.get("data") or {} for content in data[kind].values())
    return {key: value for content in files for key, value in dotted(content).items()}


def table(found: list[Row]) -> str:
    """Return the lines: name, scores, parameters that differ from those of the last commit."""
    committed = next((data for name, data in found[1:] if data), found[0][1])
    usual = values(committed, "params") if committed else {}
    lines, names = [], max(len("experiment"), *(min(30, len(name)) for name, _ in found))
    head = f"{'experiment':<{names}} " + "".join(f" {score:>10}" for score in SCORES) + "  parameters that differ"
    for name, data in found:
        if data is None:
            lines.append(f"{name:<{names}}  no results: it failed, waits or still runs")
            continue
        own, scores = values(data, "params"), values(data, "metrics")
        words = [f"{key}={shown(value)}" for key, value in own.items() if usual.get(key, ...) != value]
        words += [f"without {key}" for key in usual if key not in own]
        numbers = (scores.get(path) for path in SCORES.values())
        begin = f"{name[:30]:<{names}} " + "".join(f" {'-' if n is None else f'{n:.1%}':>10}" for n in numbers) + "  "
        wrapped = textwrap.wrap(" ".join(words), WIDTH - len(begin)) or [""]
        lines += [begin + wrapped[0], *(" " * len(begin) + line for line in wrapped[1:])]
    return "\n".join(line.rstrip() for line in [head, *lines])


def main() -> None:
    """Print the table."""
    command = [sys.executable, "-m", "dvc", "exp", "show", "--json", *sys.argv[1:]]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: {' '.join(command[2:])}: {done.stderr.strip()}")
    print(table(rows(json.loads(done.stdout))))
    print("\nmean delta on test and validation set; skill: error below that of the best baseline")


if __name__ == "__main__":
    main()
