"""Every kernel equals autograd through the reference loop, to the bit from run to run, and knows when to stand back."""

import math
import os
from operator import mul

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from machine import CAN_COMPILE, needs_compiler
from torch.autograd import gradcheck

from recurrent import compiled_c
from recurrent.cells.kernels import buffers, c_library, dispatch, numpy_layer, threads
from recurrent.cells.kernels.hand_made import HandMade
from recurrent.network.forecaster import new_cell, outputs

LAYERS = ["numpy", *(["c", "gru by c", "lstm by c"] if CAN_COMPILE else [])]  # of the manual cell where none is named
SIZES = st.tuples(
    st.sampled_from([1, 2, 5, 6, 7, 13, 64]),  # batch: alone, below, at and above a block of rows
    st.sampled_from([1, 2, 7, 8, 9, 30]),  # steps: around the chunks of the gradient
    st.sampled_from([1, 2, 7, 20]),  # features
    st.sampled_from([1, 7, 15, 32, 33]),  # hidden: around the panels; from 16 on, each is compiled
    st.integers(1, 3),  # layers
)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def cell(backend, width, hidden, num_layers=1, dtype=torch.float32) -> HandMade:
    torch.manual_seed(0)
    name, _, backend = backend.rpartition(" by ")
    sizes = {"input_size": width, "hidden_size": hidden, "num_layers": num_layers}
    return new_cell(name or "manual", **sizes, backend=backend).to(dtype)


def reference(backend):
    """Name the same cell by the reference."""
    return backend.rpartition("c")[0] + "reference" if "by" in backend else "reference"


def outcome(model, batch, steps, *, start=True, seed=1):
    """States, the last state, and gradients of signal, start and weights, through states and last state."""
    torch.manual_seed(seed)
    dtype = next(model.parameters()).dtype
    layers, hidden = len(model.hidden_to_hidden), model.hidden_to_hidden[0].in_features
    device = next(model.parameters()).device
    x = torch.randn(batch, steps, model.input_to_hidden[0].in_features).to(device, dtype).requires_grad_()
    of_state = [torch.randn(2, layers, batch, hidden).to(device, dtype) for _ in range(model.parts_of_state)]
    weigh = torch.randn(batch, steps, hidden).to(device, dtype)
    begin = [part.clone().requires_grad_() for part, _ in of_state] if start else []
    states, last = model(x, (begin[0] if len(begin) == 1 else tuple(begin)) if start else None)
    ends = [last] if isinstance(last, torch.Tensor) else last
    total = (states * weigh).sum() + sum(
        (end * weights).sum() for end, (_, weights) in zip(ends, of_state, strict=True)
    )
    leaves = [x, *begin, *model.parameters()]
    return [states.detach(), *(end.detach() for end in ends), *torch.autograd.grad(total, leaves)]


@pytest.mark.parametrize("backend", LAYERS)
@settings(max_examples=60)
@given(sizes=SIZES, start=st.booleans())
def test_equal_to_the_reference_in_float64(backend, sizes, start):
    batch, steps, width, hidden, layers = sizes
    exact = outcome(cell(reference(backend), width, hidden, layers, torch.float64), batch, steps, start=start)
    found = outcome(cell(backend, width, hidden, layers), batch, steps, start=start)
    for i, (ours, right) in enumerate(zip(found, exact, strict=True)):
        of_weights = i >= len(found) - 4 * layers  # sums over the steps of all sequences, whose terms may cancel
        scale = max(1.0, float(right.abs().max()), (batch * steps) ** 0.5 if of_weights else 0.0)
        assert float((ours - right).abs().max()) / scale <= 2e-6


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("backend", ["reference", *LAYERS])
def test_a_head_along_the_way_is_a_head_afterwards(backend, layers, outputs):
    found = []
    for together in (True, False):
        model, head = cell(backend, 2, 33, layers), torch.nn.Linear(33, outputs)
        x = torch.randn(7, 11, 2, generator=torch.Generator().manual_seed(3)).requires_grad_()
        states, last = model(x, head=head) if together else model(x)
        answers = states if together else head(states)
        leaves = [x, *model.parameters(), *head.parameters()]
        last = last if isinstance(last, torch.Tensor) else sum(last)
        found.append([answers.detach(), last.detach(), *torch.autograd.grad((answers**2).sum() + last.sum(), leaves)])
        assert answers.shape == (7, 11, outputs) and not torch.equal(answers, torch.zeros_like(answers))
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("start", [True, False])
def test_the_gradients_of_numpy_are_right_by_finite_differences(start):
    torch.manual_seed(0)
    shapes = [(3, 4, 2), *([(3, 5)] if start else []), (5, 2), (5,), (5, 5), (5,)]
    tensors = [torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    split = (lambda x, h, *w: (x, h, *w)) if start else (lambda x, *w: (x, None, *w))
    assert gradcheck(lambda *t: numpy_layer.Layer.apply(*split(*t)), tensors)


@pytest.mark.parametrize("backend", LAYERS)
def test_gradients_share_no_memory(backend):
    clipped = []
    for name in (backend, reference(backend)):
        model, head = cell(name, 2, 7), torch.nn.Linear(7, 1)
        torch.nn.init.ones_(head.weight)
        outputs(model, head, torch.ones(3, 5, 2)).sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1e-2)
        clipped.append([weight.grad for weight in model.parameters()])
    torch.testing.assert_close(*clipped, rtol=1e-5, atol=1e-8)


