"""Arrays -> matplotlib Figures; the data tell which of them there are to draw."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from recurrent.plot import forecast, free_running, matrices, training
from recurrent.plot._style import Table


def draw(
    history: Table, summary: Mapping[str, Any], description: Mapping[str, Any], tables: Mapping[str, Table]
) -> dict[str, Figure]:
    """Draw every picture that applies: name -> Figure.

    Parameters
    ----------
    history, summary : history.csv and training.json of the training
    description : predictions/meta.json
    tables : the CSV files beside it: predictions, and where the network ran on its own output, free_running,
        error_by_lead_time and single_run
    """
    rows, targets, unit = tables["predictions"], description["target"], description["unit"]
    best_epoch = summary["best"]["epoch"]
    pictures = {"training": training.training(history, target_delta=summary["target_delta"], best_epoch=best_epoch)}
    if "confusion" in description:
        counts = np.array(description["confusion"], np.float64)
        pictures["confusion"] = matrices.confusion(description["classes"], counts)
    if "predicted" in rows:  # one quantity
        names, labels = description["baselines"], {"target": targets[0], "unit": unit}
        best = min(names, key=lambda name: float(np.abs(rows[name] - rows["actual"]).mean()))
        pictures["forecast"] = forecast.forecast(rows, **labels, time_unit=description["time_unit"], baseline=best)
        pictures["error"] = forecast.error(rows, **labels, baselines=names)
    if "error_by_lead_time" in tables:
        pictures["error_by_lead_time"] = free_running.error_by_lead_time(tables["error_by_lead_time"], unit=unit)
        if len(targets) == 1:
            runs = tables["free_running"], tables["single_run"]
            pictures["free_running_overview"] = free_running.overview(rows, *runs, target=targets[0], unit=unit)
        else:
            pictures["path"] = free_running.path(rows, tables["free_running"], targets=targets, unit=unit)
    if "correlations" in description:
        table = description["correlations"]
        pictures["correlations"] = matrices.correlations(table["names"], np.array(table["values"]))
    if "most_wrong" in description:
        pictures["most_wrong"] = matrices.most_wrong(description["most_wrong"])
    return pictures
