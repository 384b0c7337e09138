"""Charts of dvc.yaml for any revisions, as Vega-Lite, drawn without a browser."""

import json
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from copy import deepcopy
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


def narrow(specification: dict[str, Any], width: int = 220) -> dict[str, Any]:
    """Return the chart for a telephone: less wide, the legend's entries below each other."""
    copy = deepcopy(specification)
    (copy["spec"] if "facet" in copy else copy)["width"] = width
    legend = copy.setdefault("config", {}).setdefault("legend", {})
    legend |= {"layout": {"top": {"direction": "vertical"}}, "columns": 1}
    copy["config"].setdefault("axisX", {}).update(tickCount=4, titleLimit=width + 40)
    if isinstance(copy.get("title"), str):
        copy["title"] = {"text": textwrap.wrap(copy["title"], 34)}
    return copy


def svg(specification: dict[str, Any]) -> str:
    """Return the chart as SVG text."""
    return str(vl_convert.vegalite_to_svg(specification))


def png(specification: dict[str, Any]) -> bytes:
    """Return the chart as PNG on white, for pages that accept no SVG."""
    return bytes(vl_convert.vegalite_to_png(specification | {"background": "white"}, scale=1.5))
