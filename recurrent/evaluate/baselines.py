"""What a network must beat: forecasts that need no network, fitted on train only.

Legend of shapes: N windows, T steps, D features, K targets, C classes.
"""

from collections.abc import Callable, Collection, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from recurrent.evaluate.seasons import SeasonalWindows, lagged_steps
from recurrent.evaluate.trees import fit_trees, trees_apply
from recurrent.evaluate.truth import measured
from recurrent.evaluate.words import tfidf
from recurrent.network.ridge import fit_ridge
from recurrent.window.windows import Windows

Floats = npt.NDArray[np.float64]


def forecasts(
    windows: Windows,
    part: str,
    names: Collection[str],
    chosen_on: Windows,
    *,
    ridge_penalties: Sequence[float],
    moving_average: int,
    seasons: tuple[int, ...],
) -> dict[str, Floats]:
    """Forecast the end of each window with those baselines in `names` that apply: name -> (N, K), or (N, C).

    Parameters
    ----------
    chosen_on : windows whose validation selects settings: others where train of `windows` has learnt it

    Raises
    ------
    ValueError
        Where there are seasons, but nothing that the network reads has them.
    """
    meta, horizon = windows.meta, windows.parts[part].horizon
    if seasons and not (meta.measures_target and windows.equal_length):
        raise ValueError(
            f"evaluate.season is {list(seasons)}, expected []: it needs windows of equal length with targets that are "
            "also input columns, with samples_per_step 1"
        )
    candidates: list[tuple[str, str, object, Callable[[], Floats]]] = [
        ("class_prior", "", True, lambda: class_prior(windows, part)),
        ("tfidf", "", meta.vocabulary, lambda: tfidf(windows, part, chosen_on)),
        ("median", "", True, lambda: median(windows, part)),
        ("clock", "", meta.failures, lambda: clock(windows, part)),
        ("persistence", "", meta.measures_target, lambda: persistence(windows, part)),
        ("drift", "", meta.measures_target and horizon, lambda: drift(windows, part)),
        *(("seasonal_naive", f"_{n}", True, partial(seasonal_naive, windows, part, n)) for n in seasons),
        ("moving_average", "", meta.measures_target, lambda: moving(windows, part, moving_average)),
        ("ridge", "", windows.equal_length, lambda: ridge(windows, part, ridge_penalties, seasons)),
        ("boosted_trees", "", trees_apply(windows), lambda: fit_trees(windows, chosen_on).forecast(windows, part)),
    ]
    return {kind + season: forecast() for kind, season, applies, forecast in candidates if kind in names and applies}


def median(windows: Windows, part: str) -> Floats:
    """Always the median label of train: the constant with the least absolute error."""
    middle: Floats = np.median(windows.labels("train"), axis=0)
    return np.tile(middle, (windows.parts[part].windows, 1))


def persistence(windows: Windows, part: str) -> Floats:
    """What is measured at the window's end stays as it is."""
    return measured(windows, windows.last_steps(part))


def drift(windows: Windows, part: str) -> Floats:
    """What is measured goes on changing by the median change per step of train.

    Changes are shares of the value where windows are relative to their first value, as prices are.
    """
    forecast, step = persistence(windows, part), drift_step(windows)
    for _ in range(windows.parts[part].horizon):
        forecast = step(forecast)
    return forecast


def drift_step(windows: Windows) -> Callable[[Floats], Floats]:
    """Return what `drift` does to measured values (N, K) in one step."""
    spans, known = windows.parts["train"].group_spans, windows.parts["train"].known
    pairs = np.concatenate([np.arange(begin, end - 1) for begin, end in spans.tolist()])  # none across groups
    if known is not None:  # a filled value tells of no change
        pairs = pairs[known[pairs] & known[pairs + 1]]
    before, after = measured(windows, pairs), measured(windows, pairs + 1)
    relative = windows.view.relative_to_first
    with np.errstate(divide="ignore", invalid="ignore"):  # relative to 0: left out below
        changes = after / before - 1 if relative else after - before
    finite = [column[np.isfinite(column)] for column in changes.T]
    typical = np.array([np.median(column) if column.size else 0.0 for column in finite])
    return lambda values: values * (1 + typical) if relative else values + typical


def seasonal_naive(windows: Windows, part: str, season: int) -> Floats:
    """What was measured at the same phase of the last whole season before the label; before the first, persistence."""
    return measured(windows, lagged_steps(windows, part, np.arange(windows.parts[part].windows), season)[0])


def ridge(windows: Windows, part: str, penalties: Sequence[float], seasons: tuple[int, ...]) -> Floats:
    """Linear regression on the window's steps and those of the last seasons."""
    read = SeasonalWindows.of(windows, seasons) if seasons else windows
    return fit_ridge(read, penalties).forecast(read, part)


def moving(windows: Windows, part: str, steps: int) -> Floats:
    """Mean of what was measured over the last `steps` steps, or those that the window has."""
    first, lengths = windows.parts[part].spans(np.arange(windows.parts[part].windows))
    reach = np.minimum(steps, lengths)
    end, summed = first + lengths, np.zeros(())
    for back in range(1, int(reach.max()) + 1):  # a window that is shorter has its own mean, not its neighbour's rows
        summed = summed + measured(windows, np.maximum(end - back, first)) * (back <= reach)[:, None]
    return np.asarray(summed / reach[:, None])


def clock(windows: Windows, part: str) -> Floats:
    """Median interval between failures in train, less the time since the last failure, never below 0.

    No interval counts that begins with the recording: neither the one before the first failure, nor the one after it
    if the first failure lies in the first step, as the fault may have been in the middle of a cycle. The median is
    the constant with the least absolute error. The time since the last failure is how far the countdown has come down
    since then: the length of the cycle cancels out, so nothing of the future enters.
    """
    cycle, since = cycles(windows, windows.last_steps(part))
    meta, samples, train = windows.meta, windows.meta.samples_per_step, windows.parts["train"]
    starts, recordings = np.array(meta.cycle_starts), np.array(meta.recordings or (0,))
    since_recording = starts - recordings[np.searchsorted(recordings, starts, side="right") - 1]
    intervals = np.array(meta.first_targets)[:-1]  # from the start of a cycle to that of the next
    ends = starts // samples
    begin, end = train.stretches.T
    inside = (ends[:-1, None] >= begin) & (ends[1:, None] <= end)  # of one stretch of train
    failed = since_recording > 0  # what began with a failure, and not with a recording
    complete = inside.any(axis=1) & failed[1:] & (since_recording[:-1] > samples)
    known = intervals[complete] if complete.any() else np.array([windows.labels("train").max()])
    return np.maximum(0.0, np.median(known) - since)[:, None]


def cycles(windows: Windows, steps: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Floats]:
    """Give the number of the cycle that each step's last sample lies in, from 0, and the time since it began.

    A recording begins with a cycle of its own, whatever the fault did before.
    """
    rows = (steps + 1) * windows.meta.samples_per_step - 1
    cycle = np.searchsorted(windows.meta.cycle_starts, rows, side="right") - 1
    at_start = np.array(windows.meta.first_targets)
    return cycle, at_start[cycle] - windows.steps.target[steps, 0]


def class_prior(windows: Windows, part: str) -> Floats:
    """Always the classes' shares in train."""
    shares = np.bincount(windows.labels("train")[:, 0].astype(np.int64), minlength=len(windows.meta.classes or ()))
    return np.tile(shares / shares.sum(), (windows.parts[part].windows, 1))
