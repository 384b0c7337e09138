"""Compare two revisions window by window: an interval tells whether their errors differ by more than chance."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reports.revisions import ReadError, Revision

Floats = npt.NDArray[np.float64]
RESAMPLES = 2000
CAVEAT = "The interval covers the choice of the windows, not that of the network's seed."


@dataclass(frozen=True)
class Gain:
    """How much smaller the mean absolute error of the second revision is, on the windows that both forecast."""

    windows: int
    errors: tuple[float, float]  # mean absolute error of each
    low: float  # 95 % interval of the first less the second
    high: float
    block: int  # windows that are resampled together

    @property
    def verdict(self) -> str:
        """What the interval says: {} stands for the first revision."""
        if self.low == self.high == 0:
            return "errs as {} does"
        if self.low <= 0 <= self.high:
            return "differs from {} by no more than chance"
        return "is better than {}" if self.low > 0 else "is worse than {}"


def gain(one: Revision, other: Revision) -> Gain:
    """Compare two revisions window by window.

    Windows that share steps are resampled together, in blocks that go round the end (D. N. Politis and J. P. Romano,
    A circular block-resampling procedure for stationary data, 1992).

    Raises
    ------
    ReadError
        If they have no window with the same time and actual value in common.
    """
    labels = [list(zip(r.forecasts["time"], r.forecasts["actual"], strict=True)) for r in (one, other)]
    common = set(labels[0]) & set(labels[1])
    if not common:
        raise ReadError(f"{one.name} and {other.name} forecast no window in common")
    errors = []
    for revision, own in zip((one, other), labels, strict=True):
        rows = [label in common for label in own]
        errors.append(np.abs(revision.forecasts["predicted"] - revision.forecasts["actual"])[rows])
    sizes = (-(-revision.windows["seq_len"] // revision.windows["stride"]) for revision in (one, other))
    block = min(len(common), max(sizes))
    low, high = np.quantile(resampled_means(errors[0] - errors[1], block), (0.025, 0.975))
    first, second = (float(error.mean()) for error in errors)
    return Gain(len(common), (first, second), float(low), float(high), block)


def resampled_means(values: Floats, block: int) -> Floats:
    """Return means of values (N,) that depend on their neighbours, each from blocks drawn at random: (RESAMPLES,)."""
    starts = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, -(-len(values) // block)))
    rows = (starts[..., None] + np.arange(block)) % len(values)
    means: Floats = values[rows].mean(axis=(1, 2))
    return means


def in_words(one: Revision, other: Revision) -> str:
    """Return what the comparison says, in a sentence."""
    unit = other.predictions["unit"]
    try:
        found = gain(one, other)
    except ReadError as error:
        return f"No 95 % interval: {error}."
    counts = {len(revision.forecasts["time"]) for revision in (one, other)}
    shared = "the same" if counts == {found.windows} else "the"
    before, after = found.errors
    return (
        f"{other.name} {found.verdict.format(one.name)}: on {shared} {found.windows} windows of the test set that both "
        f"forecast, the mean absolute error is {after:.3g} {unit} instead of {before:.3g} {unit}, a gain of "
        f"{before - after:.3g} {unit} (95 % interval {found.low:.3g} to {found.high:.3g}; blocks of {found.block} "
        "windows, which share steps)."
    )
