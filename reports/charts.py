"""Charts of dvc.yaml for any revisions, as Vega-Lite, drawn without a browser."""

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import vl_convert

from reports.revisions import WORKSPACE, ReadError


def specifications(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return DVC's charts of these revisions, data included: plot id -> Vega-Lite.

    Raises
    ------
    ReadError
        If DVC cannot draw them, for example because a template is missing.
    """
    command = ["show"] if list(names) == [WORKSPACE] else ["diff", *names]
    done = subprocess.run([sys.executable, "-m", "dvc", "plots", *command, "--json"], capture_output=True, text=True)
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if line.startswith("ERROR")), done.stderr)
        raise ReadError(f"dvc plots {' '.join(command)}: {reason}")
    plots = json.loads(done.stdout)["data"]
    return {
        name.rpartition("::")[2]: chart["content"]
        for name, charts in plots.items()
        for chart in charts
        if chart["type"] == "vega"
    }


def svg(specification: dict[str, Any]) -> str:
    """Return the chart as SVG text."""
    return str(vl_convert.vegalite_to_svg(specification))


def png(specification: dict[str, Any]) -> bytes:
    """Return the chart as PNG on white, for pages that accept no SVG."""
    return bytes(vl_convert.vegalite_to_png(specification | {"background": "white"}, scale=1.5))
