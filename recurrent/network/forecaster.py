"""A recurrent cell and a linear head, between scalers.

Legend of shapes: B batch, T steps, D features, H hidden_size, K targets.
"""

import math
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from recurrent.cells.kernels import dispatch
from recurrent.network.model_file import Architecture, Saved
from recurrent.network.scaler import Scaler
from recurrent.storage.series import Array


class Forecaster(nn.Module):
    """Signal (B, T, D) -> answers (B, A, K), both scaled; A is T, or 1 where a sequence has one answer.

    Where the answer is a class, K counts the classes and an answer is a logit for each.
    """

    def __init__(
        self, architecture: Architecture, signal_scaler: Scaler, target_scaler: Scaler, *, backend: str = "reference"
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.signal_scaler, self.target_scaler = signal_scaler, target_scaler
        input_size = architecture.input_size
        if architecture.input == "embedding":
            self.embedding = nn.Embedding(architecture.vocabulary, architecture.embedding_size)
            input_size = architecture.embedding_size
        elif architecture.input == "multi_hot":
            input_size = architecture.vocabulary
        self.cell = new_cell(
            architecture.cell,
            input_size=input_size,
            hidden_size=architecture.hidden_size,
            num_layers=architecture.num_layers,
            backend=backend,
        )
        self.dropout = nn.Dropout(architecture.dropout)
        self.head = nn.Linear(architecture.hidden_size, architecture.output_size)

    @property
    def backend(self) -> str:
        """What computes the cell: reference, numpy or c; torch where the cell leaves no choice."""
        return str(getattr(self.cell, "backend", "torch"))

    def forward(self, x_BTD: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """Scaled signal, and the steps of each sequence where they differ -> scaled answers (B, A, K)."""
        answer, entered_BTD = self.architecture.answer, self._enter(x_BTD, lengths_B)
        if answer == "every" and not self.architecture.dropout:
            return outputs(self.cell, self.head, entered_BTD)
        states_BTH, _ = self.cell(entered_BTD)
        if answer == "every" or states_BTH.shape[1] == 1:
            read_BAH = states_BTH
        elif lengths_B is None:
            read_BAH = states_BTH[:, -1:] if answer == "last" else states_BTH.mean(dim=1, keepdim=True)
        else:
            step_BT = torch.arange(states_BTH.shape[1]).expand(len(lengths_B), -1)
            last_B1 = lengths_B[:, None] - 1
            weight_BT = (step_BT == last_B1) if answer == "last" else (step_BT <= last_B1) / lengths_B[:, None]
            read_BAH = torch.bmm(weight_BT[:, None].to(states_BTH.dtype), states_BTH)
        answers: Tensor = self.head(self.dropout(read_BAH))
        return answers

    def _enter(self, x_BTD: Tensor, lengths_B: Tensor | None) -> Tensor:
        """What the cell reads: values as they are, words as vectors."""
        if self.architecture.input == "embedding":
            embedded: Tensor = self.dropout(self.embedding(x_BTD[..., 0].long()))
            return embedded
        if self.architecture.input == "multi_hot":
            # which words occur: the one-hot vectors of all steps in one, so the sequence is one step long
            words_BT = x_BTD[..., 0].long()
            if lengths_B is not None:  # padding occurs in no text
                words_BT = torch.where(torch.arange(words_BT.shape[1]) < lengths_B[:, None], words_BT, words_BT[:, :1])
            hot_BV = torch.zeros(len(x_BTD), self.architecture.vocabulary)
            return hot_BV.scatter_(1, words_BT, 1.0)[:, None]
        return x_BTD

    def scaled(self, signal_BTD: Array) -> Tensor:
        """Signal in its own units -> what `forward` reads."""
        return as_tensor(self.signal_scaler.transform(signal_BTD))

    def predict(self, signal_BTD: Array, lengths_B: Array | None = None) -> Array:
        """Signal in its own units -> answers (B, A, K) float64 in the labels' unit, or probabilities of classes."""
        self.eval()
        with torch.inference_mode():
            lengths = None if lengths_B is None else torch.from_numpy(lengths_B)
            answers_BAK = self(self.scaled(signal_BTD), lengths)
            if self.architecture.classes:
                return answers_BAK.double().softmax(dim=-1).numpy()
        return self.target_scaler.inverse(answers_BAK.numpy())

    def save(self, path: Path) -> None:
        """Write weights, architecture and scalers to a file."""
        weights = {name: weight.numpy() for name, weight in self.state_dict().items()}
        Saved(self.architecture, self.signal_scaler, self.target_scaler, weights).write(path)

    @classmethod
    def load(cls, path: Path, *, backend: str = "reference") -> "Forecaster":
        """Read what `save` wrote; ValueError where the file is not such a one."""
        saved = Saved.read(path)
        try:
            forecaster = cls(saved.architecture, saved.signal_scaler, saved.target_scaler, backend=backend)
            forecaster.load_state_dict({name: as_tensor(weight) for name, weight in saved.weights.items()})
        except (ValueError, TypeError, RuntimeError) as error:
            raise ValueError(f"{path}: not a saved forecaster ({error})") from error
        return forecaster


def build(
    architecture: Architecture, scalers: tuple[Scaler, Scaler], *, seed: int, backend: str = "reference"
) -> Forecaster:
    """Make an untrained forecaster; the same seed gives the same weights.

    They start as nn.RNN's do, evenly from -1 / sqrt(hidden_size) up to 1 / sqrt(hidden_size), an embedding as
    nn.Embedding's; drawn by numpy, as torch's last bits depend on the CPU.
    """
    forecaster = Forecaster(architecture, *scalers, backend=backend)
    rng, bound = np.random.default_rng(seed), np.float32(1 / math.sqrt(architecture.hidden_size))
    for name, weight in forecaster.named_parameters():
        if name == "embedding.weight":
            values = rng.standard_normal(weight.shape, dtype=np.float32)
        else:
            values = (2 * rng.random(weight.shape, dtype=np.float32) - 1) * bound
        weight.data = torch.from_numpy(values)
    return forecaster


def new_cell(name: str, *, input_size: int, hidden_size: int, num_layers: int, backend: str = "reference") -> nn.Module:
    """Make the Cell of the file `name` in recurrent/cells; ModuleNotFoundError where there is none.

    A cell that has a `backend` gets the one asked for, or what this machine can run in its place.
    """
    cell: nn.Module = import_module(f"recurrent.cells.{name}").Cell(input_size, hidden_size, num_layers)
    if hasattr(cell, "backend"):
        cell.backend = dispatch.choose(backend, name, hidden_size)  # type: ignore[assignment]
    return cell


def outputs(cell: nn.Module, head: nn.Linear, x_BTD: Tensor) -> Tensor:
    """Apply the head to each state, (B, T, D) -> (B, T, A); a cell with a backend does it along the way."""
    if hasattr(cell, "backend"):
        return cell(x_BTD, head=head)[0]
    return head(cell(x_BTD)[0])


def as_tensor(values: Array) -> Tensor:
    """float32 array -> tensor that shares its memory."""
    return torch.from_numpy(np.ascontiguousarray(values))
