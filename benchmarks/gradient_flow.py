"""How far back the error of the last step reaches: the norm of its gradient by the state, over the lag.

Where it has shrunk to nothing, no training can teach the network to use what it heard then
(Y. Bengio et al., IEEE Trans. Neural Netw. 5, 157, 1994; R. Pascanu et al., ICML 2013).
Legend of shapes: B windows, T steps, D features, K targets, L num_layers, H hidden_size.
"""

import numpy as np
import numpy.typing as npt
import torch

from recurrent.network.forecaster import Forecaster, as_tensor
from recurrent.storage.npy import Array
from recurrent.window.windows import Windows

Floats = npt.NDArray[np.float64]
WINDOWS = 64  # taken from all over the part
REACHED = 0.01  # of the gradient at lag 0; below it a state counts as forgotten


def norms(network: Forecaster, signal_BTD: Array, target_BTK: Array) -> Floats:
    """|d loss(last step) / d state(t)| of each window, (T, B): row 0 is the last step, row 1 the one before it.

    The loss is the absolute error. The state is all that a cell hands on, of all its layers: an LSTM's has two parts.
    The network reads step by step, since in one call a fused cell does not show the states between.
    """
    x_BTD = as_tensor(network.signal_scaler.transform(signal_BTD))
    wanted_BK = as_tensor(network.target_scaler.transform(target_BTK)[:, -1])
    state, seen = None, []
    for t in range(x_BTD.shape[1]):
        output_B1H, state = network.cell(x_BTD[:, t : t + 1], state)
        parts_LBH = state if isinstance(state, tuple) else (state,)
        for part_LBH in parts_LBH:
            part_LBH.retain_grad()
        seen.append(parts_LBH)
    # the last state itself must lie on the way to the loss, so the head reads it instead of the output
    answers_BK = network.head(seen[-1][0][-1])
    (answers_BK - wanted_BK).abs().sum().backward()
    squares_TB = [
        sum((part.grad.square().sum(dim=(0, 2)) for part in parts if part.grad is not None), torch.zeros(len(x_BTD)))
        for parts in reversed(seen)
    ]
    return torch.stack(squares_TB).sqrt().double().numpy()


def flow(network: Forecaster, windows: Windows) -> Floats:
    """Median of `norms` over windows of validation as shares of lag 0, (T,)."""
    part = windows.parts["validation"]
    chosen = np.unique(np.linspace(0, part.windows - 1, WINDOWS).astype(np.int64))
    batch = windows.gather("validation", chosen)
    of_TB = norms(network, batch.signal, batch.labels)
    return np.asarray(np.median(of_TB / of_TB[0], axis=1))


def memory(flow_T: Floats) -> int:
    """The longest lag whose gradient is at least a hundredth of that at lag 0."""
    return int(np.flatnonzero(flow_T >= REACHED)[-1])
