"""Norm of the gradient of the last step's error with respect to the state, over the lag.

Where it has vanished, training cannot teach the network to use inputs that lie that far back
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
WINDOWS = 64  # evenly spaced over the validation set
THRESHOLD = 0.01  # share of the gradient at lag 0; below it a state counts as forgotten


def norms(network: Forecaster, signal_BTD: Array, target_BTK: Array) -> Floats:
    """|d loss(last step) / d state(t)| of each window, (T, B): row 0 is the last step, row 1 the one before it.

    The loss is the absolute error. The state is all that a cell passes on, of all its layers: an LSTM's has two parts.
    The cell is called step by step, because a fused cell returns no intermediate states.
    """
    x_BTD = as_tensor(network.signal_scaler.transform(signal_BTD))
    wanted_BK = as_tensor(network.target_scaler.transform(target_BTK)[:, -1])
    state, states = None, []
    for t in range(x_BTD.shape[1]):
        output_B1H, state = network.cell(x_BTD[:, t : t + 1], state)
        parts_LBH = state if isinstance(state, tuple) else (state,)
        for part_LBH in parts_LBH:
            part_LBH.retain_grad()
        states.append(parts_LBH)
    # the head reads the last state instead of the output, so that the state itself is part of the graph
    outputs_BK = network.head(states[-1][0][-1])
    (outputs_BK - wanted_BK).abs().sum().backward()
    squares_TB = [
        sum((part.grad.square().sum(dim=(0, 2)) for part in parts if part.grad is not None), torch.zeros(len(x_BTD)))
        for parts in reversed(states)
    ]
    return torch.stack(squares_TB).sqrt().double().numpy()


def flow(network: Forecaster, windows: Windows) -> Floats:
    """Return the median of `norms` over validation windows, as shares of lag 0, (T,)."""
    part = windows.parts["validation"]
    chosen = np.unique(np.linspace(0, part.windows - 1, WINDOWS).astype(np.int64))
    batch = windows.gather("validation", chosen)
    of_TB = norms(network, batch.signal, batch.labels)
    return np.asarray(np.median(of_TB / of_TB[0], axis=1))


def reach(flow_T: Floats) -> int:
    """Return the longest lag whose gradient is at least a hundredth of that at lag 0."""
    return int(np.flatnonzero(flow_T >= THRESHOLD)[-1])
