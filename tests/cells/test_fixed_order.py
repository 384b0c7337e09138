"""One lock on every machine: kernels and sums give the bits that docs/numerics.md promises, whatever runs them."""

import hashlib
import math
from pathlib import Path

import fixed_order
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from recurrent import compiled_c, numerics
from recurrent.cells.kernels import c_layer, c_library, threads

SHAPES = [(14, 35, 2, 5, 2), (3, 40, 1, 32, 1), (13, 3, 3, 17, 1), (25, 33, 1, 40, 3)]  # B, T, D, H, A
CELLS = {"manual": (1, 1), "gru": (3, 1), "lstm": (4, 2)}  # gates, parts of the state
DIGESTS = {
    "manual": ["740ac71099ff5ab2", "d5488cbdb548fbf3", "2fc727a74b5a0264", "d5b537a4eae518ad", "c802ff0c92185ea0"],
    "gru": ["f63dbc8f70e43fe5", "5001e5d36f8d128e", "8f346870957189d8", "b8012a66785a73f1", "a09bff7cd6d97302"],
    "lstm": ["ece602565a4f2ec3", "53bfbd712b86c68a", "c1506668b9878721", "00d6c922c2fb0a89", "0d9e87cfca7ef238"],
}
CPUS = {"haswell": "avx2", "x86-64-v3": "avx2", "znver3": "vaes", "skylake-avx512": "avx512vl", "native": ""}
BUILDS = [("manual", (cpu, cc)) for cpu in CPUS for cc in ("gcc", "clang")]
BUILDS += [(cell, (cpu, "gcc")) for cell in ("gru", "lstm") for cpu in ("haswell", "native")]
BUILDS += [(cell, ("skylake-avx512", "clang")) for cell in ("gru", "lstm")]


def drawn(shape, scale=1.0):
    """float32 from whole numbers: the same on every machine, which random numbers need not be."""
    numbers = np.arange(1, math.prod(shape) + 1, dtype=np.uint64) * np.uint64(2654435761) % np.uint64(1 << 32)
    return ((numbers >> np.uint64(8)).astype(np.float32) * np.float32(2**-23) - 1).reshape(shape) * np.float32(scale)


def layer(cell, B, T, D, H, A):
    """Signal, start, weights of layer and head, gradient of the answers."""
    gates, parts = CELLS[cell]
    shapes = ((gates * H, D), (gates * H,), (gates * H, H), (gates * H,), (A, H), (A,))
    start = [drawn((B, H), 1 - part / 2) for part in range(parts)]
    return drawn((B, T, D)), start, [drawn(shape, 2 * H**-0.5) for shape in shapes], drawn((B, T, A))


def run(cell, arrays):
    """States, answers and all gradients of a layer by the compiled kernel."""
    x, start, weights, d_answers = arrays
    given = [torch.from_numpy(array).requires_grad_() for array in (*start, *weights)]
    begin = (*given[: len(start)], None)[:2]
    states, _, answers = c_layer.Layer.apply(cell, torch.from_numpy(x), *begin, *given[len(start) :])
    answers.backward(torch.from_numpy(d_answers))
    return [states.detach().numpy(), answers.detach().numpy(), *(tensor.grad.numpy() for tensor in given)]


def digest(results):
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in results)).hexdigest()[:16]


@pytest.fixture(autouse=True)
def one_thread():
    yield
    threads.use(1)


@pytest.fixture
def built(request, monkeypatch, tmp_path):
    """Have the kernel built for a CPU by a compiler, both by name."""
    cpu, cc = request.param
    info = Path("/proc/cpuinfo")
    if CPUS[cpu] and not (info.exists() and f" {CPUS[cpu]}" in info.read_text()):
        pytest.skip(f"this CPU does not run code for {cpu}")
    monkeypatch.setenv("RECURRENT_MARCH", cpu)
    monkeypatch.setenv("CC", cc)
    compiled_c.load.cache_clear()
    c_library.library.cache_clear()
    try:
        c_library.library()
    except compiled_c.Unavailable as reason:
        pytest.skip(f"no {cc} for {cpu}: {reason}")
    yield
    compiled_c.load.cache_clear()
    c_library.library.cache_clear()


def require_kernel():
    try:
        c_library.library()
    except compiled_c.Unavailable as reason:
        pytest.skip(f"no compiled kernel: {reason}")


@pytest.fixture(params=["of its size", "of any size"])
def size(request, monkeypatch):
    """Have the kernel compiled for the hidden size, or take the one for all sizes."""
    if request.param == "of any size":
        library = c_library.library

        def of_any_size(cell="manual", hidden=0):
            return library(cell)

        of_any_size.cache_clear = library.cache_clear
        monkeypatch.setattr(c_library, "library", of_any_size)
    return request.param == "of its size"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cell", CELLS)
