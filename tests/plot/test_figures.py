"""Each picture is drawn without a warning, and the data say which there are."""

import json
import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from seeds import rng

from recurrent.plot import forecast, matrices, pictures
from recurrent.plot import free_running as ahead
from recurrent.plot import training as history
from recurrent.plot.attribution import attribution
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
LISTENED = {"time": TIME, "2.5": np.zeros(40), "0.0": RNG.normal(size=40)}
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
    "attribution": (QUANTITY, {"predictions": ONE, "attribution": LISTENED}, {"forecast", "error", "attribution"}),
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


def trained(log=LOG, *, countdown=True, of_classes=False, **about):
    about = {"target_delta": 0.075, "best_epoch": 3} | about
    return history.training(log, countdown=countdown, of_classes=of_classes, **about)


def wrong(rows, names, *, countdown=True):
    return forecast.error(rows, target="height", unit="m", baselines=names, countdown=countdown)


def said(figure: Figure) -> str:
    """Give every word that stands anywhere in a picture."""
    return " ".join(text.get_text() for text in figure.findobj(Text))


@pytest.mark.parametrize("name", sorted(set(CASES) - {"two targets"}))
@pytest.mark.parametrize("names", [["median", "ridge"], [f"baseline{i}" for i in range(12)]])
def test_every_baseline_is_drawn_or_named_in_every_picture_of_a_forecast(name, names):
    about, tables, _ = CASES[name]
    rows = tables["predictions"] | {n: RNG.normal(5, 1, 40) for n in names if "predicted" in tables["predictions"]}
    if "error_by_lead_time" in tables:
        tables = tables | {"error_by_lead_time": AHEAD | {names[0]: AHEAD["network"]}}
    drawn = pictures.draw(LOG, ENDING, about | {"baselines": names}, tables | {"predictions": rows})

    def named(words):
        return set(re.split(r"[ ,:]+", " ".join(words))) & set(names)

    for picture in set(drawn) - {"training", "attribution", "correlations", "most_wrong"}:
        shown = named(str(line.get_label()) for axes in drawn[picture].axes for line in axes.lines)
        left_out = named(re.findall(r"not drawn here: (.*)", said(drawn[picture])))
        assert (shown | left_out, shown & left_out) == (set(names), set()), picture


def test_each_baseline_has_a_style_of_its_own():
    names = [f"baseline{i}" for i in range(12)]
    lines = wrong(ONE | dict.fromkeys(names, ONE["ridge"]), names).axes[1].lines
    assert len({(line.get_color(), str(line._dash_pattern)) for line in lines}) == 13


def test_a_baseline_that_is_far_off_flattens_no_other():
    assert wrong(ONE, ["median"]).axes[1].get_yscale() == "linear"
    axes = wrong(ONE | {"median": ONE["median"] + 1000}, ["median", "ridge"]).axes[1]
    assert axes.get_yscale() == "log" and "logarithmic" in axes.get_title()
    perfect = wrong(ONE | {"ridge": ONE["actual"]}, ["median", "ridge"])
    assert "ridge: 0" in said(perfect)


@pytest.mark.parametrize("countdown", [True, False])
def test_only_a_countdown_is_early_or_late_and_has_the_bound_of_the_exercise(countdown):
    assert ("too late" in said(wrong(ONE, ["median"], countdown=countdown))) == countdown
    assert ("exercise" in said(trained(countdown=countdown))) == countdown
    drawn = pictures.draw(LOG, ENDING, QUANTITY | {"time_unit": "s" if countdown else "row"}, {"predictions": ONE})
    assert ("too late" in said(drawn["error"])) == ("exercise" in said(drawn["training"])) == countdown


def test_what_a_forecast_rests_on_is_told_in_seconds_before_it():
    about = {"target": "height", "unit": "m", "time_unit": "s"}
    table = {"time": TIME} | {
        str(6.0 - 2 * step): np.full(40, share) for step, share in enumerate((1.0, 0.0, 4.0, 5.0))
    }
    words = said(attribution(table, **about))
    assert "first 40 windows" in words and "Half lies in the last 2 s" in words
    silent = attribution({name: values * (name == "time") for name, values in table.items()}, **about)
    silent.canvas.draw()


def test_a_run_without_a_target_names_none():
    figure = trained(target_delta=0.0, countdown=False)
    assert "target of this run" not in said(figure)
    assert len(figure.axes[1].lines) == 3


@pytest.mark.parametrize(
    "values", [[0.49, 0.5], [0.0585, 0.0601], [1e-13, 1.0], [0.0005, 0.04], [3.0, 3.0], [99.0, 101]]
)
def test_a_logarithmic_axis_has_at_least_two_labelled_ticks_and_none_at_zero_per_cent(values):
    log = LOG | {key: np.resize(values, 4) for key in LOG if "loss" in key or "delta" in key}
    figure = trained(log, target_delta=0.0, countdown=False)
    for axes in figure.axes:
        low, high = axes.get_ylim()
        labels = zip(axes.yaxis.get_majorticklocs(), axes.yaxis.get_majorticklabels(), strict=True)
        shown = [label.get_text() for place, label in labels if low <= place <= high]
        assert 2 <= len(set(shown)) == len(shown) <= 7 and "0%" not in shown


