"""Every cell keeps the contract, the manual one equals nn.RNN, and a forecaster survives its file."""

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from machine import CAN_COMPILE
from safetensors.torch import save_file
from small_network import PLAIN
from torch import nn
from torch.autograd import gradcheck

from recurrent import cells
from recurrent.network import forecaster
from recurrent.network.forecaster import Forecaster, new_cell
from recurrent.network.scaler import Scaler

torch.set_num_threads(1)  # as the stages do; the tensors are small
CELLS = sorted(path.stem for path in Path(cells.__file__).parent.glob("[!_]*.py"))
BACKENDS = ["reference", "numpy", *(["c"] if CAN_COMPILE else [])]
RUNS = [*CELLS, *(f"manual by {backend}" for backend in BACKENDS[1:])]  # what the contract holds for
RUNS += ["gru by c", "lstm by c"] if CAN_COMPILE else []
PEERS = {"manual": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
B, T, D, H = 3, 7, 2, 5
SCALERS = Scaler((4.0, -2.0), (3.0, 0.5)), Scaler((30.0,), (10.0,))


def build(cell, *, num_layers=1, seed=0):
    torch.manual_seed(seed)
    name, _, backend = cell.partition(" by ")
    return new_cell(name, input_size=D, hidden_size=H, num_layers=num_layers, backend=backend or "reference")


def noise(*shape, dtype=torch.float32, seed=1):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def network(cell="manual", *, seed=0, scalers=None, **options) -> Forecaster:
    name, _, backend = cell.partition(" by ")
    sizes = {"input_size": D, "hidden_size": H}
    plan, scalers = replace(PLAIN, cell=name, **sizes | options), scalers or SCALERS
    return forecaster.build(plan, scalers, seed=seed, backend=backend or "reference")


def test_all_cells_are_found():
    assert {"manual", "rnn", "lstm", "gru"} <= set(CELLS)


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("cell", RUNS)
def test_one_state_per_step_and_the_last_is_the_last(cell, num_layers):
    states, last = build(cell, num_layers=num_layers)(noise(B, T, D))
    last = last[0] if isinstance(last, tuple) else last
    assert states.shape == (B, T, H) and last.shape == (num_layers, B, H)
    assert torch.equal(last[-1], states[:, -1])
    assert len(torch.unique(states[0], dim=0)) == T


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("cell", RUNS)
def test_never_looks_ahead(cell, num_layers):
    model = build(cell, num_layers=num_layers)
    before = model(noise(B, T, D))[0]
    for t in range(T):
        x = noise(B, T, D)
        x[:, t:] += 1
        after = model(x)[0]
        assert torch.equal(after[:, :t], before[:, :t])
        assert (after[:, t:] != before[:, t:]).any(dim=-1).all()


@pytest.mark.parametrize("cell", RUNS)
def test_sequences_of_a_batch_do_not_meet(cell):
    model, x = build(cell), noise(B, T, D)
    before = model(x)[0]
    x[1] += 1
    assert [torch.equal(a, b) for a, b in zip(model(x)[0], before, strict=True)] == [True, False, True]


@pytest.mark.parametrize("cell", RUNS)
def test_the_seed_decides(cell):
    def states(seed):
        return build(cell, seed=seed)(noise(B, T, D))[0]

    assert torch.equal(states(0), states(0)) and not torch.equal(states(0), states(1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "cell",
    [f"manual by {b}" for b in BACKENDS] + [f"{c} by {b}" for c in ("gru", "lstm") for b in BACKENDS if b != "numpy"],
)
@pytest.mark.parametrize("given_state", [True, False])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (3, 5, 1, 7), (2, 9, 5, 33), (1, 6, 5, 7), (4, 1, 1, 33)])
def test_a_cell_equals_its_peer_in_outputs_state_and_gradients(sizes, num_layers, given_state, dtype, cell):
    batch, steps, width, hidden = sizes
    name, backend = cell.split(" by ")
    ours = new_cell(name, input_size=width, hidden_size=hidden, num_layers=num_layers).to(dtype)
    ours.backend = backend
    peer = PEERS[name](width, hidden, num_layers, batch_first=True).to(dtype)
    names = {}
    for layer in range(num_layers):
        for ending in ("weight", "bias"):
            names[f"input_to_hidden.{layer}.{ending}"] = f"{ending}_ih_l{layer}"
            names[f"hidden_to_hidden.{layer}.{ending}"] = f"{ending}_hh_l{layer}"
    peer.load_state_dict({names[name]: weight for name, weight in ours.state_dict().items()})
    weigh_states, weigh_last = noise(batch, steps, hidden, dtype=dtype), noise(num_layers, batch, hidden, dtype=dtype)
    found = []
    for model in (ours, peer):
        x = noise(batch, steps, width, dtype=dtype).requires_grad_()
        parts = range(2, 2 + ours.parts_of_state) if given_state else ()
        start = [noise(num_layers, batch, hidden, dtype=dtype, seed=seed).requires_grad_() for seed in parts]
        states, last = model(x, tuple(start) if len(start) > 1 else start[0]) if given_state else model(x)
        ends = [last] if isinstance(last, torch.Tensor) else [*last]
        ((states * weigh_states).mean() + sum((end * weigh_last).mean() for end in ends)).backward()
        gradients = {name: weight.grad for name, weight in model.named_parameters()}
        found.append(([states, *ends, x.grad, *(part.grad for part in start)], gradients))
    (tensors, gradients), (peers, peer_gradients) = found
    close = {"rtol": 0, "atol": 1e-6 if dtype == torch.float32 else 1e-12}
    torch.testing.assert_close(tensors, peers, **close)
    torch.testing.assert_close({names[n]: g for n, g in gradients.items()}, peer_gradients, **close)
    assert all(gradient.abs().sum() > 0 for gradient in gradients.values() if steps > 1)


