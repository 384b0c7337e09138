"""What the network reads of a window, and what it learns: values, values relative to the first, or changes.

Legend of shapes: B windows of a batch, T steps of a window, D features of a step, K targets, A outputs of a window.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recurrent.storage.meta import Inputs
from recurrent.storage.npy import Array
from recurrent.window.steps import SMALLEST


@dataclass(frozen=True)
class View:
    """How windows look to a network; as they are where neither flag is set.

    Parameters
    ----------
    relative_to_first : signal and labels are divided by the window's first value, less one
    predict_change : labels count from what is measured at the same step
    measured_columns : for each target the column of the signal that measures the same quantity
    features : names of the columns
    """

    relative_to_first: bool
    predict_change: bool
    measured_columns: Sequence[int]
    features: Sequence[str]

    @classmethod
    def of(cls, inputs: Inputs) -> "View":
        """Return the view that belongs to these inputs."""
        measured = [column for column in inputs.target_columns if column is not None]
        return cls(inputs.relative_to_first, inputs.predict_change, measured, inputs.features)

    @property
    def depends_on_window(self) -> bool:
        """Whether the same step looks different in different windows."""
        return self.relative_to_first or self.predict_change

    def transform(
        self, signal_BTD: Array, first_B: Array, *, all_steps: bool
    ) -> tuple[Array, Array | float, Array | float]:
        """Return what the network reads of a signal in its own unit, and the scale and shift of its outputs.

        An output times scale plus shift is in the target's own unit. `first_B` is the step that each window begins
        with; `all_steps`: an output at each step, otherwise one at the last.

        Raises
        ------
        ValueError
            Where the first value of a window is 0, or nearly, and window.relative_to_first would divide by it.
        """
        scale: Array | float = 1.0
        shift: Array | float = 0.0
        if self.predict_change:
            shift = (signal_BTD if all_steps else signal_BTD[:, -1:])[..., self.measured_columns].astype(np.float64)
        if self.relative_to_first:
            base_B1D = signal_BTD[:, :1].astype(np.float64)
            if (none := np.abs(base_B1D) < SMALLEST).any():
                window, _, column = np.argwhere(none)[0].tolist()
                raise ValueError(
                    f"{self.features[column]} is {base_B1D[window, 0, column]:g} in step {first_B[window]}, the first "
                    "of a window, which window.relative_to_first divides by; choose other columns or "
                    "window.relative_to_first false"
                )
            signal_BTD = signal_BTD / base_B1D - 1
            scale = base_B1D[..., self.measured_columns]
            shift = shift if self.predict_change else scale
        return signal_BTD, scale, shift
