"""A recurrent cell and a linear head; with its scalers, in one file that is data and not code.

Legend of shapes: B batch, T steps, D features, H hidden_size, K targets.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from recurrent import cells
from recurrent.scaling import Scaler
from recurrent.series import Array


@dataclass(frozen=True)
class Architecture:
    """What must be known to build a forecaster before its weights are loaded."""

    cell: str
    input_size: int
    hidden_size: int
    num_layers: int
    output_size: int
    input: str = "values"  # multi_hot, embedding: the signal is the index of a word
    vocabulary: int = 0  # words, where the signal is an index
    embedding_size: int = 0
    dropout: float = 0.0  # of an embedding and of the states that the head reads
    answer: str = "every"  # step, or one answer from the last state or the mean of all
    classes: int = 0  # 0: the answer is a quantity


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
        self.cell = cells.build(
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
            return cells.answers(self.cell, self.head, entered_BTD)
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
        """Write weights, architecture and scalers as safetensors; nothing in it is ever executed."""
        about = {
            "architecture": asdict(self.architecture),
            "signal_scaler": asdict(self.signal_scaler),
            "target_scaler": asdict(self.target_scaler),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        # one entry only: safetensors writes several in an order that changes from run to run
        save_file(self.state_dict(), temporary, metadata={"forecaster": json.dumps(about, sort_keys=True)})
        os.replace(temporary, path)

    @classmethod
    def load(cls, path: Path, *, backend: str = "reference") -> "Forecaster":
        """Read what `save` wrote; ValueError where the file is not such a one."""
        try:
            with safe_open(path, framework="pt") as file:
                about = json.loads((file.metadata() or {})["forecaster"])
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            scalers = [Scaler(**{k: tuple(v) for k, v in about[s].items()}) for s in ("signal_scaler", "target_scaler")]
            forecaster = cls(Architecture(**about["architecture"]), *scalers, backend=backend)
            forecaster.load_state_dict(weights)
        except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError, FileNotFoundError) as error:
            raise ValueError(f"{path}: not a saved forecaster ({error})") from error
        return forecaster


def place(model: Path, split: int, member: int) -> Path:
    """Where the network of this split and member lies: the first at `model`, the others beside it."""
    return model if split == member == 0 else model.with_stem(f"{model.stem}-{split}-{member}")


def places(model: Path, splits: int) -> "list[list[Path]]":
    """All networks: for each split, those of its members, in order."""
    found: list[list[Path]] = []
    for split in range(splits):
        members = len(list(model.parent.glob(f"{model.stem}-{split}-*{model.suffix}"))) + (split == 0)
        found.append([place(model, split, member) for member in range(members)])
    return found


def build(
    architecture: Architecture, scalers: tuple[Scaler, Scaler], *, seed: int, backend: str = "reference"
) -> Forecaster:
    """Make an untrained forecaster; the same seed gives the same weights."""
    torch.manual_seed(seed)
    return Forecaster(architecture, *scalers, backend=backend)


def as_tensor(values: Array) -> Tensor:
    """float32 array -> tensor that shares its memory."""
    return torch.from_numpy(np.ascontiguousarray(values))
