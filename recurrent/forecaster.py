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


class Forecaster(nn.Module):
    """Answers at every step: signal (B, T, D) -> target (B, T, K), both scaled."""

    def __init__(
        self, architecture: Architecture, signal_scaler: Scaler, target_scaler: Scaler, *, backend: str = "reference"
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.signal_scaler, self.target_scaler = signal_scaler, target_scaler
        self.cell = cells.build(
            architecture.cell,
            input_size=architecture.input_size,
            hidden_size=architecture.hidden_size,
            num_layers=architecture.num_layers,
            backend=backend,
        )
        self.head = nn.Linear(architecture.hidden_size, architecture.output_size)

    @property
    def backend(self) -> str:
        """What computes the cell: reference, numpy or c; torch where the cell leaves no choice."""
        return str(getattr(self.cell, "backend", "torch"))

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Scaled signal -> scaled answer of each step."""
        return cells.answers(self.cell, self.head, x_BTD)

    def predict(self, signal_BTD: Array) -> Array:
        """Signal in its own units -> answers (B, T, K) float64 in the target's unit."""
        with torch.inference_mode():
            answers_BTK = self(torch.from_numpy(self.signal_scaler.transform(signal_BTD)))
        return self.target_scaler.inverse(answers_BTK.numpy())

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


def build(
    *,
    cell: str,
    hidden_size: int,
    num_layers: int,
    scalers: tuple[Scaler, Scaler],
    seed: int,
    backend: str = "reference",
) -> Forecaster:
    """Make an untrained forecaster; the same seed gives the same weights."""
    torch.manual_seed(seed)
    sizes = [len(scaler.mean) for scaler in scalers]
    architecture = Architecture(cell, sizes[0], hidden_size, num_layers, sizes[1])
    return Forecaster(architecture, *scalers, backend=backend)


def as_tensor(values: Array) -> Tensor:
    """float32 array -> tensor that shares its memory."""
    return torch.from_numpy(np.ascontiguousarray(values))
