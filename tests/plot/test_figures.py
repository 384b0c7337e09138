"""Each picture is drawn without a warning, and the data say which there are."""

import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from seeds import rng

from recurrent.plot import forecast, matrices, pictures
from recurrent.plot import free_running as ahead
from recurrent.plot import training as history
from recurrent.train.history import HISTORY_COLUMNS

RNG = rng(0)
LOG = {name: np.abs(RNG.normal(size=4)) + 0.1 for name in HISTORY_COLUMNS} | {"epoch": np.arange(1.0, 5)}
ENDING = {"target_delta": 0.075, "best": {"epoch": 3}}
TIME = np.arange(40.0)
QUANTITY = {"target": ["height"], "unit": "m", "time_unit": "row", "baselines": ["median", "ridge"]}
ONE = {"time": TIME} | {name: RNG.normal(5, 1, 40) for name in ("actual", "predicted", "median", "ridge")}
TWO = {"time": TIME} | {f"{n}_{t}": RNG.normal(size=40) for n in ("actual", "predicted", "median") for t in "xy"}
RUN = {"run": np.repeat(np.arange(5.0), 4), "time": np.arange(20.0)}
AHEAD = {"step": np.arange(1.0, 5), "network": np.arange(4.0), "persistence": np.arange(4.0) * 2}
RUNS = RUN | {"actual": RNG.normal(size=20), "predicted": RNG.normal(size=20)}
RUNS_OF_TWO = RUN | {f"{n}_{t}": RNG.normal(size=20) for n in ("actual", "predicted") for t in "xy"}
SHARES = RNG.uniform(0.01, 0.99, 40)
CLASSES = {"time": TIME, "actual": (TIME > 12).astype(float), "predicted_no": SHARES, "predicted_yes": 1 - SHARES}
CORRELATIONS = {"names": ["a", "b"], "values": [[1.0, -0.8], [-0.8, 1.0]]}
TEXTS = [{"actual": "no", "given": 0.01, "text": "a very long story <unknown> " * 40}] * 9
OF_CLASSES = QUANTITY | {"classes": ["no", "yes"], "confusion": [[20, 3], [2, 15]]}

CASES = {
    "quantity": (QUANTITY, {"predictions": ONE}, {"forecast", "error"}),
    "correlations": (
        QUANTITY | {"correlations": CORRELATIONS},
        {"predictions": ONE},
        {"forecast", "error", "correlations"},
    ),
    "free running": (
        QUANTITY,
        {"predictions": ONE, "error_by_lead_time": AHEAD, "free_running": RUNS, "single_run": RUNS},
        {"forecast", "error", "error_by_lead_time", "free_running_overview"},
    ),
    "two targets": (QUANTITY | {"target": ["x", "y"]}, {"predictions": TWO}, set()),
    "two targets, free running": (
        QUANTITY | {"target": ["x", "y"]},
        {"predictions": TWO, "error_by_lead_time": AHEAD, "free_running": RUNS_OF_TWO, "single_run": RUNS_OF_TWO},
        {"error_by_lead_time", "path"},
    ),
    "classes": (OF_CLASSES, {"predictions": CLASSES}, {"confusion"}),
    "texts": (OF_CLASSES | {"most_wrong": TEXTS}, {"predictions": CLASSES}, {"confusion", "most_wrong"}),
}


@pytest.mark.parametrize("name", CASES)
def test_the_data_say_what_is_drawn(tmp_path, name):
    about, tables, expected = CASES[name]
    found = pictures.draw(LOG, ENDING, json.loads(json.dumps(about)), tables)
    assert set(found) == {"training"} | expected
    for title, picture in found.items():
        picture.savefig(tmp_path / f"{title}.png", dpi=40)  # warnings are errors
        assert (tmp_path / f"{title}.png").stat().st_size > 1000


def texts(figure: Figure) -> str:
    axes = [word for a in figure.axes for word in (a.get_xlabel(), a.get_ylabel(), *(t.get_text() for t in a.texts))]
    return "\n".join([*axes, *(a.get_title() + a.get_title(loc="left") for a in figure.axes)])


@pytest.mark.parametrize(
    ("unit", "label"), [("row", "row"), ("s", "time since the recording began (s)"), ("h", "began (h)")]
)
def test_the_axis_of_time_has_its_unit(unit, label):
    figure = forecast.forecast(ONE, target="height", unit="m", time_unit=unit, baseline="ridge")
    assert figure.axes[0].get_xlabel().endswith(label) and figure.axes[0].get_ylabel() == "height (m)"
    assert (unit != "row") == ("recording" in figure.axes[0].get_xlabel())


def test_curves_are_the_columns():
    loss, delta = history.training(LOG, target_delta=0.075, best_epoch=3).axes
    assert loss.lines[0].get_ydata().tolist() == LOG["train_loss"].tolist()
    assert delta.lines[1].get_ydata().tolist() == LOG["validation_mean_delta"].tolist()
    [axes] = ahead.error_by_lead_time(AHEAD, unit="m").axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [
        AHEAD["network"].tolist(),
        AHEAD["persistence"].tolist(),
    ]
    assert "(m)" in axes.get_ylabel()
    axes = forecast.error(ONE, target="height", unit="m", baselines=["median", "ridge"]).axes[1]
    assert [line.get_label() for line in axes.lines] == ["network", "median", "ridge"]


def test_each_run_is_a_line_of_its_own():
    by_point, by_whole, by_short = ahead.overview(ONE, RUNS, RUNS, target="height", unit="m").axes
    assert len(by_short.lines) == 1 + 5 and "runs of 4 steps" in by_short.get_title()
    assert by_short.lines[2].get_ydata().tolist() == RUNS["predicted"][4:8].tolist()


def test_numbers_stand_in_their_cells():
    words = texts(matrices.confusion(["no", "yes"], np.array([[6.0, 2], [1, 11]])))
    assert "85.0% are right" in words and {"6", "2", "1", "11"} <= set(words.split())
    assert {"1.00", "-0.80"} <= set(
        texts(matrices.correlations(**{"names": "ab", "values": np.array([[1, -0.8]] * 2)})).split()
    )
    words = texts(matrices.most_wrong(TEXTS))
    assert words.count("actual: no; the network gave that a probability of 0.010") == 6 and "..." in words