def test_the_kernel_sums_in_the_order_that_is_written_down(size, cell, shape):
    require_kernel()
    arrays = layer(cell, *shape)
    x, start, (w_in, b_in, w, b, head, head_bias), d_answers = arrays
    states, kept, answers = fixed_order.forward(cell, x, start, w_in, b_in, w, b, head, head_bias)
    expected = states, answers, *fixed_order.backward(cell, x, w_in, w, states, kept, head, d_answers)
    names = ["states", "answers", *("start", "memory")[: len(start)], "w_in", "b_in", "w", "b", "head", "head_bias"]
    for name, ours, theirs in zip(names, run(cell, arrays), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


@pytest.mark.parametrize("cell, built", BUILDS, indirect=["built"], ids=str)
def test_every_build_of_the_kernel_gives_the_same_bits(built, size, cell):
    shapes = dict(zip((*SHAPES, (70, 100, 1, 64, 1)), DIGESTS[cell], strict=True))
    if size:  # a library each: those whose tiles differ
        shapes = {shape: bits for shape, bits in shapes.items() if shape[3] in (32, 64)}
    for count in (1, 2, 3):
        threads.use(count)
        assert [digest(run(cell, layer(cell, *shape))) for shape in shapes] == [*shapes.values()]


@given(arrays.arrays(np.float64, arrays.array_shapes(max_dims=3, min_side=0, max_side=9), elements=st.floats(-9, 9)))
def test_a_total_adds_halves(values):
    def halves(numbers):
        if len(numbers) < 2:
            return numbers[0] if len(numbers) else 0.0
        half = len(numbers) // 2
        pairs = [a + b for a, b in zip(numbers[:half], numbers[half : 2 * half], strict=True)]
        return halves([pairs[0] + numbers[-1], *pairs[1:]] if len(numbers) % 2 else pairs)

    assert numerics.total(values) == halves(values.ravel().tolist())
    for axis in range(values.ndim):
        expected = np.apply_along_axis(lambda row: halves(row.tolist()), axis, values) if values.size else None
        for laid in (values, np.asfortranarray(values), np.repeat(values, 2, axis=0)[::2]):
            if expected is not None:
                np.testing.assert_array_equal(numerics.total(laid, axis=axis), expected)


def test_exp_and_log_are_off_by_two_units_in_the_last_place_at_most():
    x = np.linspace(-700, 700, 20001)
    assert np.abs(numerics.exp(x) / [math.exp(v) for v in x] - 1).max() <= 2 * 2.0**-52
    y = numerics.exp(np.linspace(-300, 300, 20001))
    assert np.abs(numerics.log(y) - [math.log(v) for v in y]).max() <= 2 * 2.0**-52 * 300
    near = 1 + np.linspace(-0.5, 1, 20001)
    assert np.abs(numerics.log(near) - [math.log(v) for v in near]).max() <= 2 * 2.0**-52
    assert [numerics.exp_of(v) for v in x.tolist()] == numerics.exp(x).tolist()
    np.testing.assert_array_equal(numerics.log([0.0, -1.0, 1.0]), [-np.inf, np.nan, 0.0])


@given(st.floats(1e-12, 1e12), st.integers(0, 400))
def test_roots_and_powers(x, exponent):
    assert numerics.cube_root(x) ** 3 == pytest.approx(x, rel=1e-14)
    assert numerics.power(0.96, exponent) == pytest.approx(0.96**exponent, rel=1e-13)


def test_least_squares_by_the_normal_equations():
    design = drawn((300, 20)).astype(np.float64)
    design = np.c_[design, design[:, :3] @ np.ones((3, 2))]  # two columns that others determine
    wanted = design @ np.arange(22.0) + drawn((300,))
    weights = numerics.solve(design.T @ design, design.T @ wanted)
    peer = np.linalg.lstsq(design, wanted, rcond=None)[0]
    np.testing.assert_allclose(design @ weights, design @ peer, rtol=0, atol=1e-9)
    assert (weights == 0).sum() == 2


def test_the_bits_of_elementary_functions_and_sums():
    x = drawn((5000,)).astype(np.float64) * 30
    rows = x.reshape(50, 100)
    gram = np.zeros((100, 100))
    for row in rows:
        gram += row[:, None] * row
    found = [numerics.exp(x), numerics.log(np.abs(x)), numerics.total(rows, axis=0), numerics.mean(rows, axis=1)]
    found += [numerics.solve(gram + np.eye(100), numerics.total(rows, axis=1).repeat(2))]
    assert [digest([values]) for values in found] == [
        "e3c80106096fb343",
        "86837005d45039d5",
        "369269ede8dc3129",
        "522a450a498b6d3b",
        "f5a9bccec5ae5fde",
    ]
