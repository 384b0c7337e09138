"""The params file is read strictly: every problem is named with file, line, key and what was expected."""

import re
from functools import cache, reduce
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import yaml

from recurrent.config import schema
from recurrent.config.fields import CELLS
from recurrent.config.reader import ParamsError, read
from recurrent.config.schema import Settings
from recurrent.train import trainer as training
from recurrent.window import steps

ROOT = Path(__file__).parents[2]
SHIPPED = (ROOT / "params.yaml").read_text(encoding="utf-8")


@cache
def nodes():
    """Dotted key -> its node and its value's, which know where they stand."""
    found = {}

    def note(mapping, above):
        for key, value in mapping.value:
            found[above + key.value] = key, value
            if isinstance(value, yaml.MappingNode):
                note(value, f"{above}{key.value}.")

    note(yaml.compose(SHIPPED), "")
    return found


LEAVES = [key for key, (_, value) in nodes().items() if not isinstance(value, yaml.MappingNode)]
SETTINGS = read(ROOT / "params.yaml", Settings)
VALUES = {key: reduce(getattr, key.split("."), SETTINGS) for key in LEAVES}
NUMBERS = [key for key in LEAVES if type(VALUES[key]) in (int, float)]
WHOLE = [key for key in LEAVES if type(VALUES[key]) is int]
TEXTS = [key for key in LEAVES if type(VALUES[key]) is str and key != "train.threads"]  # that: a number or auto
YES_OR_NO = [key for key in LEAVES if type(VALUES[key]) is bool]


def edit(folder, changes):
    """Write the shipped file with `changes`: dotted key -> the text that takes the place of key and value."""
    text = SHIPPED
    for key in reversed([key for key in nodes() if key in changes]):
        name, value = nodes()[key]
        end = len(SHIPPED[: value.end_mark.index].rstrip())  # a list in lines of its own ends before the next key
        text = text[: name.start_mark.index] + changes[key] + text[end:]
    return put(folder, text)


def put(folder, text):
    path = folder / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def assign(folder, changes):
    return edit(folder, {key: f"{key.split('.')[-1]}: {value}" for key, value in changes.items()})


def line_of(key):
    return nodes()[key][0].start_mark.line + 1


def problems(path):
    with pytest.raises(ParamsError) as caught:
        read(path, Settings)
    return str(caught.value).splitlines()


def test_the_shipped_file_is_read():
    assert isinstance(read(ROOT / "params.yaml", Settings), Settings)


@pytest.mark.parametrize("key", nodes())
def test_every_key_of_the_shipped_file_has_a_comment(key):
    assert re.search(r"\s# \w", SHIPPED.splitlines()[line_of(key) - 1])


@pytest.mark.parametrize("key", nodes())
def test_an_unknown_key_is_named_with_its_line_and_the_nearest_known_key(tmp_path, key):
    name, value = nodes()[key]
    body = SHIPPED[name.end_mark.index : value.end_mark.index]
    found = problems(edit(tmp_path, {key: f"{name.value}_{body}"}))
    wrong = f"params.yaml:{line_of(key)}: {key}_: unknown key; the nearest known key is {key}"
    assert wrong in found
    assert len(found) == 2  # the other one: the right key is missing


@pytest.mark.parametrize("key", nodes())
def test_a_missing_key_is_named(tmp_path, key):
    section, _, name = key.rpartition(".")
    data = yaml.safe_load(SHIPPED)
    del (data[section] if section else data)[name]
    (found,) = problems(put(tmp_path, yaml.safe_dump(data)))
    assert re.fullmatch(rf"params\.yaml:\d+: {re.escape(key)}: missing", found)


@pytest.mark.parametrize("key", ["seed", "train.loss"])
def test_a_duplicate_key_is_refused(tmp_path, key):
    name, value = nodes()[key]
    line, indent = SHIPPED[name.start_mark.index : value.end_mark.index], " " * name.start_mark.column
    found = problems(edit(tmp_path, {key: f"{line}\n{indent}{line}"}))
    assert found == [f"params.yaml:{line_of(key) + 1}: {key}: duplicate key"]


