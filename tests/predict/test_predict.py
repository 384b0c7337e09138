"""A trained model forecasts recordings it has never seen: by windows as evaluation does, or with its state carried."""

import gzip
import os
import signal as signals
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from processes import finish, start
from seeds import rng
from small_network import PLAIN
from small_windows import cut, write_series

from recurrent.cells.kernels import dispatch
from recurrent.network.forecaster import Forecaster, build
from recurrent.network.interval import Interval
from recurrent.network.predictor import read_network, read_predictor
from recurrent.network.scaler import Scaler
from recurrent.predict import follow, windows
from recurrent.predict.model import Model
from recurrent.predict.output import header, lines
from recurrent.predict.steps import Steps
from recurrent.storage.tables import read_csv
from stages import predict

ROOT = Path(__file__).parents[2]
ROWS, SAMPLES, SEQ_LEN = 230, 4, 5
SCALERS = Scaler((1.0, 0.0), (2.0, 1.0)), Scaler((3.0,), (4.0,))
SIGNAL = rng(0).normal(size=(ROWS, 2)).round(3)
CSV = "c0,other,c1\n" + "".join(f"{a},x,{b}\n" for a, b in SIGNAL.tolist())


@pytest.fixture(params=["manual", "lstm", "rnn"])
def cell(request):
    return request.param


def model(folder, *, cell="manual", members=1, **changes):
    """Write a model for windows over SIGNAL; the windows too."""
    params = {"samples_per_step": SAMPLES, "statistics": ("std", "max"), "seq_len": SEQ_LEN}
    data = cut(folder, write_series(folder, SIGNAL[:, :1]), **params)
    inputs = replace(data.meta.inputs, **{"signal": ("c0",)} | changes)
    plan = replace(PLAIN, cell=cell, input_size=2)
    for member in range(members):
        name = "m.safetensors" if not member else f"m-0-{member}.safetensors"
        build(plan, SCALERS, seed=member).save(folder / name, inputs)
    (folder / "recording.csv").write_text(CSV)
    return folder / "m.safetensors", data


