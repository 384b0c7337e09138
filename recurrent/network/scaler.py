"""Scaling to zero mean and unit spread: fitted on train only, undone before any number is reported."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from recurrent.numerics import mean, total
from recurrent.storage.npy import Array


@dataclass(frozen=True)
class Scaler:
    """One mean and one scale per column; a column that never changes keeps its scale."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def fit(cls, blocks: Iterable[Array]) -> "Scaler":
        """Fit to blocks (n, D), read once, in float64 (Chan et al. 1979, so that large means do no harm)."""
        count, middle, squares = 0, np.zeros(1), np.zeros(1)
        for block in blocks:
            n, block_mean = len(block), mean(block, axis=0)
            apart, own = block_mean - middle, block - block_mean
            together = count + n
            squares = squares + total(own * own, axis=0) + apart * apart * count * n / together
            middle, count = middle + apart * n / together, together
        if not count:
            raise ValueError("no rows to fit a scaler on")
        spread = np.sqrt(squares / count)
        return cls(tuple(middle.tolist()), tuple(np.where(spread > 0, spread, 1.0).tolist()))

    @classmethod
    def around_zero(cls, values: Array) -> "Scaler":
        """Fit the scale alone to (n, D), as the root mean square: 0 stays 0."""
        spread = np.sqrt(mean(np.square(values, dtype=np.float64), axis=0))
        return cls((0.0,) * len(spread), tuple(np.where(spread > 0, spread, 1.0).tolist()))

    def transform(self, values: Array) -> Array:
        """(..., D) in their own units -> (..., D) float32 for a network; ValueError where float32 cannot hold them."""
        try:
            with np.errstate(over="raise"):
                return ((values - np.array(self.mean)) / np.array(self.scale)).astype(np.float32)
        except FloatingPointError:
            expected = f"less than float32's largest number times {self.scale}, the spread of train, from its mean"
            raise ValueError(f"found a value of {np.abs(values).max():g}, expected {expected}") from None

    def inverse(self, scaled: Array) -> Array:
        """(..., D) from a network -> (..., D) float64 in their own units."""
        return scaled.astype(np.float64) * np.array(self.scale) + np.array(self.mean)

    @classmethod
    def identity(cls, columns: int) -> "Scaler":
        """Change nothing: for the numbers of words and of classes."""
        return cls((0.0,) * columns, (1.0,) * columns)
