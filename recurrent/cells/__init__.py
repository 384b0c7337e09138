"""One recurrence per file, each a class Cell: signal (B, T, D) -> states (B, T, H), called like nn.RNN."""

from importlib import import_module

from torch import nn


def build(name: str, *, input_size: int, hidden_size: int, num_layers: int) -> nn.Module:
    """Make the Cell of the file `name`; ModuleNotFoundError where there is none."""
    cell: nn.Module = import_module(f"recurrent.cells.{name}").Cell(input_size, hidden_size, num_layers)
    return cell
