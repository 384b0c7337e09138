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

from recurrent.network.interval import Interval
from recurrent.network.ridge import Ridge
from recurrent.network.scaler import Scaler
from recurrent.storage.atomic import replacing
from recurrent.storage.digest import of_bytes, of_json, require
from recurrent.storage.meta import Inputs

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
    embedding_size: int  # of a word's vector; 0 without words
    dropout: float  # of an embedding, of the words of multi_hot, and of the states that the head reads
    readout: str  # all_steps, or one output from the last state or from the mean of all
    classes: int  # 0: the target is a quantity


@dataclass(frozen=True)
class ModelFile:
    """What the file holds."""

    config: ForecasterConfig
    signal_scaler: Scaler
    target_scaler: Scaler
    weights: Weights  # named as the modules of forecaster.Forecaster
    ridge: Ridge | None = None  # what the outputs are added to
    inputs: Inputs | None = None  # None of a network that knows no recording
    interval: Interval | None = None  # around the mean of this network and its members

    def write(self, path: Path) -> None:
        """Write the file; nothing in it is ever executed."""
        description: dict[str, Any] = {
            "config": asdict(self.config),
            "signal_scaler": asdict(self.signal_scaler),
            "target_scaler": asdict(self.target_scaler),
            "inputs": None if self.inputs is None else self.inputs.to_json(),
            "interval": None if self.interval is None else self.interval.to_json(),
        }
        linear = {} if self.ridge is None else {f"ridge.{name}": array for name, array in self.ridge.arrays().items()}
        arrays: dict[str, npt.NDArray[Any]] = {**self.weights, **linear}
        description["digest"] = _digest(description, arrays)
        # one entry only: safetensors writes several in an order that changes from run to run
        content = save(arrays, metadata={"forecaster": json.dumps(description, sort_keys=True)})
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
            config, inputs = ForecasterConfig(**description["config"]), description["inputs"]
            known = None if inputs is None else Inputs.from_json(inputs, path)
            interval = description["interval"] and Interval.from_json(description["interval"], path)
            linear = {name[6:]: weights.pop(name) for name in [*weights] if name.startswith("ridge.")}
            sizes = {"features": config.input_size, "targets": config.output_size}
            ridge = Ridge.of_arrays(linear, **sizes) if linear else None
            return cls(config, signal_scaler, target_scaler, weights, ridge, known, interval)
        except (SafetensorError, KeyError, ValueError, TypeError, FileNotFoundError) as error:
            raise ValueError(f"{path}: not a saved forecaster ({error})") from error


def _digest(description: Mapping[str, Any], weights: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return the digest of all that the file holds."""
    arrays = {name: [array.dtype.str, array.shape, of_bytes(array.tobytes())] for name, array in weights.items()}
    return of_json({"description": description, "weights": arrays})


def model_path(model: Path, split: int, member: int) -> Path:
    """Return where the network of this split and member lies: the first at `model`, the others beside it."""
    return model if split == member == 0 else model.with_stem(f"{model.stem}-{split}-{member}")


def model_paths(model: Path, splits: int, members: int | None = None) -> list[list[Path]]:
    """Return all networks: for each split, those of its members, in order; as many as there are unless given."""
    paths: list[list[Path]] = []
    for split in range(splits):
        found = len(list(model.parent.glob(f"{model.stem}-{split}-*{model.suffix}"))) + (split == 0)
        paths.append([model_path(model, split, member) for member in range(found if members is None else members)])
    return paths