def run(*words):
    """Run the command here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["predict", *map(str, words)])
        patch.setattr(signals, "signal", lambda *_: None)
        predict.main()


def refused(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        run(*words)
    assert ended.value.code == 1
    return capsys.readouterr().err


def test_each_forecast_is_that_of_the_window_that_ends_there(tmp_path, cell):
    path, data = model(tmp_path, cell=cell, members=2)
    run(path, tmp_path / "recording.csv", "-o", tmp_path / "out.csv")
    found = read_csv(tmp_path / "out.csv")
    assert list(found) == ["row", "t"]
    assert found["row"].tolist() == list(range(SAMPLES, ROWS + 1, SAMPLES))
    networks = [
        read_predictor(tmp_path / name, backend="auto", threads=1) for name in ("m.safetensors", "m-0-1.safetensors")
    ]
    steps = np.asarray(data.steps.signal)
    for last in range(len(steps)):
        begin = max(0, last + 1 - SEQ_LEN)
        wanted = [network(steps[None, begin : last + 1], None)[0, -1, 0] for network in networks]
        assert found["t"][last] == pytest.approx(np.mean(wanted), rel=1e-6)


@pytest.mark.parametrize("rows", [1, 3, 4, 50, ROWS])
def test_forecasts_do_not_depend_on_how_rows_arrive(tmp_path, rows):
    path, _ = model(tmp_path)
    opened = Model.open(path)
    blocks = [SIGNAL[first : first + rows, :1] for first in range(0, ROWS, rows)]
    found = windows.forecasts(
        Steps(opened.inputs).of(blocks), opened.inputs, opened.networks(backend="auto", threads=1), all_steps=True
    )
    run(path, tmp_path / "recording.csv", "-o", tmp_path / "out.csv")
    told = b"".join(lines(found, opened.inputs, opened.interval)).decode()
    assert told == (tmp_path / "out.csv").read_text().partition("\n")[2]


def test_a_recording_shorter_than_a_window_is_forecast_from_what_there_is(tmp_path):
    path, _ = model(tmp_path)
    (tmp_path / "short.csv").write_text("".join(CSV.splitlines(keepends=True)[: 1 + 3 * SAMPLES]))
    run(path, tmp_path / "recording.csv", "-o", tmp_path / "all.csv")
    run(path, tmp_path / "short.csv", "-o", tmp_path / "out.csv")
    assert (tmp_path / "all.csv").read_text().startswith((tmp_path / "out.csv").read_text())


def test_a_carried_state_reads_the_recording_as_one_sequence(tmp_path, cell):
    path, data = model(tmp_path, cell=cell)
    run(path, tmp_path / "recording.csv", "--carry", "-o", tmp_path / "out.csv")
    wanted = read_predictor(path, backend="auto", threads=1)(np.asarray(data.steps.signal)[None], None)[0, :, 0]
    np.testing.assert_allclose(read_csv(tmp_path / "out.csv")["t"], wanted, rtol=1e-6, atol=1e-6)


def test_a_state_is_carried_by_the_compiled_code_as_by_torch(tmp_path, cell):
    path, data = model(tmp_path, cell=cell)
    steps, ours, theirs = np.asarray(data.steps.signal), None, None
    network, reference = read_network(path, backend="auto", threads=1), Forecaster.load(path, backend="reference")
    for begin, end in ((0, 1), (1, 2), (2, 30), (30, len(steps))):
        found, ours = network.carry(steps[begin:end], ours)
        wanted, theirs = reference.carry(steps[begin:end], theirs)
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from stages import predict; predict.main()"


@pytest.mark.skipif(dispatch.choose("c") != "c", reason="no C compiler")
@pytest.mark.parametrize("how", [[], ["--carry"], ["-"]])
@pytest.mark.parametrize("cell", ["manual", "gru", "lstm"])
def test_a_hand_made_cell_forecasts_without_torch(tmp_path, how, cell):
    path, _ = model(tmp_path, cell=cell, members=2)
    words = [path, *(how if "-" in how else [tmp_path / "recording.csv", *how])]
    command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, input=CSV, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    run(path, tmp_path / "recording.csv", *(["--carry"] if how else []), "-o", tmp_path / "wanted.csv")
    assert done.stdout == (tmp_path / "wanted.csv").read_text()


def write_samples(folder, values, kind="<f4"):
    (folder / "recording.raw").write_bytes(values.astype(kind).tobytes())
    return folder / "recording.raw"


@pytest.mark.parametrize("kind, name", [("<i2", "int16"), ("<i4", "int32"), ("<f4", "float32"), ("<f8", "float64")])
@pytest.mark.parametrize("how", [[], ["--carry"]])
def test_samples_of_an_instrument_are_forecast_as_a_csv_is(tmp_path, kind, name, how):
    path, _ = model(tmp_path, signal=("c0", "c1"), statistics=("std",))
    values = (SIGNAL * 1000).astype(kind)
    recording = write_samples(tmp_path, values, kind)
    (tmp_path / "same.csv").write_text("c0,c1\n" + "".join(f"{a},{b}\n" for a, b in values.tolist()))
    run(path, tmp_path / "same.csv", *how, "-o", tmp_path / "wanted.csv")
    run(path, recording, "--samples", name, *how, "-o", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "wanted.csv").read_bytes()


def test_samples_are_followed_and_wrong_ones_refused(tmp_path, capsys):
    path, _ = model(tmp_path)
    recording, output, row = tmp_path / "recording.raw", tmp_path / "out.csv", np.dtype(("<f4", (1,)))
    whole = SIGNAL[:, :1].astype("<f4").tobytes()
    for size in (9, 300, 301, len(whole)):  # a row may be cut
        recording.write_bytes(whole[:size])
        follow_for_now(path, recording, output, row)
    run(path, recording, "--samples", "float32", "--carry", "-o", tmp_path / "wanted.csv")
    np.testing.assert_allclose(read_csv(output)["t"], read_csv(tmp_path / "wanted.csv")["t"], rtol=1e-6, atol=1e-6)
    recording.write_bytes(whole[:42])
    said = refused(capsys, path, recording, "--samples", "float32", "-o", tmp_path / "no.csv")
    assert "recording.raw: ends after 2 bytes of a row, expected 4" in said
    recording.write_bytes(whole[:40] + np.array(np.nan, "<f4").tobytes())
    said = refused(capsys, path, recording, "--samples", "float32", "-o", tmp_path / "no.csv")
    assert "recording.raw: row 11 holds [nan], expected finite numbers" in said
    assert not (tmp_path / "no.csv").exists()


def test_a_packed_recording_is_read_with_a_carried_state(tmp_path):
    path, _ = model(tmp_path)
    (tmp_path / "recording.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    run(path, tmp_path / "recording.csv", "--carry", "-o", tmp_path / "wanted.csv")
    run(path, tmp_path / "recording.csv.gz", "--carry", "-o", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "wanted.csv").read_bytes()


class StoppedError(Exception):
    """Instead of waiting."""


def follow_for_now(path, recording, output, row=None):
    """Follow a file to its present end."""

    def stop(_):
        raise StoppedError

    with pytest.MonkeyPatch.context() as patch, pytest.raises(StoppedError):
        patch.setattr("recurrent.predict.arriving.time.sleep", stop)
        patch.setattr(follow, "SAVED_EVERY", 0.0)
        follow.append(Model.open(path), recording, output, row=row, backend="auto")


@pytest.mark.parametrize("stops", [[0.5], [0.2, 0.21, 0.9]])
def test_following_goes_on_where_it_was_stopped(tmp_path, cell, stops):
    path, _ = model(tmp_path, cell=cell)
    run(path, tmp_path / "recording.csv", "--carry", "-o", tmp_path / "wanted.csv")
    growing, output = tmp_path / "growing.csv", tmp_path / "out.csv"
    for share in (*stops, 1.0):
        growing.write_text(CSV[: int(share * len(CSV))])  # the same beginning; a line may be cut
        follow_for_now(path, growing, output)
        with output.open("a") as file:
            file.write("5,")  # what a kill leaves behind
    follow_for_now(path, growing, output)
    found, wanted = read_csv(output), read_csv(tmp_path / "wanted.csv")
    assert found["row"].tolist() == wanted["row"].tolist()
    np.testing.assert_allclose(found["t"], wanted["t"], rtol=1e-6, atol=1e-6)


def test_a_stop_before_the_place_was_saved_loses_nothing(tmp_path, monkeypatch):
    path, _ = model(tmp_path)
    output = tmp_path / "out.csv"
    write, saved = follow.Place.write, []

    def first_only(place, path):
        if not saved:
            write(place, path)
        saved.append(place.written)

    with monkeypatch.context() as patch:
        patch.setattr(follow.Place, "write", first_only)
        follow_for_now(path, tmp_path / "recording.csv", output)
    assert saved == [0, output.stat().st_size]
    follow_for_now(path, tmp_path / "recording.csv", output)
    run(path, tmp_path / "recording.csv", "--carry", "-o", tmp_path / "wanted.csv")
    assert output.read_bytes() == (tmp_path / "wanted.csv").read_bytes()


def test_a_growing_file_is_followed_until_it_is_stopped(tmp_path):
    path, _ = model(tmp_path)
    growing, output = tmp_path / "growing.csv", tmp_path / "out.csv"
    half = CSV.index("\n", len(CSV) // 2) + 1
    growing.write_text(CSV[:half])
    process = start("predict", [path, growing, "--follow", "-o", output], cwd=ROOT)
    wait_for(lambda: output.exists() and output.read_text().count("\n") > 20)
    with growing.open("a") as file:
        file.write(CSV[half:])
    wait_for(lambda: output.read_text().count("\n") == 1 + ROWS // SAMPLES)
    process.send_signal(signals.SIGINT)
    assert finish(process)[0] == 130


def wait_for(condition):
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("did not come")


@pytest.mark.parametrize("what", ["cut", "replaced", "removed"])
def test_a_followed_file_that_is_no_longer_the_same_is_refused(tmp_path, monkeypatch, capsys, what):
    path, _ = model(tmp_path)
    recording = tmp_path / "recording.csv"

    def change(_):
        if what == "cut":
            os.truncate(recording, 10)
        elif what == "removed":
            recording.unlink()
        else:
            (tmp_path / "new").write_text(CSV)
            (tmp_path / "new").replace(recording)

    monkeypatch.setattr("recurrent.predict.arriving.time.sleep", change)
    assert f"was {what}" in refused(capsys, path, recording, "--follow", "-o", tmp_path / "out.csv")


def test_following_another_recording_or_model_into_the_same_output_is_refused(tmp_path, capsys):
    path, _ = model(tmp_path)
    recording, output = tmp_path / "recording.csv", tmp_path / "out.csv"
    follow_for_now(path, recording, output)
    kept = output.read_text()
    recording.write_text(CSV.replace("0.", "1."))
    assert "another recording" in refused(capsys, path, recording, "--follow", "-o", output)
    recording.write_text(CSV)
    build(replace(PLAIN, input_size=2), SCALERS, seed=9).save(path, Model.open(path).inputs)
    assert "another model" in refused(capsys, path, recording, "--follow", "-o", output)
    place = tmp_path / "out.csv.place.json"
    for text in ("{", place.read_text().replace('"rows": 2', '"rows": 3')):
        place.write_text(text)
        assert "not the place of an earlier run" in refused(capsys, path, recording, "--follow", "-o", output)
    place.unlink()
    assert "begin anew" in refused(capsys, path, recording, "--follow", "-o", output)
    assert output.read_text() == kept


def test_a_wrong_line_is_named_by_its_number_also_after_a_stop(tmp_path, capsys):
    path, _ = model(tmp_path)
    recording, output = tmp_path / "recording.csv", tmp_path / "out.csv"
    follow_for_now(path, recording, output)
    with recording.open("a") as file:
        file.write("1,x,2\n,x,2\n")
    assert f"recording.csv:{ROWS + 3}: column 'c0' holds ''" in refused(
        capsys, path, recording, "--follow", "-o", output
    )


@pytest.mark.parametrize(
    "changes, words, message",
    [
        ({"signal": ("nowhere",)}, [], "nowhere"),
        ({"one_window_per_group": True}, [], "reads groups of rows"),
        ({"relative_to_first": True, "target_columns": (0,)}, ["--carry"], "from a whole window at once"),
    ],
)
def test_what_does_not_fit_the_model_is_refused_by_name(tmp_path, capsys, changes, words, message):
    path, _ = model(tmp_path, **changes)
    assert message in refused(capsys, path, tmp_path / "recording.csv", *words, "-o", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def segments(folder, names):
    (folder / "test").mkdir()
    for i, name in enumerate(names):
        (folder / "test" / f"{name}.csv").write_text(
            "c0\n" + "".join(f"{v}\n" for v in SIGNAL[i * 40 : i * 40 + 40, 0])
        )
    (folder / "sample_submission.csv").write_text("seg_id,time_to_failure\n" + "".join(f"{n},0\n" for n in names))
    return folder / "test"


def test_a_folder_of_segments_becomes_a_submission_in_the_order_of_the_sample(tmp_path):
    path, _ = model(tmp_path)
    names = ["seg_b", "seg_a", "seg_c"]
    folder = segments(tmp_path, names)
    run(path, folder, "-o", tmp_path / "submission.csv")
    header, *rows = [line.split(",") for line in (tmp_path / "submission.csv").read_text().splitlines()]
    assert header == ["seg_id", "time_to_failure"] and [name for name, _ in rows] == names
    for name, value in rows:
        run(path, folder / f"{name}.csv", "-o", tmp_path / "one.csv")
        assert float(value) == read_csv(tmp_path / "one.csv")["t"][-1]


def test_missing_segments_are_named(tmp_path, capsys):
    path, _ = model(tmp_path)
    folder = segments(tmp_path, ["seg_a", "seg_b", "seg_c"])
    for name in ("seg_a", "seg_c"):
        (folder / f"{name}.csv").unlink()
    said = refused(capsys, path, folder, "-o", tmp_path / "submission.csv")
    assert "2 segments are missing: seg_a.csv, seg_c.csv" in said
    (tmp_path / "sample_submission.csv").unlink()
    assert "no sample_submission.csv" in refused(capsys, path, folder, "-o", tmp_path / "submission.csv")
    assert not (tmp_path / "submission.csv").exists()


def test_standard_input_is_read_as_it_comes(tmp_path):
    path, _ = model(tmp_path)
    run(path, tmp_path / "recording.csv", "--carry", "-o", tmp_path / "wanted.csv")
    with (tmp_path / "recording.csv").open() as file:
        process = start("predict", [path, "-"], cwd=ROOT, stdin=file)
    assert finish(process)[:2] == (0, (tmp_path / "wanted.csv").read_text())


def test_the_model_file_says_what_it_reads(tmp_path):
    path, data = model(tmp_path)
    assert Model.open(path).inputs == replace(data.meta.inputs, signal=("c0",))


@pytest.mark.parametrize("targets", [("t",), ("t", "u")])
def test_a_forecast_has_its_interval_beside_it(tmp_path, targets):
    path, _ = model(tmp_path)
    inputs = replace(Model.open(path).inputs, target=targets)
    predicted = rng(1).normal(size=(300, len(targets)))
    interval = Interval.fit(predicted, predicted + rng(2).normal(size=predicted.shape))
    words = header(inputs, interval) + b"".join(lines([(1, predicted[:200]), (201, predicted[200:])], inputs, interval))
    (tmp_path / "out.csv").write_bytes(words)
    found = read_csv(tmp_path / "out.csv")
    assert found["row"].tolist() == [SAMPLES * (2 + i) for i in range(300)]
    for column, name in enumerate(targets):
        np.testing.assert_array_equal(found[name], predicted[:, column])
        ends = [found[f"{end}_{name}" if len(targets) > 1 else end] for end in ("lower", "upper")]
        np.testing.assert_array_equal(ends, [end[:, column] for end in interval.around(predicted)])
