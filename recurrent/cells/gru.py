"""Gated recurrent unit (K. Cho et al., EMNLP 2014, 1724)."""

from torch import nn


class Cell(nn.GRU):
    """nn.GRU with the batch first: (B, T, D) -> states (B, T, H) and the last state."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1) -> None:
        super().__init__(input_size, hidden_size, num_layers, batch_first=True)
