"""Arrays -> matplotlib Figures; which of them there are to draw, the data say."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from recurrent.plot import forecast, matrices
from recurrent.plot import free_running as ahead
from recurrent.plot import training as history
from recurrent.plot._style import Columns


def draw(
    log: Columns, ending: Mapping[str, Any], about: Mapping[str, Any], tables: Mapping[str, Columns]
) -> dict[str, Figure]:
    """Draw every picture that applies: name -> Figure.

    Parameters
    ----------
    log, ending : history.csv and training.json of the training
    about : predictions/meta.json
    tables : the CSV files beside it: predictions, and where the network ran on its own output, free_running,
        horizon and single_run
    """
    rows, targets, unit = tables["predictions"], about["target"], about["unit"]
    found = {"training": history.training(log, target_delta=ending["target_delta"], best_epoch=ending["best"]["epoch"])}
    if "confusion" in about:
        found["confusion"] = matrices.confusion(about["classes"], np.array(about["confusion"], np.float64))
    if "predicted" in rows:  # one quantity
        best = min(about["baselines"], key=lambda name: float(np.abs(rows[name] - rows["actual"]).mean()))
        labels = {"target": targets[0], "unit": unit}
        found["forecast"] = forecast.forecast(rows, **labels, time_unit=about["time_unit"], baseline=best)
        found["error"] = forecast.error(rows, **labels, baselines=about["baselines"])
    if "horizon" in tables:
        found["horizon"] = ahead.horizon(tables["horizon"], unit=unit)
        if len(targets) == 1:
            runs = tables["free_running"], tables["single_run"]
            found["three_ways"] = ahead.fans(rows, *runs, target=targets[0], unit=unit)
        else:
            found["path"] = ahead.path(rows, tables["free_running"], targets=targets, unit=unit)
    if "correlations" in about:
        table = about["correlations"]
        found["correlations"] = matrices.correlations(table["names"], np.array(table["values"]))
    if "most_wrong" in about:
        found["most_wrong"] = matrices.most_wrong(about["most_wrong"])
    return found
