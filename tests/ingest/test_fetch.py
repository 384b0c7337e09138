"""The stage that fetches: what it leaves in the folder, and the real files through a mirror."""

import hashlib
import time

import numpy as np
import pytest
from small_data import WEATHER as COLUMNS

import stages.fetch
from recurrent.sources._contract import get_source, row_counts
from stages.fetch import Params

RAW = "https://raw.githubusercontent.com"
ARCHIVE = "https://public.opendatasoft.com/api/explore/v2.1/catalog/datasets/donnees-synop-essentielles-omm/exports/csv"
TABLE = {
    "name": "table",
    "signal_unit": "",
    "target_unit": "",
    "time_unit": "",
    "group": None,
    "join": None,
    "holes": "stop",
}
P4581 = TABLE | {
    "file": "p4581_3800_4100.csv",
    "url": f"{RAW}/lauralaurenti/DNN-earthquake-prediction-forecasting/6252dcf9a43dae42cb5d1cbf641ba3f6dd4cbb76/"
    "prediction/newDF_TimeToFailure_from_3800_to_4100_WITHOUT_subwindows.csv",
    "checksum": "581a0dde2296c6c92c81c24682f1ef01",
    "signal": ["Var_Ch1"],
    "target": ["TimeToEndFailure"],
    "time": "Time",
    "time_format": None,
    "failure_threshold": 0.05,
    "last_cycle": "drop",
}
SP500 = TABLE | {
    "file": "sp500.csv",
    "url": f"{RAW}/jaungiers/LSTM-Neural-Network-for-Time-Series-Prediction/master/data/sp500.csv",
    "checksum": "b1eef1cce4dbf2fa965bab016a3d8b79",
    "signal": ["Close", "Volume"],
    "target": ["Close"],
    "time": "Date",
    "time_format": "%d-%m-%y",
    "failure_threshold": None,
    "last_cycle": "keep",
}
WEATHER = {
    "name": "synop",
    "file": "synop_nice_07690.csv",
    "url": ARCHIVE + "?lang=fr&refine=numer_sta%3A%2207690%22&timezone=Europe%2FParis&use_labels=true&delimiter=%3B",
    "checksum": "16aceea2c39cccf26d368112fcb5d070",
} | COLUMNS
GRADES = {
    "name": "grades",
    "file": "data.csv",
    "url": f"{RAW}/AlvinOctaH/Deeplearning-RNN-PyTorch/67b9a02911dbfaa234fcea52322c0f579069fe6a/dataset/data.csv",
    "checksum": "5d5a8b3d83db6b4c8509f2d2d1177913",
}
REVIEWS = {"name": "imdb", "vocabulary": 10000, "words": 256, "keep": "first", "validation_fraction": 0.2, "seed": 0}


def fetch_and_read(source, folder, mirror, monkeypatch):
    monkeypatch.setenv("RECURRENT_MIRROR", str(mirror))
    monkeypatch.setenv("DVC_ROOT", str(folder))
    stages.fetch.main(Params(source=source), folder / "raw")
    module, options = get_source(source)
    return module.read(options, folder / "raw")


def test_the_mirror_is_in_the_help():
    assert "RECURRENT_MIRROR" in stages.fetch.__doc__


def test_a_file_lands_in_the_folder_and_a_generated_source_leaves_it_empty(tmp_path, monkeypatch, capsys):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "p4581_3800_4100.csv").write_text("Time,Var_Ch1,TimeToEndFailure\n1,2,3\n")
    content = (tmp_path / "mirror" / "p4581_3800_4100.csv").read_bytes()
    source = P4581 | {"last_cycle": "keep", "checksum": hashlib.sha256(content).hexdigest()}
    assert fetch_and_read(source, tmp_path, tmp_path / "mirror", monkeypatch).signal.tolist() == [[2]]
    assert capsys.readouterr().out == f"{tmp_path}/raw/p4581_3800_4100.csv: 0.0 MB\n"
    fetch_and_read({"name": "sine", "rows": 10}, tmp_path / "sine", tmp_path / "mirror", monkeypatch)
    assert list((tmp_path / "sine" / "raw").iterdir()) == []


@pytest.mark.real_data
@pytest.mark.parametrize(
    "source, shape, groups, counts",
    [
        (P4581, (2930, 1), None, row_counts(3005, dropped={"after_the_last_failure": 75})),
        (SP500, (4697, 2), None, row_counts(4697, noted={"after_a_gap": 1016, "longest_gap_in_usual_steps": 7.0})),
        (
            WEATHER,
            (6247, 13),
            None,
            row_counts(
                6231,
                added={"missing_steps": 16},
                noted={"out_of_order": 6230, "filled_values": 131, "filled_rows": 17},
            ),
        ),
        (GRADES, (676, 1), 169, row_counts(178, unit="students", dropped={"with_a_hole_among_their_grades": 9})),
        (
            REVIEWS,
            (8861685, 1),
            49778,
            row_counts(
                50000,
                unit="reviews",
                dropped={"in_test_too": 123, "repeated_in_train": 99},
                noted={"cut_to_words_kept": 14189},
            ),
        ),
    ],
    ids=["p4581", "sp500", "weather", "grades", "reviews"],
)
def test_the_real_files(source, shape, groups, counts, tmp_path, real_data, monkeypatch):
    begin = time.process_time()
    recording = fetch_and_read(source, tmp_path, real_data, monkeypatch)
    assert time.process_time() - begin < 60
    assert recording.signal.shape == shape and np.isfinite(recording.signal).all()
    assert recording.meta.counts == counts
    assert (None if recording.group is None else len(np.unique(recording.group))) == groups
    if source is P4581:
        assert len(recording.meta.failures) == 31  # the 32nd ends the rows that are kept
    if source is REVIEWS:
        assert len(recording.meta.vocabulary) == 10000
