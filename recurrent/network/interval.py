"""An interval around each forecast, from the errors on validation: split conformal prediction, by size of the forecast.

V. Vovk, A. Gammerman, G. Shafer, Algorithmic Learning in a Random World (2005), chapter 4.6: forecasts are sorted into
categories (here of equally many validation windows, by the forecast), and the errors of a category give its interval.
So the width depends on the forecast, and no distribution is assumed, except that unseen windows are like validation's.
Legend of shapes: N windows, K targets.
"""

from dataclasses import dataclass

import numpy as np

from recurrent.storage.meta import Meta
from recurrent.storage.npy import Array

COVERAGE = 0.9  # nominal
CATEGORY = 100  # validation windows that a category has at least
MOST = 10  # categories


@dataclass(frozen=True)
class Interval(Meta):
    """For each target, categories of forecasts and what is added to a forecast of each.

    Parameters
    ----------
    coverage : nominal share of labels inside
    borders : (K, C - 1) forecasts between two categories, ascending
    lower, upper : (K, C) in the target's unit
    """

    coverage: float
    borders: tuple[tuple[float, ...], ...]
    lower: tuple[tuple[float, ...], ...]
    upper: tuple[tuple[float, ...], ...]

    @classmethod
    def fit(cls, predicted: Array, actual: Array) -> "Interval | None":
        """Fit to forecasts of windows that training did not learn from, and their labels, (N, K).

        Returns
        -------
        None where there are too few windows for the coverage, 2 / (1 - coverage) - 1
        """
        if len(predicted) + 1 < round(2 / (1 - COVERAGE)):
            return None
        fitted = [_of_target(*columns) for columns in zip(predicted.T, actual.T, strict=True)]
        borders, lower, upper = (tuple(map(tuple, part)) for part in zip(*fitted, strict=True))
        return cls(COVERAGE, borders, lower, upper)

    def around(self, predicted: Array) -> tuple[Array, Array]:
        """Return the lower and upper ends for forecasts (N, K)."""
        category = [
            np.searchsorted(border, of, side="right") for border, of in zip(self.borders, predicted.T, strict=True)
        ]
        lower, upper = (
            np.stack([np.array(of)[which] for of, which in zip(ends, category, strict=True)], axis=1)
            for ends in (self.lower, self.upper)
        )
        return predicted + lower, predicted + upper


def _of_target(predicted_N: Array, actual_N: Array) -> tuple[list[float], list[float], list[float]]:
    """Return borders, lower and upper of one target."""
    count = min(MOST, max(1, len(predicted_N) // CATEGORY))
    order = np.argsort(predicted_N, kind="stable")
    categories = np.array_split(order, count)
    borders = [float(predicted_N[members[0]]) for members in categories[1:]]
    lower, upper = [], []
    for members in categories:
        errors = np.sort(actual_N[members] - predicted_N[members])
        rank = int((len(errors) + 1) * (1 - COVERAGE) / 2 + 1e-9)  # from 1; beyond it lies the error of 5 % at most
        lower.append(float(errors[rank - 1]))
        upper.append(float(errors[-rank]))
    return borders, lower, upper