@pytest.mark.parametrize("cell", PEERS)
def test_a_hand_made_cell_is_made_of_linear_layers_only(cell):
    model = build(cell, num_layers=3)
    leaves = [module for module in model.modules() if not any(module.children())]
    assert len(leaves) == 6 and all(type(leaf) is nn.Linear for leaf in leaves)
    assert sum(p.numel() for leaf in leaves for p in leaf.parameters()) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("cell", PEERS)
@pytest.mark.parametrize("hidden_size", [16, 100])
def test_a_cell_starts_as_its_peer_does(cell, hidden_size):
    for model in (new_cell(cell, input_size=900, hidden_size=hidden_size, num_layers=1), PEERS[cell](900, hidden_size)):
        bound = hidden_size**-0.5
        sizes = [weight.abs().max() for weight in model.parameters() if weight.ndim == 2]
        assert 0.9 * bound < min(sizes) and max(sizes) <= bound


@pytest.mark.parametrize("start", [True, False])
@pytest.mark.parametrize("cell", PEERS)
def test_the_gradients_of_the_references_are_right_by_finite_differences(cell, start):
    model, parts = build(cell).double(), build(cell).parts_of_state if start else 0
    given = [
        noise(B, 4, D, dtype=torch.float64),
        *(noise(1, B, H, dtype=torch.float64, seed=2 + i) for i in range(parts)),
    ]

    def states(x, *begin):
        found, last = model(x, begin or None)
        return found, *([last] if isinstance(last, torch.Tensor) else last)

    assert gradcheck(states, [tensor.requires_grad_() for tensor in given])


def test_an_unknown_cell_is_an_error():
    with pytest.raises(ModuleNotFoundError, match="hopfield"):
        new_cell("hopfield", input_size=1, hidden_size=1, num_layers=1)


@pytest.mark.parametrize("cell", RUNS)
def test_forecaster_answers_at_every_step_in_the_targets_unit(cell):
    model = network(cell)
    signal = noise(B, T, D).numpy().astype(np.float64)
    predicted = model.predict(signal)
    assert predicted.shape == (B, T, 1) and predicted.dtype == np.float64
    with torch.no_grad():
        scaled = model(torch.from_numpy(((signal - [4.0, -2.0]) / [3.0, 0.5]).astype(np.float32)))
    np.testing.assert_allclose(predicted, scaled.numpy().astype(np.float64) * 10 + 30, rtol=1e-12)


def test_a_forecaster_of_the_same_seed_is_the_same():
    weights = [network(seed=seed).state_dict() for seed in (0, 0, 1)]
    same = [all(torch.equal(weights[0][name], other[name]) for name in other) for other in weights]
    assert same == [True, True, False]


@pytest.mark.parametrize("cell", RUNS)
def test_saved_and_loaded_it_predicts_the_same_bits(tmp_path, cell):
    model, signal = network(cell, num_layers=2), noise(B, T, D).numpy()
    model.save(tmp_path / "new" / "model.safetensors")
    again = Forecaster.load(tmp_path / "new" / "model.safetensors", backend=model.backend)
    assert again.backend == model.backend
    assert again.config == model.config
    assert (again.signal_scaler, again.target_scaler) == SCALERS
    assert again.predict(signal).tobytes() == model.predict(signal).tobytes()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["model.safetensors"]


def test_the_file_is_data_whose_header_tells_the_architecture(tmp_path):
    network().save(tmp_path / "m")
    content = (tmp_path / "m").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    about = json.loads(header["__metadata__"]["forecaster"])
    expected = {"cell": "manual", "input_size": D, "hidden_size": H, "num_layers": 1, "output_size": 1}
    unused = {"vocabulary": 0, "embedding_size": 0, "dropout": 0.0, "classes": 0}
    assert about["config"] == expected | {"input": "values", "readout": "all_steps"} | unused
    assert about["target_scaler"] == {"mean": [30.0], "scale": [10.0]}


def test_the_file_has_the_same_bytes_in_every_process(tmp_path):
    code = (
        "import sys, pathlib; sys.path[:0] = sys.argv[2:]; import test_cells;"
        "test_cells.network('lstm').save(pathlib.Path(sys.argv[1]))"
    )
    here = Path(__file__).parent
    network("lstm").save(tmp_path / "a")
    network("lstm").save(tmp_path / "b")
    subprocess.run(
        [sys.executable, "-c", code, tmp_path / "c", here, here.parents[1], here.parent / "support"], check=True
    )
    assert len({(tmp_path / name).read_bytes() for name in "abc"}) == 1


class Trap:
    def __reduce__(self):
        return pytest.fail, ("a file was executed",)


def _cut_short(path):
    network().save(path)
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(pickle.dumps(Trap())),
        lambda path: torch.save(Trap(), path),
        lambda path: path.write_bytes(b"garbage" * 99),
        lambda path: path.write_bytes(b""),
        lambda path: save_file({"x": torch.ones(2)}, path),
        lambda path: save_file({"x": torch.ones(2)}, path, metadata={"forecaster": "no JSON"}),
        lambda path: save_file({"x": torch.ones(2)}, path, metadata={"forecaster": "{}"}),
        _cut_short,
        lambda path: None,
    ],
    ids=["pickle", "torch", "garbage", "empty", "no header", "no JSON", "empty header", "cut short", "absent"],
)
def test_another_file_is_refused_by_name_and_never_executed(tmp_path, write):
    write(tmp_path / "strange.safetensors")
    with pytest.raises(ValueError, match=r"strange\.safetensors: not a saved forecaster"):
        Forecaster.load(tmp_path / "strange.safetensors")
