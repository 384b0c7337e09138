"""Forecasts with a state that is carried from step to step: no window is read again, each step costs the same.

In training every window begins with a state of zeros; here the recording does, so forecasts differ from those of
windows. Legend of shapes: n steps, F features, K targets.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recurrent.network.forecaster import Forecaster
from recurrent.numerics import mean
from recurrent.storage.meta import Inputs
from recurrent.storage.npy import Array
from recurrent.window.view import View


class Carried:
    """Networks in the middle of a recording; the mean of their outputs is the forecast.

    Parameters
    ----------
    states : of each network, as `states` gave them; None: at the beginning of the recording

    Raises
    ------
    ValueError
        Where a forecast needs more than the step and the state.
    """

    def __init__(
        self, paths: Sequence[Path], inputs: Inputs, *, backend: str, states: Sequence[Any] | None = None
    ) -> None:
        self._networks = [Forecaster.load(path, backend=backend) for path in paths]
        whole = [network for network in self._networks if network.config.readout == "mean" or network.ridge]
        if inputs.relative_to_first or whole:
            what = "relative to its first value" if inputs.relative_to_first else "from all its steps at once"
            raise ValueError(f"{paths[0]}: forecasts a window {what}, so no state can be carried on")
        self._view = View.of(inputs)
        self._states: Sequence[Any] = [None] * len(self._networks)
        if states is not None:
            self._states = [_tensors(state) for state in states]

    def forecasts(self, steps: Iterable[Array]) -> Iterator[Array]:
        """Yield forecasts (n, K) for each block of steps (n, F)."""
        for block_nF in steps:
            read_1nF, _, shift = self._view.transform(block_nF[None], np.array([0]), all_steps=True)
            pairs = zip(self._networks, self._states, strict=True)
            found, self._states = zip(*(network.carry(read_1nF[0], state) for network, state in pairs), strict=True)
            yield mean(found, axis=0) + (shift[0] if isinstance(shift, np.ndarray) else shift)

    @property
    def states(self) -> list[Any]:
        """What the networks remember, as numbers for JSON, which keeps every bit of a float32."""
        return [_numbers(state) for state in self._states]


def _numbers(state: Any) -> Any:
    return state.tolist() if isinstance(state, torch.Tensor) else {"parts": [part.tolist() for part in state]}


def _tensors(numbers: Any) -> Any:
    if isinstance(numbers, dict):
        return tuple(torch.tensor(part) for part in numbers["parts"])
    return torch.tensor(numbers)