def test_a_run_of_one_epoch_has_marks():
    figure = trained({name: values[:1] for name, values in LOG.items()}, best_epoch=1)
    for axes in figure.axes:
        assert [line.get_marker() for line in axes.lines[:2]] == ["o", "o"]
    assert {line.get_marker() for line in trained({n: np.resize(v, 50) for n, v in LOG.items()}).axes[0].lines} == {
        "None"
    }


def test_no_line_joins_windows_of_unrelated_groups():
    about = {"target": "height", "unit": "m", "time_unit": "row", "baselines": ["ridge"], "baseline": "ridge"}
    axes = forecast.forecast(ONE | {"group": TIME}, **about).axes[0]
    assert {line.get_linestyle() for line in axes.lines} == {"None"}
    axes = forecast.forecast(ONE | {"group": np.repeat([0.0, 1], 20)}, **about).axes[0]
    assert [np.flatnonzero(np.isnan(line.get_ydata())).tolist() for line in axes.lines] == [[20]] * 3


@pytest.mark.parametrize(("group", "drawn"), [(np.repeat([0.0, 1], 20), 2), (TIME, 40)])
def test_the_interval_is_drawn_within_groups(group, drawn):
    """As two bands between which nothing is filled, or as a line for each window."""
    about = {"target": "height", "unit": "m", "time_unit": "row", "baselines": ["ridge"], "baseline": "ridge"}
    ends = {"lower": ONE["predicted"] - 1, "upper": ONE["predicted"] + 1, "group": group}
    axes = forecast.forecast(ONE | ends, **about).axes[0]
    (interval,) = (each for each in axes.collections if each.get_label() == "90 % interval")
    shapes = [path.vertices for path in interval.get_paths()]
    assert len(shapes) == drawn
    assert np.unique(np.concatenate(shapes)[:, 0]).tolist() == np.sort(ONE["time"]).tolist()
    assert max(shape[:, 1].max() for shape in shapes) == ends["upper"].max()


def test_the_error_of_classes_is_no_mean_delta():
    words = said(trained(countdown=False, of_classes=True))
    assert "wrong class" in words and "mean delta" not in words.lower() and "sum over its steps" not in words


def texts(figure: Figure) -> str:
    axes = [word for a in figure.axes for word in (a.get_xlabel(), a.get_ylabel(), *(t.get_text() for t in a.texts))]
    return "\n".join([*axes, *(a.get_title() + a.get_title(loc="left") for a in figure.axes)])


@pytest.mark.parametrize(
    ("unit", "label"), [("row", "row"), ("s", "time since the recording began (s)"), ("h", "began (h)")]
)
def test_the_axis_of_time_has_its_unit(unit, label):
    names = {"baselines": ["median", "ridge"], "baseline": "ridge"}
    figure = forecast.forecast(ONE, target="height", unit="m", time_unit=unit, **names)
    assert figure.axes[0].get_xlabel().endswith(label) and figure.axes[0].get_ylabel() == "height (m)"
    assert (unit != "row") == ("recording" in figure.axes[0].get_xlabel())


def test_curves_are_the_columns():
    loss, delta = trained().axes
    assert loss.lines[0].get_ydata().tolist() == LOG["train_loss"].tolist()
    assert delta.lines[1].get_ydata().tolist() == LOG["validation_mean_delta"].tolist()
    [axes] = ahead.error_by_lead_time(AHEAD, unit="m").axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [
        AHEAD["network"].tolist(),
        AHEAD["persistence"].tolist(),
    ]
    assert "(m)" in axes.get_ylabel() and axes.get_yscale() == "linear"
    several = AHEAD | {"ridge": AHEAD["network"] + 1e-9, "drift": AHEAD["network"]}
    [axes] = ahead.error_by_lead_time(several, unit="m").axes
    assert [line.get_label() for line in axes.lines] == ["network, on its own output", "persistence", "ridge", "drift"]
    [axes] = ahead.error_by_lead_time(AHEAD | {"ridge": AHEAD["network"] * 1e-9 + 1e-12}, unit="m").axes
    assert axes.get_yscale() == "log" and "logarithmic" in axes.get_title()
    axes = wrong(ONE, ["median", "ridge"]).axes[1]
    assert [line.get_label().partition(":")[0] for line in axes.lines] == ["network", "median", "ridge"]
    off = np.abs(ONE["ridge"] - ONE["actual"]).mean()
    assert axes.lines[2].get_label() == f"ridge: {off:.3g}"


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
