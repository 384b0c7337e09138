"""Small files in the formats of the sources, and the options that read them."""

import csv
import gzip
import io
import tarfile
from datetime import UTC, datetime, timedelta
from importlib import import_module

import numpy as np
from seeds import SEED, rng

from recurrent.sources import grades, imdb, noisy_sine, recording, sine, synop, table, trajectory
from recurrent.storage.meta import SeriesMeta
from recurrent.storage.series import Recording, Series

WEATHER = {
    "station": "07690",
    "station_column": "ID OMM station",
    "time": "Date",
    "columns": {
        "temperature": "Température",
        "dew_point": "Point de rosée",
        "humidity": "Humidité",
        "pressure": "Pression station",
        "pressure_tendency": "Variation de pression en 3 heures",
        "wind_speed": "Vitesse du vent moyen 10 mn",
    },
    "direction": "Direction du vent moyen 10 mn",
    "target": ("temperature",),
    "target_unit": "K",
}
SYNOP = (WEATHER["station_column"], WEATHER["time"], *WEATHER["columns"].values(), WEATHER["direction"])
PARIS = datetime.fromisoformat("2024-03-01T01:00:00+01:00").tzinfo


def write(path, header, rows, delimiter=","):
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])
    return path


def prices(n=40):
    """Rows of date, close, volume, in time order."""
    random = rng(0)
    dates = [datetime(2020, 1, 1) + timedelta(days=i) for i in range(n)]
    return [[f"{day:%d-%m-%y}", round(100 + random.normal(), 3), int(random.integers(1e9))] for day in dates]


def weather(n=40, station="07690"):
    """Rows of SYNOP, every three hours from 2024-03-01 00:00 UTC on, in local time."""
    random = rng(1)
    times = [datetime(2024, 3, 1, tzinfo=UTC) + timedelta(hours=3 * i) for i in range(n)]
    measured = random.normal(280, 5, (n, len(WEATHER["columns"]))).round(2).tolist()
    directions = (10 * random.integers(1, 37, n)).tolist()
    return [
        [station, time.astimezone(PARIS).isoformat(), *values, direction]
        for time, values, direction in zip(times, measured, directions, strict=True)
    ]


def students(n=12):
    random = rng(2)
    rows = random.uniform(4, 9, (n, 5)).round(2).tolist()
    genders, rolls = ("Male", "F", "M", "Female"), [((17000 + i, ""), ("", 17000 + i))[i % 2] for i in range(n)]
    return [[*grade, 115 + i % 2, genders[i % 4], *rolls[i], 16 + i % 3] for i, grade in enumerate(rows)]


GRADES = (*grades.READ, grades.LEARNED, "College Code", "Gender", *grades.ROLLS, "Subject Code")


def reviews(n=20):
    """(part, label, number, text): n to learn from and n to test, each with words of its own."""
    words = ("good", "bad", "don't", "film", "film", "plot")
    random = rng(3)
    return [
        (part, label, i, f"{part}{label}x{i} " + "<br /><br />".join(random.choice(words, 5)) + " The end.")
        for part in ("train", "test")
        for label in (0, 1)
        for i in range(n // 2)
    ]


def write_reviews_table(folder, rows):
    lines = ["\t".join(imdb.HEADER)]
    # as the table has it, some of train is called val; the source decides for itself
    for part, label, number, text in rows:
        split = "val" if part == "train" and number % 3 == 0 else part
        lines.append("\t".join((split, str(label), str(number), "7", text)))
    with gzip.open(folder / imdb.TABLE, "wt", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def write_reviews_archive(folder, rows):
    with tarfile.open(folder / imdb.ARCHIVE, "w:gz") as archive:
        members = {f"aclImdb/{part}/{('neg', 'pos')[label]}/{number}_7.txt": text for part, label, number, text in rows}
        for name, text in ({"aclImdb/README": "x", "aclImdb/train/unsup/0_0.txt": "x"} | members).items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))


TABLE = {
    "file": ("own.csv",),
    "url": ("https://example.org/own.csv",),
    "checksum": None,
    "join": None,
    "signal": ("Close", "Volume"),
    "target": ("Close",),
    "time": "Date",
    "time_format": "%d-%m-%y",
    "group": None,
    "holes": "stop",
    "signal_unit": "points",
    "target_unit": "points",
    "time_unit": "day",
    "failure_threshold": None,
    "last_cycle": "keep",
}
RECORDING = {"signal": ("Close", "Volume"), "target": "Close", "failure_threshold": None, "last_cycle": "keep"}
FILE = {"file": "own.csv", "url": "https://example.org/own.csv", "checksum": None}
REVIEWS = imdb.Options(vocabulary=30, words=6, keep="first", validation_fraction=0.25, seed=SEED)

# name of a source -> its options, and how its raw file is made of the first n rows (None: generated)
SMALL = {
    "sine": (sine.Options(rows=200), None),
    "noisy_sine": (noisy_sine.Options(rows=100, series=3, seed=SEED), None),
    "trajectory": (trajectory.Options(rows=200, step=0.02), None),
    "recording": (
        recording.Options(**RECORDING, signal_unit="points", target_unit="points"),
        lambda raw: write(raw / "own.csv", ("Date", "Close", "Volume"), prices()),
    ),
    "table": (table.Options(**TABLE), lambda raw: write(raw / "own.csv", ("Date", "Close", "Volume"), prices())),
    "synop": (synop.Options(**FILE, **WEATHER), lambda raw: write(raw / "own.csv", SYNOP, weather(), ";")),
    "grades": (grades.Options(**FILE), lambda raw: write(raw / "own.csv", GRADES, students())),
    "imdb": (REVIEWS, lambda raw: write_reviews_table(raw, reviews())),
}


def read_source(name, folder, options=None):
    """Read a source of the menu from its files in a folder, which are made where it is empty."""
    usual, make = SMALL[name]
    raw = folder / "raw"
    raw.mkdir(exist_ok=True)
    if make and not any(raw.iterdir()):
        make(raw)
    module = import_module(f"recurrent.sources.{name}")
    found = module.read(options or usual, raw / "own.csv" if name == "recording" else raw)
    if not isinstance(found, Recording):
        found.write(folder / "written")
        found = from_disk(folder / "written")
    return found


def from_disk(folder):
    """Give a series as a source gives it that reads it into memory."""
    series = Series.open(folder, SeriesMeta)
    return Recording(np.array(series.signal), np.array(series.target), None, series.meta)
