"""How often the actual value lies inside the interval of its forecast, on the test part."""

import numpy as np

from recurrent.evaluate import baselines
from recurrent.evaluate.scoring import SplitResult
from recurrent.evaluate.truth import Scores
from recurrent.network.interval import COVERAGE
from recurrent.numerics import mean


def coverage(result: SplitResult) -> Scores:
    """Return the nominal share, the share of windows inside, and the mean width in the target's unit.

    Of a countdown also by cycle, as windows of a cycle err alike: the mean over cycles, and the lowest.
    """
    if result.interval is None:
        raise ValueError("a forecast without an interval")
    lower, upper = result.interval
    inside = ((lower <= result.truth.actual) & (result.truth.actual <= upper)).astype(np.float64)
    found = {"nominal": COVERAGE, "coverage": float(mean(inside)), "mean_width": float(mean(upper - lower))}
    if result.windows.meta.countdown:
        cycle, _ = baselines.cycles(result.windows, result.windows.last_steps("test"))
        by_cycle = [float(mean(inside[cycle == one])) for one in np.unique(cycle)]
        found |= {"coverage_by_cycle": float(mean(by_cycle)), "lowest_coverage_of_a_cycle": min(by_cycle)}
    return found
