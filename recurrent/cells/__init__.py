"""One recurrence per file, each a class Cell: signal (B, T, D) -> states (B, T, H), called like nn.RNN."""

from importlib import import_module

from torch import Tensor, nn

from recurrent.kernels import dispatch


def build(name: str, *, input_size: int, hidden_size: int, num_layers: int, backend: str = "reference") -> nn.Module:
    """Make the Cell of the file `name`; ModuleNotFoundError where there is none.

    A cell that has a `backend` gets the one asked for, or what this machine can run in its place.
    """
    cell: nn.Module = import_module(f"recurrent.cells.{name}").Cell(input_size, hidden_size, num_layers)
    if hasattr(cell, "backend"):
        cell.backend = dispatch.choose(backend)  # type: ignore[assignment]
    return cell


def answers(cell: nn.Module, head: nn.Linear, x_BTD: Tensor) -> Tensor:
    """Apply the head to each state, (B, T, D) -> (B, T, A); a cell with a backend does it along the way."""
    if hasattr(cell, "backend"):
        return cell(x_BTD, head=head)[0]
    return head(cell(x_BTD)[0])
