"""Forecasts with a state that is carried from step to step: no window is read again, each step costs the same.

In training every window begins with a state of zeros; here the recording does, so forecasts differ from those of
windows. Legend of shapes: n steps, D columns of the recording, F features, K targets.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from recurrent.numerics import mean
from recurrent.predict.model import Model
from recurrent.predict.steps import Steps
from recurrent.storage.npy import Array
from recurrent.window.view import View


class Carried:
    """Networks in the middle of a recording; the mean of their outputs is the forecast.

    Parameters
    ----------
    steps : rows before those to come
    states : of each network, as `states` gave them; None: at the beginning of the recording

    Raises
    ------
    ValueError
        Where a forecast needs more than the step and the state.
    """

    def __init__(self, model: Model, steps: Steps, *, backend: str, states: Sequence[Any] | None = None) -> None:
        if model.whole_windows:
            raise ValueError(f"{model.paths[0]}: forecasts from a whole window at once, so no state can be carried on")
        self._networks, self._view = model.networks(backend=backend, threads=1), View.of(model.inputs)
        self.steps, self._samples = steps, model.inputs.samples_per_step
        self._states: list[Array | None] = [None] * len(self._networks)
        if states is not None:
            self._states = [None if state is None else np.array(state, np.float32) for state in states]

    def forecasts(self, blocks: Iterable[Array]) -> Iterator[tuple[int, Array]]:
        """Yield the number of the first step and forecasts (n, K), for each block of rows that completes a step."""
        for block in blocks:
            first = self.steps.rows // self._samples
            if made := list(self.steps.of([block])):
                yield first, self._of(np.concatenate(made))

    def _of(self, steps_nF: Array) -> Array:
        read_1nF, _, shift = self._view.transform(steps_nF[None], np.array([0]), all_steps=True)
        found = []
        for number, network in enumerate(self._networks):
            outputs_nK, self._states[number] = network.carry(read_1nF[0], self._states[number])
            found.append(outputs_nK)
        return mean(found, axis=0) + (shift[0] if isinstance(shift, np.ndarray) else shift)

    @property
    def states(self) -> list[Any]:
        """What the networks remember, as numbers for JSON, which keeps every bit of a float32."""
        return [None if state is None else state.tolist() for state in self._states]