WRONG_TYPES = [
    *((NUMBERS, value) for value in ("'3'", "three", "true", "[3]", ".nan", ".inf")),
    *((WHOLE, value) for value in ("3.5", "3.0")),
    *((TEXTS, value) for value in ("3", "true", "{a: b}")),
    *((YES_OR_NO, value) for value in ("1", "'true'", "[true]")),
    *((["ingest.signal"], value) for value in ("3", "[]", "[3]", "[a, a]", "['']")),
    *(
        ([key], value)
        for key in ("model.residual_penalties", "evaluate.ridge_penalties")
        for value in ("1.0", "[]", "[a]", "[true]", "[.nan]", "[-1.0]")
    ),
]


@pytest.mark.parametrize(("keys", "value"), WRONG_TYPES)
def test_a_value_of_another_type_is_refused_with_its_line(tmp_path, keys, value):
    found = problems(assign(tmp_path, dict.fromkeys(keys, value)))
    assert [line.split(": found ")[0] for line in found] == [f"params.yaml:{line_of(key)}: {key}" for key in keys]
    assert all("expected" in line for line in found)


@pytest.mark.parametrize("key", sorted(nodes().keys() - {"ingest.failure_threshold"}))
def test_a_value_left_out_is_refused_with_its_line(tmp_path, key):
    (found,) = problems(assign(tmp_path, {key: "\n"}))
    assert found.startswith(f"params.yaml:{line_of(key)}: {key}: found None, expected")


OUT_OF_RANGE = {
    "seed": ["-1", 2**32],
    "seq_len": ["0", 10**19],
    "simulate.cycles": ["0"],
    "simulate.sample_rate": ["0", "-2000.0"],
    "simulate.gain_spread": ["-0.1"],
    "simulate.wander": ["-0.1", ".inf"],
    "ingest.csv": ["''"],
    "ingest.target": ["''"],
    "ingest.failure_threshold": ["-0.1"],
    "window.samples_per_step": ["0", 10**19],
    "window.statistic": ["median", "[]", "[std, std]", "[std, median]"],
    "window.stride": ["0", 2**31],
    "window.batch_size": ["-1"],
    "window.split": ["random"],
    "window.train_fraction": ["0", "1", "1.5"],
    "window.validation_fraction": ["0.0", "1.0", "-0.1"],
    "window.horizon": ["-1"],
    "model.hidden_size": ["0"],
    "model.num_layers": ["0"],
    "model.dropout": ["-0.1", "1.0"],
    "model.readout": ["all"],
    "model.residual": ["linear"],
    "model.residual_penalties": ["[1.0, -1.0]"],
    "train.loss": ["l1"],
    "train.learning_rate": ["0", "-1e-3"],
    "train.learning_rate_decay": ["0", "1.01"],
    "train.weight_decay": ["-0.1"],
    "train.gradient_clip": ["0.0"],
    "train.target_delta": ["-0.1"],
    "train.patience": ["0"],
    "train.max_epochs": ["0"],
    "train.threads": ["0", "two", "1.5", "true"],
    "train.members": ["0"],
    "train.input_noise": ["-0.1"],
    "train.labels": ["seconds"],
    "evaluate.ridge_penalties": ["[1.0, -1.0]"],
    "evaluate.moving_average": ["0"],
    "evaluate.season": ["[0]", "[24, 24]"],
    "evaluate.free_running": ["-1"],
    "plot.dpi": ["1", "100000"],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key in OUT_OF_RANGE for value in OUT_OF_RANGE[key]])
def test_a_value_out_of_range_is_refused_with_its_line(tmp_path, key, value):
    (found,) = problems(assign(tmp_path, {key: value}))
    assert found.startswith(f"params.yaml:{line_of(key)}: {key}: found ")


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("train.learning_rate", "1e-3", 0.001),
        ("train.learning_rate", "1", 1.0),
        ("train.learning_rate_decay", "1", 1.0),
        ("simulate.sample_rate", "2E3", 2000.0),
        ("train.target_delta", "0", 0.0),
        ("train.threads", "3", 3),
        ("train.threads", "auto", "auto"),
        ("ingest.failure_threshold", "null", None),
        ("ingest.signal", "acoustic_data", ("acoustic_data",)),
        ("ingest.signal", "[a, b]", ("a", "b")),
        ("window.statistic", "mean", ("mean",)),
        ("window.statistic", "[mean, max]", ("mean", "max")),
    ],
)
def test_what_people_write_is_understood(tmp_path, key, text, value):
    found = reduce(getattr, key.split("."), read(assign(tmp_path, {key: text}), Settings))
    assert (found, type(found)) == (value, type(value))