@needs_compiler
@pytest.mark.parametrize("backend", LAYERS[1:])
def test_threads_and_repetition_change_no_bit(backend):
    model, runs = cell(backend, 3, 33, 2), []
    for count in (1, 2, 2, 3, 1):
        threads.use(count)
        runs.append([tensor.detach().numpy().tobytes() for tensor in outcome(model, 64, 20)])
    assert all(run == runs[0] for run in runs)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("backend", LAYERS)
def test_what_is_no_number_comes_out_as_from_the_reference(backend, bad):
    found = []
    for name in (reference(backend), backend):
        model, x = cell(name, 2, 7), torch.ones(9, 6, 2)
        x[4, 3, 1] = bad
        states, _ = model(x)
        found.append((states.detach(), torch.autograd.grad(states.sum(), [*model.parameters()])))
    (states, gradients), (ours, our_gradients) = found
    assert states[4, 3:].isnan().all() == (bad != bad)
    torch.testing.assert_close(ours, states, rtol=0, atol=2e-6, equal_nan=True)
    assert not all(gradient.isfinite().all() for gradient in gradients)
    assert [g.isfinite().tolist() for g in our_gradients] == [g.isfinite().tolist() for g in gradients]


@pytest.mark.parametrize("backend", LAYERS)
def test_weights_that_are_no_number_come_out(backend):
    model = cell(backend, 2, 7)
    with torch.no_grad():
        model.hidden_to_hidden[0].weight[2, 3] = float("nan")
    states = model(torch.ones(7, 3, 2))[0]
    assert states[:, 1 if model.name == "gru" else 0 :, 2].isnan().all() and states[:, 2:].isnan().all()
    assert not states[:, 0, [0, 1, 3, 4, 5, 6]].isnan().any()


@pytest.mark.parametrize("backend", LAYERS)
def test_memory_in_use_is_not_given_out_again(backend):
    model, x = cell(backend, 1, 8), torch.randn(3, 4, 1)
    first = model(x)[0]
    kept = first.detach().clone()
    for seed in range(5):
        outcome(model, 3, 4, seed=seed)
    assert torch.equal(first, kept)
    view = buffers.empty(3, 5, dtype=torch.float64)[1:].fill_(7)
    assert view.shape == (2, 5) and all(buffers.empty(3, 5, dtype=torch.float64).fill_(0).sum() == 0 for _ in range(3))
    assert (view == 7).all()


def test_memory_is_given_out_again_when_nobody_looks():
    places = {buffers.empty(40, 1000, dtype=torch.float32).data_ptr() for _ in range(5)}
    assert len(places) == 1 and not places.pop() % 64  # a vector crosses no line of the cache
    for size in range(1, 200):
        buffers.empty(3**9 * size, dtype=torch.float32)
    assert len(buffers._idle) < 20  # what is too small is let go


def test_auto_is_the_fastest_there_is():
    assert cell("auto", 1, 4).backend == ("c" if CAN_COMPILE else "numpy")
    assert [cell(name, 1, 4).backend for name in LAYERS] == ["numpy", *["c"] * (len(LAYERS) - 1)]
    assert cell("reference", 1, 4).backend == cell("gru by reference", 1, 4).backend == "reference"


@pytest.fixture
def fresh(monkeypatch):
    """Nothing said and nothing loaded yet, before and after, and no choice of the person who runs the tests."""
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("RECURRENT_MARCH", raising=False)
    dispatch._say_once.cache_clear()
    compiled_c.load.cache_clear()
    c_library.library.cache_clear()
    yield
    dispatch._say_once.cache_clear()
    compiled_c.load.cache_clear()
    c_library.library.cache_clear()


