"""The meta of a recording: what every source says about its rows, and tables of correlation for those that want one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recurrent.storage.series import Array


def about(
    name: str,
    *,
    signal: Sequence[str],
    target: Sequence[str],
    observed: Sequence[int | None],
    units: tuple[str, str],
    time_unit: str,
    md5: str = "",
    notes: Sequence[str] = (),
    failures: Sequence[int] = (),
    countdown: bool = False,
    **optional: Any,
) -> dict[str, Any]:
    """Put together what `Recording` describes; `units` are of signal and target, `md5` of the raw file."""
    return {
        "signal": list(signal),
        "target": list(target),
        "observed": list(observed),
        "units": dict(zip(("signal", "target"), units, strict=True)),
        "time_unit": time_unit,
        "failures": list(failures),
        "countdown": countdown,
        "source": {"name": name, "md5": md5, "notes": list(notes)},
        **optional,
    }


def correlations(columns: Mapping[str, Array]) -> dict[str, Any]:
    """Correlate columns (n,) pairwise over the rows where both are known; constant columns have none and are left out.

    Raises
    ------
    ValueError
        Two columns that are never known together, or then constant.
    """
    varying = {name: column for name, column in columns.items() if len(np.unique(column[np.isfinite(column)])) > 1}
    values = [[_correlation(a, b) for b in varying.values()] for a in varying.values()]
    return {"names": list(varying), "values": values}


def _correlation(a: Array, b: Array) -> float:
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known] - a[known].mean(), b[known] - b[known].mean()
    scale = np.sqrt((a**2).sum() * (b**2).sum())
    if not scale > 0:
        raise ValueError("two columns are never known together, or then constant: no correlation")
    return float(np.clip((a * b).sum() / scale, -1, 1))