def test_an_unknown_cell_lists_the_cells(tmp_path):
    (found,) = problems(assign(tmp_path, {"model.cell": "lstn"}))
    assert found.endswith(f"model.cell: found 'lstn', expected: one of {', '.join(CELLS)}")


@pytest.mark.parametrize(
    ("samples", "statistic", "allowed"),
    [(250, "none", False), (1, "[none, max]", False), (1, "std", False), (1, "log_std", False)]
    + [(1, "none", True), (1, "max", True), (2, "[std, max]", True)],
)
def test_a_statistic_must_fit_the_samples_of_a_step(tmp_path, samples, statistic, allowed):
    path = assign(tmp_path, {"window.samples_per_step": samples, "window.statistic": statistic})
    if allowed:
        assert read(path, Settings).window.samples_per_step == samples
    else:
        assert "samples_per_step" in problems(path)[0]


@pytest.mark.parametrize(("train", "validation"), [(0.6, 0.4), (0.7, 0.4)])
def test_train_and_validation_must_leave_a_test_part(tmp_path, train, validation):
    (found,) = problems(assign(tmp_path, {"window.train_fraction": train, "window.validation_fraction": validation}))
    assert "below 1: the rest is the test part" in found


NOT_OF_A_RECORDING = {
    "window.split": ["each_group", "groups", "folds", "given"],
    "window.one_window_per_group": ["true"],
    "window.repeats": ["2"],
    "window.seed": ["1"],
    "model.input": ["multi_hot", "embedding"],
    "model.embedding_size": ["32"],
    "train.loss": ["cross_entropy"],
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key in NOT_OF_A_RECORDING for value in NOT_OF_A_RECORDING[key]]
)
def test_what_other_data_has_and_a_recording_has_not_is_refused_with_its_line(tmp_path, key, value):
    (found,) = problems(assign(tmp_path, {key: value}))
    assert found.startswith(f"params.yaml:{line_of(key)}: {key}: found {yaml.safe_load(value)!r}, expected: ")
    assert repr(VALUES[key]) in found and found.endswith(", as a recording has no groups, words or classes")


def test_all_problems_are_reported_at_once_in_the_order_of_the_file(tmp_path):
    changes = {"seed": "-1", "window.stride": "two", "model.input": "embedding", "train.loss": "l1", "plot.dpi": "1"}
    found = problems(assign(tmp_path, changes))
    assert [line.split(": ")[:2] for line in found] == [[f"params.yaml:{line_of(key)}", key] for key in changes]


def test_text_that_is_not_yaml_is_refused_with_its_line(tmp_path):
    (found,) = problems(put(tmp_path, "seed: 0\nseq_len: [1\ntrain: {}\n"))
    assert found.startswith("params.yaml:3: not valid YAML: ")


@pytest.mark.parametrize("text", ["", "- seed\n", "seed\n"])
def test_a_file_without_keys_is_refused(tmp_path, text):
    assert problems(put(tmp_path, text))[0].startswith("params.yaml: expected keys and values, found ")


def test_an_absent_file_is_named(tmp_path):
    assert problems(tmp_path / "params.yaml") == [
        f"{tmp_path / 'params.yaml'}: no such file; run from the top folder of the project"
    ]


def test_every_name_that_is_allowed_can_be_computed_and_the_other_way_round():
    losses = get_type_hints(schema.Train)["loss"]
    assert set(get_args(schema.Statistic)) == set(steps.AGGREGATES)
    assert set(get_args(losses)) == {*training.LOSSES, "cross_entropy"}
    assert set(CELLS) == {path.stem for path in (ROOT / "recurrent" / "cells").glob("[!_]*.py")}