@pytest.mark.parametrize("backend", ["auto", "c"])
def test_without_a_compiler_numpy_takes_over_and_says_so_once(fresh, tmp_path, monkeypatch, capsys, backend):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    models = [cell(backend, 2, 5) for _ in range(3)]
    assert [model.backend for model in models] == ["numpy"] * 3
    assert capsys.readouterr().err == "backend numpy instead of c: no compiler (cc, gcc, clang) on the path\n"
    torch.testing.assert_close(models[0](torch.ones(2, 3, 2)), cell("reference", 2, 5)(torch.ones(2, 3, 2)))


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_without_a_compiler_gates_are_the_references(fresh, tmp_path, monkeypatch, capsys, name):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert [cell(f"{name} by auto", 2, 5).backend for _ in range(3)] == ["reference"] * 3
    assert capsys.readouterr().err == "backend reference instead of c: no compiler (cc, gcc, clang) on the path\n"


@needs_compiler
def test_a_size_that_cannot_be_compiled_any_more_is_computed_by_the_library_for_all(fresh, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    c_library.library("manual")
    (every,) = (tmp_path / "recurrent").iterdir()
    monkeypatch.setattr(compiled_c, "SECONDS", 1e-3)  # the compiler hangs, as it seems
    model = cell("c", 2, 5)
    assert model.backend == "c" and [*(tmp_path / "recurrent").iterdir()] == [every]
    torch.testing.assert_close(model(torch.ones(2, 3, 2)), cell("reference", 2, 5)(torch.ones(2, 3, 2)))


@needs_compiler
def test_a_compiler_that_fails_is_told_and_leaves_nothing(fresh, tmp_path, monkeypatch, capsys):
    (tmp_path / "cc").write_text("#!/bin/sh\necho 'cc: no such flag' >&2\nexit 1\n")
    (tmp_path / "cc").chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert dispatch.choose("auto") == "numpy"
    assert "cc failed: cc: no such flag" in capsys.readouterr().err
    assert list((tmp_path / "cache" / "recurrent").iterdir()) == []


@pytest.mark.parametrize("backend", LAYERS)
def test_cases_a_kernel_does_not_take_fall_back_and_say_so(fresh, capsys, backend):
    model = cell(backend, 2, 5, dtype=torch.float64)
    exact = outcome(cell(reference(backend), 2, 5, dtype=torch.float64), 3, 4)
    torch.testing.assert_close(outcome(model, 3, 4), exact)
    expected = {"numpy": "", "c": "backend numpy instead of c: torch.float64\n"}
    said = capsys.readouterr().err
    assert said == expected.get(backend, "backend reference instead of c: torch.float64 on cpu, (3, 4, 2)\n")
    half = cell(backend, 2, 5, dtype=torch.bfloat16)
    assert half(torch.ones(1, 3, 2, dtype=torch.bfloat16))[0].dtype == torch.bfloat16
    assert capsys.readouterr().err.startswith(f"backend reference instead of {model.backend}: torch.bfloat16")


def test_a_gradient_of_a_gradient_is_an_error_but_for_the_reference():
    for backend in ("reference", *LAYERS):
        x = torch.ones(2, 3, 1, requires_grad=True)
        states, _ = cell(backend, 1, 4)(x)
        if backend == "reference":
            (slope,) = torch.autograd.grad(states.sum(), x, create_graph=True)
            assert torch.autograd.grad(slope.sum(), x)[0].abs().sum() > 0
        else:
            with pytest.raises(NotImplementedError, match="set the backend to reference"):
                torch.autograd.grad(states.sum(), x, create_graph=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA: cuDNN's recurrence is untested here")
def test_cudnn_equals_the_reference():
    found = outcome(cell("auto", 3, 33, 2).cuda(), 5, 9)
    exact = outcome(cell("reference", 3, 33, 2).cuda(), 5, 9)
    torch.testing.assert_close(found, exact, rtol=1e-4, atol=1e-4)


def test_the_reference_is_the_recurrence_of_the_textbook():
    """state(t) = tanh(W x(t) + b + U state(t - 1) + c), one number at a time and without torch."""
    model, x = cell("reference", 2, 5, dtype=torch.float64), torch.randn(3, 4, 2, dtype=torch.float64)
    w, b, u, c = (weight.detach().tolist() for weight in model.parameters())

    def product(row, column):
        return sum(map(mul, row, column))

    expected = []
    for sequence in x.tolist():
        state, states = [0.0] * 5, []
        for step in sequence:
            state = [math.tanh(product(w[i], step) + b[i] + product(u[i], state) + c[i]) for i in range(len(b))]
            states.append(state)
        expected.append(states)
    torch.testing.assert_close(model(x)[0], torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-14)
