"""No damaged file between two stages is accepted: one line that names it, exit status 1, outputs untouched."""

import json
import shutil

import numpy as np
import pytest
import yaml
from small_project import SHIPPED, products, run_here

READS = {  # stage -> what it reads of earlier ones
    "window": ["data/quake/series/signal.npy", "data/quake/series/target.npy", "data/quake/series/meta.json"],
    "train": ["data/quake/windows/signal.npy", "data/quake/windows/target.npy", "data/quake/windows/meta.json"],
    "evaluate": [
        "data/quake/windows/signal.npy",
        "data/quake/windows/target.npy",
        "data/quake/windows/meta.json",
        "data/quake/model/forecaster.safetensors",
    ],
    "plot": [
        "plots/quake/history.csv",
        "data/quake/model/training.json",
        "data/quake/predictions/predictions.csv",
        "data/quake/predictions/meta.json",
    ],
}


def flipped(content, at):
    at %= len(content)
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def one_dimensional(content):
    return b"\x93NUMPY\x01\x00v\x00" + repr({"descr": "<f8", "fortran_order": False, "shape": (3,)}).encode()


HARMS = {
    "gone": None,
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "one byte short": lambda content: content[:-1] if not content.endswith(b"\n") else content[:-2],
    "one byte more": lambda content: content + b"1",
    "zeros": lambda content: bytes(len(content)),
    "first bit": lambda content: flipped(content, 0),
    "bit in the middle": lambda content: flipped(content, len(content) // 2),
    "bit near the end": lambda content: flipped(content, -4),
    "other rows": one_dimensional,
}
META = "data/quake/windows/meta.json"
SERIES = "data/quake/series/meta.json"
SUMMARY = "data/quake/model/training.json"
TABLE = "data/quake/predictions/meta.json"
VALUES = [  # stage, file, path of keys, a value that must not be taken
    ("train", META, ("seq_len",), 0),
    ("train", META, ("stride",), 0),
    ("train", META, ("seq_len",), 10**19),
    ("train", META, ("horizon",), -1),
    ("train", META, ("splits", 0, "train", "spans", 0, 0), -500),
    ("train", META, ("splits", 0, "train", "spans", 0, 1), 10**9),
    ("evaluate", META, ("splits", 0, "test", "spans", 0, 0), 0),  # it would overlap train
    ("evaluate", META, ("splits", 0, "test", "windows"), 1),
    ("evaluate", META, ("first_targets",), []),
    ("evaluate", META, ("target",), ["other"]),
    ("evaluate", META, ("countdown",), False),
    ("window", SERIES, ("failures",), None),
    ("window", SERIES, ("failures",), [-1]),
    ("window", SERIES, ("units",), None),
    ("window", SERIES, ("dtype", "signal"), "int64"),
    ("window", SERIES, ("rows",), 1),
    ("window", SERIES, ("files",), {}),
    ("window", SERIES, ("files",), {"../../../etc/hostname": ""}),
    ("window", SERIES, ("digest",), ""),
    ("plot", SUMMARY, ("best", "epoch"), 99),
    ("plot", SUMMARY, ("target_delta",), -1),
    ("plot", SUMMARY, ("files",), {}),
    ("plot", TABLE, ("unit",), ""),
    ("plot", TABLE, ("baselines",), []),
    ("plot", TABLE, ("files",), {}),
]


def refused(name, home, path, content, monkeypatch, capsys):
    """Damage the file, run the stage that reads it, and put the file back."""
    file, aside = home / path, home / "aside"
    before = products(home, name)
    file.rename(aside)
    try:
        if content is not None:
            file.write_bytes(content)
        code, said = run_here(name, home, monkeypatch, capsys)
    finally:
        aside.replace(file)
    assert code == 1 and said.startswith("error: ") and said.count("\n") == 1
    assert path in said and (". " not in said.split(path)[0])
    assert products(home, name) == before
    assert not list(home.glob("data/**/.*.tmp"))


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize(("stage", "path"), [(stage, path) for stage, paths in READS.items() for path in paths])
def test_a_damaged_file_is_refused_and_named(project, stage, path, harm, monkeypatch, capsys):
    content = (project / path).read_bytes()
    damaged = HARMS[harm] and HARMS[harm](content)
    refused(stage, project, path, damaged, monkeypatch, capsys)


@pytest.mark.parametrize(("stage", "path", "keys", "value"), VALUES)
def test_a_value_that_was_not_written_is_refused(project, stage, path, keys, value, monkeypatch, capsys):
    values = json.loads((project / path).read_text())
    inner = values
    for key in keys[:-1]:
        inner = inner[key]
    if value is None:
        del inner[keys[-1]]
    else:
        assert inner[keys[-1]] != value
        inner[keys[-1]] = value
    refused(stage, project, path, json.dumps(values, indent=2).encode(), monkeypatch, capsys)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'\\"num_layers\\": 1', b'\\"num_layers\\": 0'),
        (b'\\"cell\\": \\"manual\\"', b'\\"cell\\": \\"../man\\"'),
        (b'\\"dropout\\": 0.0', b'\\"dropout\\": 9.0'),
        (b'\\"input_size\\": 1', b'\\"input_size\\": 2'),
        (b'\\"scale\\": [', b'\\"scale\\": ['),  # the number that follows is another
        (b'\\"classes\\": 0', b'\\"classes\\": 7'),
    ],
)
def test_a_model_whose_description_was_changed_is_refused(project, old, new, monkeypatch, capsys):
    path = READS["evaluate"][-1]
    content = (project / path).read_bytes()
    assert content.count(old) >= 1
    if old == new:
        at = content.index(old) + len(old)
        content = flipped(content, at)
    refused("evaluate", project, path, content.replace(old, new), monkeypatch, capsys)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 1e30])
def test_weights_that_were_not_written_are_refused(project, value, monkeypatch, capsys):
    path = READS["evaluate"][-1]
    content = (project / path).read_bytes()
    refused("evaluate", project, path, content[:-4] + np.float32(value).tobytes(), monkeypatch, capsys)


def test_a_network_that_is_missing_is_not_left_out_of_the_mean(project, monkeypatch, capsys):
    text = (project / "params.yaml").read_text()
    params = yaml.safe_load(text)
    assert params["train"]["members"] == SHIPPED["train.members"]
    params["train"]["members"] += 1
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    model = project / READS["evaluate"][-1]
    members = [model.with_stem(f"{model.stem}-0-{member}") for member in range(1, params["train"]["members"] - 1)]
    for path in members:
        shutil.copy(model, path)
    try:
        code, said = run_here("evaluate", project, monkeypatch, capsys)
    finally:
        (project / "params.yaml").write_text(text)
        for path in members:
            path.unlink()
    assert code == 1 and "forecaster-0-" in said
