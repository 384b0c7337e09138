"""Which steps a forecast rests on: gradient times input, by one backward pass.

To first order it is what a step adds to the forecast, against one that is as loud as train is on average (A. Shrikumar,
P. Greenside, A. Kundaje, Not just a black box, arXiv:1605.01713, 2016). What is measured now, to which a forecast of a
change is added, is not part of it.
Legend of shapes: B windows, T steps, K targets.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from recurrent.evaluate.prediction_tables import time_axis
from recurrent.network.predictor import Network
from recurrent.numerics import mean
from recurrent.window.windows import Windows

WINDOWS = 400  # the first of the test part


def tables(windows: Windows, networks: Sequence[Network]) -> dict[str, dict[str, npt.NDArray[np.float64]]]:
    """Return the table `attribution`: for each step what it adds to the forecast of the first target, by window.

    Its column `time` is that of the window's label; a step's is named by the time from its end to that of the window,
    in the same unit. No table where windows differ in length, have but one step, or a network has no such gradient.
    """
    count = min(WINDOWS, windows.parts["test"].windows)
    batch, steps = windows.gather("test", np.arange(count), all_steps=False), windows.last_steps("test")[:count]
    if batch.lengths is not None or batch.signal.shape[1] == 1 or count == 1:
        return {}
    found = [own for network in networks if (own := network.attribution(batch.signal)) is not None]
    if len(found) < len(networks):
        return {}
    scale_B1 = np.broadcast_to(batch.scale, batch.labels.shape)[:, -1, :1]
    time = time_axis(windows, "test")[0][:count]
    of_step = np.median(np.diff(time) / np.diff(steps))
    columns = (mean(found, axis=0) * scale_B1).T
    names = [repr(float(of_step * before)) for before in reversed(range(len(columns)))]
    return {"attribution": {"time": time, **dict(zip(names, columns, strict=True))}}
