"""How often the actual value lies inside the interval of its forecast, on the test part."""

import numpy as np
import numpy.typing as npt

from recurrent.evaluate import baselines
from recurrent.evaluate.truth import Scores
from recurrent.network.interval import COVERAGE
from recurrent.numerics import mean
from recurrent.window.windows import Windows

Floats = npt.NDArray[np.float64]


def coverage(windows: Windows, actual: Floats, interval: tuple[Floats, Floats]) -> Scores:
    """Return the nominal share, the share of windows inside, and the mean width in the target's unit.

    Of a countdown also by cycle, as windows of a cycle err alike: the mean over cycles, and the lowest.

    Parameters
    ----------
    actual, interval : labels of the test part, and the lower and upper ends around their forecasts, (N, K)
    """
    lower, upper = interval
    inside = ((lower <= actual) & (actual <= upper)).astype(np.float64)
    found = {"nominal": COVERAGE, "coverage": float(mean(inside)), "mean_width": float(mean(upper - lower))}
    if windows.meta.countdown:
        cycle, _ = baselines.cycles(windows, windows.last_steps("test"))
        by_cycle = [float(mean(inside[cycle == one])) for one in np.unique(cycle)]
        found |= {"coverage_by_cycle": float(mean(by_cycle)), "lowest_coverage_of_a_cycle": min(by_cycle)}
    return found
