"""A trained forecaster in one file: weights, sizes and scalers as safetensors, which is data and not code."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from recurrent.network.scaler import Scaler
from recurrent.storage.atomic import replacing
from recurrent.storage.digest import of_bytes, of_json, require

Weights = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class ForecasterConfig:
    """What must be known to build a forecaster before its weights are loaded."""

    cell: str
    input_size: int
    hidden_size: int
    num_layers: int
    output_size: int
    input: str  # values; multi_hot, embedding: the signal is the index of a word
    vocabulary: int  # words, where the signal is an index; otherwise 0
    embedding_size: int  # 0 without an embedding
    dropout: float  # of an embedding and of the states that the head reads
    readout: str  # all_steps, or one output from the last state or from the mean of all
    classes: int  # 0: the target is a quantity


@dataclass(frozen=True)
class ModelFile:
    """What the file holds."""

    config: ForecasterConfig
    signal_scaler: Scaler
    target_scaler: Scaler
    weights: Weights  # named as the modules of forecaster.Forecaster

    def write(self, path: Path) -> None:
        """Write the file; nothing in it is ever executed."""
        description: dict[str, Any] = {
            "config": asdict(self.config),
            "signal_scaler": asdict(self.signal_scaler),
            "target_scaler": asdict(self.target_scaler),
        }
        description["digest"] = _digest(description, self.weights)
        # one entry only: safetensors writes several in an order that changes from run to run
        content = save(dict(self.weights), metadata={"forecaster": json.dumps(description, sort_keys=True)})
        with replacing(path) as temporary:
            temporary.write_bytes(content)  # save_file would make a file that nobody else may read

    @classmethod
    def read(cls, path: Path) -> "ModelFile":
        """Read what `write` wrote; ValueError where the file is not such a one, or damaged."""
        try:
            with safe_open(path, framework="np") as file:
                description = json.loads((file.metadata() or {})["forecaster"])
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            require(path, description.pop("digest"), _digest(description, weights))
            signal_scaler, target_scaler = (
                Scaler(**{key: tuple(values) for key, values in description[name].items()})
                for name in ("signal_scaler", "target_scaler")
            )
            return cls(ForecasterConfig(**description["config"]), signal_scaler, target_scaler, weights)
        except (SafetensorError, KeyError, ValueError, TypeError, FileNotFoundError) as error:
            raise ValueError(f"{path}: not a saved forecaster, or damaged ({error})") from error


def _digest(description: Mapping[str, Any], weights: Weights) -> str:
    """Return the digest of all that the file holds."""
    arrays = {name: [array.dtype.str, array.shape, of_bytes(array.tobytes())] for name, array in weights.items()}
    return of_json({"description": description, "weights": arrays})


def model_path(model: Path, split: int, member: int) -> Path:
    """Return where the network of this split and member lies: the first at `model`, the others beside it."""
    return model if split == member == 0 else model.with_stem(f"{model.stem}-{split}-{member}")


def model_paths(model: Path, splits: int, members: int) -> list[list[Path]]:
    """Return all networks: for each split, those of its members, in order."""
    return [[model_path(model, split, member) for member in range(members)] for split in range(splits)]
