"""The benchmark of the GPU: its steps train, and without CUDA it says so; timings are not tested."""

import sys

import pytest
import torch

from benchmarks import gpu

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA"))]


def test_without_cuda_it_says_so_and_measures_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu", "--json", str(tmp_path / "gpu.json")])
    gpu.main()
    assert capsys.readouterr().out.startswith("skipped: ") and not [*tmp_path.iterdir()]


@pytest.mark.parametrize("device", DEVICES)
def test_every_candidate_trains(device):
    torch.manual_seed(0)
    x = torch.randn(6, 5, 1, device=device)
    y = 3 + x
    for name, step in gpu.candidates(4, device, x, y):
        losses = [float(step(x, y)) for _ in range(50)]
        assert losses[-1] < losses[0], name
    assert set(gpu.measure(device, (4, 6, 5), rounds=2)) >= {"manual", "nn_rnn", "textbook"}
