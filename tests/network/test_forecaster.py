"""Words, readouts and padding: what a forecaster makes of sequences of several lengths, by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from seeds import rng
from small_network import PLAIN
from small_windows import cut, write_series

from recurrent.config import reader
from recurrent.config.schema import Settings
from recurrent.network import forecaster
from recurrent.network.forecaster import Forecaster
from recurrent.network.model_file import model_path, model_paths
from recurrent.network.scaler import Scaler
from recurrent.train.setup import fit_scalers, forecaster_config

torch.set_num_threads(1)
WORDS, H, E, K = 9, 5, 3, 2
LENGTHS = np.array([4, 1, 6])
TEXTS = rng(0).integers(0, WORDS, (3, 6, 1))
ONE = Scaler.identity(1)


def network(seed=0, scalers=(ONE, ONE), **options) -> Forecaster:
    sizes = {"hidden_size": H, "output_size": K}
    return forecaster.build(replace(PLAIN, **sizes | options), scalers, seed=seed)


def of_words(kind, **options) -> Forecaster:
    return network(input=kind, vocabulary=WORDS, embedding_size=E, **options)


def states(model, entered) -> np.ndarray:
    """States (B, T, H) of the manual cell over what it reads (B, T, D), in numpy."""
    layers = [getattr(model.cell, name)[0].double() for name in ("input_to_hidden", "hidden_to_hidden")]
    (into, bias), (onto, more) = (
        [0 if w is None else w.detach().numpy().copy() for w in (layer.weight, layer.bias)] for layer in layers
    )
    model.cell.float()
    bias = bias + more
    state, found = np.zeros((len(entered), H)), []
    for step in range(entered.shape[1]):
        state = np.tanh(entered[:, step] @ into.T + state @ onto.T + bias)
        found.append(state)
    return np.stack(found, axis=1)


def head(model, read) -> np.ndarray:
    return read @ model.head.weight.detach().double().numpy().T + model.head.bias.detach().double().numpy()


def readouts(kind, all_states, lengths):
    """What the head reads, (B, 1 or T, H)."""
    if kind == "all_steps":
        return all_states
    rows = [row[:n] for row, n in zip(all_states, lengths, strict=True)]
    return np.stack([row[-1:] if kind == "last" else row.mean(axis=0, keepdims=True) for row in rows])


@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("readout", ["all_steps", "last", "mean"])
@pytest.mark.parametrize("kind", ["values", "embedding"])
def test_outputs_by_hand(kind, readout, lengths):
    model = network(readout=readout) if kind == "values" else of_words(kind, readout=readout)
    if kind == "embedding":
        entered = model.embedding.weight.detach().double().numpy()[TEXTS[..., 0]]
    else:
        entered = TEXTS.astype(float)
    expected = head(model, readouts(readout, states(model, entered), [6] * 3 if lengths is None else lengths))
    assert expected.shape == (3, 6 if readout == "all_steps" else 1, K)
    np.testing.assert_allclose(model.predict(TEXTS, lengths), expected, atol=1e-5)


@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("readout", ["last", "mean"])
def test_multi_hot_reads_which_words_occur_once(readout, lengths):
    model = of_words("multi_hot", readout=readout)
    hot = np.zeros((3, 1, WORDS))
    for row, text in enumerate(TEXTS[..., 0]):
        hot[row, 0, text[: None if lengths is None else lengths[row]]] = 1
    entered = hot @ model.embedding.weight.detach().double().numpy()  # a linear layer on the whole vocabulary
    np.testing.assert_allclose(model.predict(TEXTS, lengths), head(model, states(model, entered)), atol=1e-5)


@pytest.mark.parametrize("cell", ["manual", "rnn", "lstm", "gru"])
@pytest.mark.parametrize(
    ("kind", "readout"), [*((k, a) for k in ("values", "embedding") for a in ("all_steps", "last", "mean"))]
    + [("multi_hot", "last")],
)  # fmt: skip
def test_what_the_padding_holds_changes_no_output(cell, kind, readout):
    model = network(readout=readout, cell=cell) if kind == "values" else of_words(kind, readout=readout, cell=cell)
    other = np.where(np.arange(6)[:, None] < LENGTHS[:, None, None], TEXTS, (TEXTS + 3) % WORDS)
    assert (other != TEXTS).any()
    for length, before, after in zip(LENGTHS, *(model.predict(t, LENGTHS) for t in (TEXTS, other)), strict=True):
        own = slice(length) if readout == "all_steps" else slice(None)
        assert before[own].tobytes() == after[own].tobytes()
    assert (model.predict(other) != model.predict(TEXTS)).any()  # unless the lengths say that it is padding


@pytest.mark.parametrize("readout", ["all_steps", "last"])
@pytest.mark.parametrize("kind", ["values", "embedding", "multi_hot"])
def test_dropout_is_off_when_it_predicts_and_on_when_it_learns(kind, readout):
    sure, unsure = (
        network(readout=readout, dropout=d) if kind == "values" else of_words(kind, readout=readout, dropout=d)
        for d in (0.0, 0.7)
    )
    unsure.load_state_dict(sure.state_dict())
    np.testing.assert_allclose(unsure.predict(TEXTS), sure.predict(TEXTS), atol=1e-6)
    unsure.train()
    x = torch.from_numpy(TEXTS.astype(np.float32))
    torch.manual_seed(0)
    first, again = unsure(x), unsure(x)
    torch.manual_seed(0)
    assert not torch.equal(first, again) and torch.equal(first, unsure(x))
    unsure.predict(TEXTS)
    assert torch.equal(unsure(x), unsure(x))  # it stays off


def test_of_classes_it_predicts_probabilities():
    model = of_words("embedding", readout="mean", classes=K)
    found = model.predict(TEXTS, LENGTHS)
    assert found.shape == (3, 1, K)
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-12)
    with torch.no_grad():
        logits = model(torch.from_numpy(TEXTS.astype(np.float32)), torch.from_numpy(LENGTHS)).double().numpy()
    np.testing.assert_allclose(np.log(found[..., 0] / found[..., 1]), logits[..., 0] - logits[..., 1], rtol=1e-9)


@pytest.mark.parametrize("kind", ["embedding", "multi_hot"])
def test_saved_and_loaded_it_predicts_the_same_bits(tmp_path, kind):
    model = of_words(kind, readout="mean", classes=K, dropout=0.3, cell="lstm")
    model.save(tmp_path / "m")
    again = Forecaster.load(tmp_path / "m")
    assert again.config == model.config
    assert again.predict(TEXTS, LENGTHS).tobytes() == model.predict(TEXTS, LENGTHS).tobytes()


def test_files_of_splits_and_members(tmp_path):
    model = tmp_path / "forecaster.safetensors"
    names = [[model_path(model, split, member) for member in range(3)] for split in range(12)]
    assert len({path for row in names for path in row}) == 36 and names[0][0] == model
    assert {path.parent for row in names for path in row} == {tmp_path}
    assert model_paths(model, 12, 3) == names and model_paths(model, 1, 2) == [names[0][:2]]


MODEL = replace(
    reader.read(Path(__file__).parents[2] / "params.yaml", Settings).model,
    cell="manual",
    hidden_size=4,
    embedding_size=E,
)
REVIEWS = {"vocabulary": tuple("abcdefghi"), "classes": ("no", "yes")}


def windows(folder, **meta):
    group = np.repeat(np.arange(10), 3)
    series = write_series(folder, np.arange(30) % WORDS, (group % 2), group=group, **meta)
    return cut(folder, series, split="groups", one_window_per_group=True, fractions=(0.5, 0.25))


@pytest.mark.parametrize(
    ("meta", "model", "message"),
    [
        (REVIEWS, {"input": "values", "readout": "last"}, "model.input is values, expected multi_hot or embedding"),
        (
            {},
            {"input": "embedding", "readout": "last"},
            "model.input is embedding, expected values, the signal is not ",
        ),
        ({}, {"input": "multi_hot", "readout": "last"}, "model.input is multi_hot, expected values"),
        (REVIEWS, {"input": "embedding", "readout": "all_steps"}, "model.readout is all_steps, expected last or mean"),
    ],
)
def test_a_model_that_does_not_fit_the_windows_is_refused(tmp_path, meta, model, message):
    with pytest.raises(ValueError, match=message):
        forecaster_config(replace(MODEL, **model), windows(tmp_path, **meta))


def test_the_architecture_is_that_of_the_windows(tmp_path):
    data = windows(tmp_path, **REVIEWS)
    chosen = forecaster_config(replace(MODEL, dropout=0.1, input="embedding", readout="mean"), data)
    assert (chosen.vocabulary, chosen.embedding_size, chosen.output_size, chosen.classes) == (WORDS, E, 2, 2)
    assert fit_scalers(data) == (ONE, ONE)  # the numbers of words and classes are names
    (tmp_path / "plain").mkdir()
    plain = forecaster_config(MODEL, windows(tmp_path / "plain"))
    assert (plain.input, plain.readout, plain.dropout, plain.embedding_size, plain.output_size) == (
        "values",
        "all_steps",
        0.0,
        0,
        1,
    )


def test_the_model_may_be_read_by_whoever_may_read_its_neighbours(tmp_path):
    network().save(tmp_path / "forecaster.safetensors")
    (tmp_path / "training.json").write_text("{}")
    assert len({path.stat().st_mode for path in tmp_path.iterdir()}) == 1
