"""A trained forecaster as an ONNX graph: signal in, forecasts out, and the state in and out, so that it can follow.

The graph holds the scalers; `inputs` in its metadata says how a recording becomes the signal that it reads. ONNX has
operators for all cells (https://onnx.ai/onnx/operators, RNN, GRU, LSTM), whose gates stand in another order than in
nn.Linear. Legend of shapes: B sequences, T steps, F features, H hidden_size, K targets.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recurrent.network.model_file import ModelFile
from recurrent.network.task import task_of
from recurrent.storage.atomic import replacing

OPSET = 17
OPERATORS = {"manual": ("RNN", (0,)), "rnn": ("RNN", (0,)), "gru": ("GRU", (1, 0, 2)), "lstm": ("LSTM", (0, 3, 1, 2))}
STATES = {"RNN": ("state",), "GRU": ("state",), "LSTM": ("state", "memory")}
ATTRIBUTES: dict[str, dict[str, Any]] = {"GRU": {"linear_before_reset": 1}}


class _Graph:
    """Nodes and constants under names that occur once."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; give the name of its output, or the names of several."""
        from onnx import helper

        names = [f"{operator.lower()}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, values: Any, dtype: type[np.generic]) -> str:
        """Add an array; give its name."""
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name


def write_onnx(path: Path, members: Sequence[ModelFile]) -> None:
    """Write the graph of the networks' mean.

    Inputs are ``signal`` (B, T, F) float64 in its own unit, and for each network N ``state_N``, and ``memory_N`` of an
    LSTM, (layers, B, H) float32, zeros at the beginning; outputs are ``forecast`` (B, T, K) float64 in the targets'
    unit, and ``last_state_N``, ``last_memory_N``.

    Raises
    ------
    ValueError
        Where a forecast needs more than the step and the state, or the target is no quantity.
    """
    from onnx import TensorProto, checker, helper, save_model

    graph, found, inputs, outputs = _Graph(), [], [], []
    for number, saved in enumerate(members):
        config = saved.config
        by_step = config.readout != "mean" and saved.ridge is None and "all_steps" in task_of(config.classes).readouts
        if config.input != "values" or not by_step:
            what = f"readout {config.readout}, residual {'none' if saved.ridge is None else 'ridge'}"
            raise ValueError(
                f"the network reads {config.input}, with {what}; expected a forecast of quantities, step by step"
            )
        operator = OPERATORS[config.cell][0]
        states = [f"{name}_{number}" for name in STATES[operator]]
        forecast, last = _network(graph, saved, states)
        found.append(forecast)
        shape: list[str | int | None] = [config.num_layers, "B", config.hidden_size]
        inputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in states]
        for name, value in zip(states, last, strict=True):
            graph.nodes.append(helper.make_node("Identity", [value], [f"last_{name}"]))
            outputs.append(helper.make_tensor_value_info(f"last_{name}", TensorProto.FLOAT, shape))
    total = found[0] if len(found) == 1 else graph.add("Sum", *found)
    count = graph.constant(len(found), np.float64)
    graph.nodes.append(helper.make_node("Div", [total, count], ["forecast"]))
    saved = members[0]
    signal = helper.make_tensor_value_info("signal", TensorProto.DOUBLE, ["B", "T", saved.config.input_size])
    forecast = helper.make_tensor_value_info("forecast", TensorProto.DOUBLE, ["B", "T", saved.config.output_size])
    made = helper.make_graph(graph.nodes, "forecaster", [signal, *inputs], [forecast, *outputs], graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    described = {} if saved.inputs is None else saved.inputs.to_json()
    helper.set_model_props(model, {"inputs": json.dumps(described, sort_keys=True)})
    checker.check_model(model, full_check=True)
    with replacing(path) as temporary:
        save_model(model, temporary)


def _network(graph: _Graph, saved: ModelFile, states: Sequence[str]) -> tuple[str, list[str]]:
    """Add one network; give the names of its forecast (B, T, K) and of its state after the last step."""
    operator, order = OPERATORS[saved.config.cell]
    H, layers = saved.config.hidden_size, saved.config.num_layers
    mean, scale = (graph.constant(of, np.float64) for of in (saved.signal_scaler.mean, saved.signal_scaler.scale))
    scaled = graph.add("Div", graph.add("Sub", "signal", mean), scale)
    found = graph.add("Transpose", graph.add("Cast", scaled, to=1), perm=[1, 0, 2])  # (T, B, F) float32
    begins = [_layers(graph, name, layers) for name in states]
    ends: list[list[str]] = []
    for layer in range(layers):
        w_in, b_in, w, b = (_reordered(part, order) for part in _weights(saved, layer))
        weights = (w_in[None], w[None], np.concatenate([b_in, b])[None])
        names = [graph.constant(values, np.float32) for values in weights]
        begin = [of_layers[layer] for of_layers in begins]
        attributes = {"hidden_size": H} | ATTRIBUTES.get(operator, {})
        all_states, *end = graph.add(operator, found, *names, "", *begin, outputs=1 + len(states), **attributes)
        ends.append(end)
        found = graph.add("Squeeze", all_states, graph.constant([1], np.int64))
    head, bias = saved.weights["head.weight"], saved.weights["head.bias"]
    read = graph.add("Transpose", found, perm=[1, 0, 2])
    product = graph.add("MatMul", read, graph.constant(head.T, np.float32))
    scaled = graph.add("Cast", graph.add("Add", product, graph.constant(bias, np.float32)), to=11)
    mean, scale = (graph.constant(of, np.float64) for of in (saved.target_scaler.mean, saved.target_scaler.scale))
    forecast = graph.add("Add", graph.add("Mul", scaled, scale), mean)
    last = [graph.add("Concat", *parts, axis=0) for parts in zip(*ends, strict=True)]
    return forecast, last


def _layers(graph: _Graph, state: str, layers: int) -> list[str]:
    """Give the parts (1, B, H) of a state (layers, B, H)."""
    if layers == 1:
        return [state]
    sizes = graph.constant([1] * layers, np.int64)
    return list(graph.add("Split", state, sizes, outputs=layers, axis=0))


def _weights(saved: ModelFile, layer: int) -> list[Any]:
    """Give (G H, D), (G H,), (G H, H), (G H,) of a layer, whether it is of nn.Linear or of torch's own cell."""
    ours = [f"cell.{side}_to_hidden.{layer}.{kind}" for side in ("input", "hidden") for kind in ("weight", "bias")]
    torchs = [f"cell.{kind}_{side}_l{layer}" for side in ("ih", "hh") for kind in ("weight", "bias")]
    return [saved.weights[name] for name in (ours if ours[0] in saved.weights else torchs)]


def _reordered(values: Any, order: Sequence[int]) -> Any:
    """Put the gates in ONNX's order."""
    gates = np.split(values, len(order))
    return np.concatenate([gates[gate] for gate in order])
