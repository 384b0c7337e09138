"""Arrays -> matplotlib Figures; the data tell which of them there are to draw."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from recurrent.plot import attribution, forecast, free_running, matrices, training
from recurrent.plot._style import Table, name_left_out


def draw(
    history: Table, summary: Mapping[str, Any], description: Mapping[str, Any], tables: Mapping[str, Table]
) -> dict[str, Figure]:
    """Draw every picture that applies: name -> Figure.

    Parameters
    ----------
    history, summary : history.csv and training.json of the training
    description : predictions/meta.json
    tables : the CSV files beside it: predictions, attribution where there is a gradient, and where the network ran on
        its own output, free_running, error_by_lead_time and single_run
    """
    rows, targets, unit = tables["predictions"], description["target"], description["unit"]
    names, countdown = description["baselines"], description["time_unit"] != "row"  # only a countdown tells the time
    about = {"countdown": countdown, "of_classes": "classes" in description}
    end = {"target_delta": summary["target_delta"], "best_epoch": summary["best"]["epoch"]}
    pictures = {"training": training.training(history, **end, **about)}
    if "confusion" in description:
        counts = np.array(description["confusion"], np.float64)
        pictures["confusion"] = matrices.confusion(description["classes"], counts)
        name_left_out(pictures["confusion"], names)
    if "predicted" in rows:  # one quantity
        labels = {"target": targets[0], "unit": unit, "baselines": names}
        best = min(names, key=lambda name: float(np.abs(rows[name] - rows["actual"]).mean()))
        pictures["forecast"] = forecast.forecast(rows, **labels, time_unit=description["time_unit"], baseline=best)
        pictures["error"] = forecast.error(rows, **labels, countdown=countdown)
    if "attribution" in tables:
        about_forecasts = {"target": targets[0], "unit": unit, "time_unit": description["time_unit"]}
        pictures["attribution"] = attribution.attribution(tables["attribution"], **about_forecasts)
    if "error_by_lead_time" in tables:
        ahead = tables["error_by_lead_time"]
        pictures["error_by_lead_time"] = free_running.error_by_lead_time(ahead, unit=unit)
        name_left_out(pictures["error_by_lead_time"], [name for name in names if name not in ahead])
        if len(targets) == 1:
            runs = tables["free_running"], tables["single_run"]
            pictures["free_running_overview"] = free_running.overview(rows, *runs, target=targets[0], unit=unit)
            name_left_out(pictures["free_running_overview"], names)
        else:
            pictures["path"] = free_running.path(rows, tables["free_running"], targets=targets, unit=unit)
            name_left_out(pictures["path"], names)
    if "correlations" in description:
        table = description["correlations"]
        pictures["correlations"] = matrices.correlations(table["names"], np.array(table["values"]))
    if "most_wrong" in description:
        pictures["most_wrong"] = matrices.most_wrong(description["most_wrong"])
    return pictures
