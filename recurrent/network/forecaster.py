"""A recurrent cell and a linear head, between scalers.

Legend of shapes: B batch, T steps, D features, H hidden_size, K targets, L layers, P parts of a state.
"""

import math
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from recurrent.cells.kernels import dispatch, ranks
from recurrent.network.model_file import ForecasterConfig, ModelFile
from recurrent.network.ridge import Ridge
from recurrent.network.scaler import Scaler
from recurrent.network.task import task_of
from recurrent.numerics import total
from recurrent.storage.meta import Inputs
from recurrent.storage.npy import Array


class Forecaster(nn.Module):
    """Signal (B, T, D) -> outputs (B, A, K), both scaled; A is T, or 1 where a sequence has one output.

    Where the target is a class, K counts the classes and an output has a logit for each. With a `ridge`, the outputs
    are what it leaves, and `predict` adds both.
    """

    def __init__(
        self,
        config: ForecasterConfig,
        signal_scaler: Scaler,
        target_scaler: Scaler,
        ridge: Ridge | None = None,
        *,
        backend: str = "reference",
    ) -> None:
        super().__init__()
        self.ridge = ridge
        self.config, self.task = config, task_of(config.classes)
        self.signal_scaler, self.target_scaler = signal_scaler, target_scaler
        if config.vocabulary:
            self.embedding = nn.Embedding(config.vocabulary, config.embedding_size)
        self.cell = new_cell(
            config.cell,
            input_size=config.embedding_size if config.vocabulary else config.input_size,
            hidden_size=config.hidden_size,
            num_layers=config.num_layers,
            backend=backend,
        )
        if self.backend != "c":  # which sums over all ranks itself
            ranks.sum_gradients([*self.cell.parameters()])
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.hidden_size, config.output_size)

    @property
    def backend(self) -> str:
        """What computes the cell: reference, numpy or c; torch where the cell leaves no choice."""
        return str(getattr(self.cell, "backend", "torch"))

    @property
    def outputs_apart(self) -> bool:
        """Whether no bit of a sequence's outputs depends on the others in the batch: the kernel does all of it."""
        return self.config.readout == "all_steps" and not self.config.dropout and self.backend == "c"

    def forward(self, x_BTD: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """Scaled signal, and the steps of each sequence where they differ -> scaled outputs (B, A, K)."""
        readout, embedded_BTD = self.config.readout, self._embed(x_BTD, lengths_B)
        if self.outputs_apart:  # the head along the way
            return ranks.divided(partial(outputs, self.cell, self.head), embedded_BTD)
        states_BTH = ranks.divided(lambda x_BTD: self.cell(x_BTD)[0], embedded_BTD)
        if readout == "all_steps" or states_BTH.shape[1] == 1:
            read_BAH = states_BTH
        elif lengths_B is None:
            read_BAH = states_BTH[:, -1:] if readout == "last" else states_BTH.mean(dim=1, keepdim=True)
        else:
            step_BT = torch.arange(states_BTH.shape[1]).expand(len(lengths_B), -1)
            last_B1 = lengths_B[:, None] - 1
            weight_BT = (step_BT == last_B1) if readout == "last" else (step_BT <= last_B1) / lengths_B[:, None]
            read_BAH = torch.bmm(weight_BT[:, None].to(states_BTH.dtype), states_BTH)
        result: Tensor = self.head(self.dropout(read_BAH))
        return result

    def _embed(self, x_BTD: Tensor, lengths_B: Tensor | None) -> Tensor:
        """What the cell reads: values as they are, words as vectors, or one vector for all that occur."""
        if self.config.input == "embedding":
            embedded: Tensor = self.dropout(self.embedding(x_BTD[..., 0].long()))
            return embedded
        if self.config.input == "multi_hot":
            # the sum of the vectors of the words that occur, so the sequence is one step long: a linear layer on the
            # 0s and 1s of the whole vocabulary, without the products by 0
            words_BT = x_BTD[..., 0].long()
            if lengths_B is not None:  # padding occurs in no text
                words_BT = torch.where(torch.arange(words_BT.shape[1]) < lengths_B[:, None], words_BT, words_BT[:, :1])
            words_BT = words_BT.sort(dim=1).values
            first_BT = torch.ones(words_BT.shape)
            first_BT[:, 1:] = words_BT[:, 1:] != words_BT[:, :-1]
            weight_VE = self.embedding.weight
            share_BT = self.dropout(first_BT)  # of words, so that no opinion rests on a single one
            kept_BT = share_BT > 0
            begins_B = kept_BT.sum(dim=1).cumsum(dim=0).roll(1)
            begins_B[0] = 0
            words, shares = words_BT[kept_BT], share_BT[kept_BT]
            return functional.embedding_bag(words, weight_VE, begins_B, mode="sum", per_sample_weights=shares)[:, None]
        return x_BTD

    def inputs(self, signal_BTD: Array, lengths_B: Array | None) -> tuple[Tensor, Tensor | None]:
        """Return what `forward` reads of a signal in its own units."""
        lengths = None if lengths_B is None else torch.from_numpy(lengths_B)
        return as_tensor(self.signal_scaler.transform(signal_BTD)), lengths

    def predict(self, signal_BTD: Array, lengths_B: Array | None = None) -> Array:
        """Signal in its own units -> outputs (B, A, K) float64 in the labels' unit, or probabilities of classes."""
        self.eval()
        with torch.inference_mode():
            outputs_BAK = self.task.decode(self(*self.inputs(signal_BTD, lengths_B)), self.target_scaler)
        return outputs_BAK if self.ridge is None else outputs_BAK + self.ridge(signal_BTD, None)

    def carry(self, signal_TD: Array, state: Array | None) -> tuple[Array, Array]:
        """Go on with one sequence where `state` (L, P, 1, H) left it; None: at its beginning.

        Returns
        -------
        outputs (T, K) float64 in the labels' unit, and the state after them
        """
        self.eval()
        parts = () if state is None else torch.from_numpy(state).unbind(dim=1)
        begin = None if state is None else parts[0] if len(parts) == 1 else parts
        with torch.inference_mode():
            x_1TD = as_tensor(self.signal_scaler.transform(signal_TD[None]))
            if hasattr(self.cell, "backend"):
                outputs_1TK, end = self.cell(x_1TD, begin, head=self.head)
            else:
                states_1TH, end = self.cell(x_1TD, begin)
                outputs_1TK = self.head(states_1TH)
            last = torch.stack((end,) if isinstance(end, Tensor) else end, dim=1)
            return self.task.decode(outputs_1TK, self.target_scaler)[0], last.numpy()

    def attribution(self, signal_BTD: Array) -> Array | None:
        """Return what each step adds to the first target's last output (B, T): gradient times scaled input."""
        if self.config.vocabulary or not self.task.has_interval or self.ridge is not None:
            return None
        self.eval()
        x_BTD = as_tensor(self.signal_scaler.transform(signal_BTD)).requires_grad_()
        (slopes_BTD,) = torch.autograd.grad(self(x_BTD)[:, -1, 0].sum(), x_BTD)
        scale = self.target_scaler.scale[0]
        return total(slopes_BTD.numpy().astype(np.float64) * x_BTD.detach().numpy(), axis=2) * scale

    def save(self, path: Path, inputs: Inputs | None = None) -> None:
        """Write weights, sizes, scalers and the ridge to a file, and what the network reads."""
        weights = {name: weight.numpy() for name, weight in self.state_dict().items()}
        ModelFile(self.config, self.signal_scaler, self.target_scaler, weights, self.ridge, inputs).write(path)

    @classmethod
    def load(cls, path: Path, *, backend: str = "reference") -> "Forecaster":
        """Read what `save` wrote; ValueError where the file is not such a one."""
        saved = ModelFile.read(path)
        try:
            forecaster = cls(saved.config, saved.signal_scaler, saved.target_scaler, saved.ridge, backend=backend)
            forecaster.load_state_dict({name: as_tensor(weight) for name, weight in saved.weights.items()})
        except (ValueError, TypeError, RuntimeError) as error:
            raise ValueError(f"{path}: not a saved forecaster ({error})") from error
        return forecaster


def build(
    config: ForecasterConfig,
    scalers: tuple[Scaler, Scaler],
    ridge: Ridge | None = None,
    *,
    seed: int,
    backend: str = "reference",
) -> Forecaster:
    """Make an untrained forecaster; the same seed gives the same weights.

    They start as nn.RNN's do, evenly from -1 / sqrt(hidden_size) up to 1 / sqrt(hidden_size), the embedding of
    single words as nn.Embedding's; drawn by numpy, as torch's last bits depend on the CPU. With a ridge the head starts
    at zero, so that the untrained forecaster is the ridge.
    """
    forecaster = Forecaster(config, *scalers, ridge, backend=backend)
    rng, bound = np.random.default_rng(seed), np.float32(1 / math.sqrt(config.hidden_size))
    for name, weight in forecaster.named_parameters():
        if ridge is not None and name.startswith("head."):
            values = np.zeros(weight.shape, np.float32)
        elif name == "embedding.weight" and config.input == "embedding":
            values = rng.standard_normal(weight.shape, dtype=np.float32)
        else:
            values = (2 * rng.random(weight.shape, dtype=np.float32) - 1) * bound
        weight.data = torch.from_numpy(values)
    return forecaster


def weights_of(config: ForecasterConfig) -> int:
    """Count the weights of a forecaster without making them."""
    with torch.device("meta"):
        forecaster = Forecaster(config, Scaler.identity(1), Scaler.identity(1))
    return sum(weight.numel() for weight in forecaster.parameters())


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
