"""The simulated fault: a sawtooth that no clock foretells, and a sound that does."""

import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import yaml
from seeds import SEED
from small_windows import cut, write_series

from recurrent import sources
from recurrent.evaluate import baselines, metrics
from recurrent.sources import fault

RATE = 200.0
NAMES = sorted(path.stem for path in Path(sources.__file__).parent.glob("[!_]*.py"))


SHIPPED = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text())["simulate"]


def record(*, cycles=6, sample_rate=RATE, seed=SEED, **params):
    blocks = list(fault.simulate(**SHIPPED | {"cycles": cycles, "sample_rate": sample_rate, "seed": seed} | params))
    return tuple(np.concatenate(column) for column in zip(*blocks, strict=True))


def starts(time_to_failure):
    """The row at which each cycle begins."""
    return np.flatnonzero(np.diff(time_to_failure, prepend=-1.0) > 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_source_says_what_it_reads_or_where_its_model_is_published(name):
    text = import_module(f"recurrent.sources.{name}").__doc__
    assert re.search(r"\((18|19|20)\d\d\)", text) or "CSV" in text


def test_the_record_has_whole_numbers_and_a_countdown():
    acoustic_data, time_to_failure = record()
    assert acoustic_data.dtype == np.int64 and time_to_failure.dtype == np.float64
    assert len(acoustic_data) == len(time_to_failure)
    assert np.abs(acoustic_data).max() < 32768 and acoustic_data.std() > 1
    assert (time_to_failure > 0).all() and (time_to_failure == np.round(time_to_failure, 10)).all()
    steps = np.diff(time_to_failure)
    np.testing.assert_allclose(steps[steps < 0], -1 / RATE, atol=2e-10)
    assert (steps != 0).all() and len(starts(time_to_failure)) == 6
    assert (time_to_failure[np.r_[starts(time_to_failure)[1:] - 1, -1]] <= 1 / RATE).all()


@pytest.mark.parametrize("seed", range(SEED, SEED + 5))
def test_no_two_intervals_are_alike_and_all_are_those_of_the_laboratory(seed):
    _, time_to_failure = record(cycles=40, sample_rate=20.0, seed=seed)
    intervals = time_to_failure[starts(time_to_failure)]
    assert len(intervals) == 40
    assert intervals.min() > 6.5 and intervals.max() < 17
    assert intervals.std() > 1.5 and len(np.unique(intervals)) == 40


def test_the_seed_and_nothing_else_decides():
    first = record(cycles=5)
    np.random.seed(1)  # the state that must not matter
    again, other = record(cycles=5), record(cycles=5, seed=SEED + 1)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first, again, strict=True))
    assert len(first[1]) != len(other[1]) or (first[1] != other[1]).any()


def test_a_longer_record_begins_like_a_shorter_one():
    for short, long in zip(record(cycles=5), record(cycles=6), strict=True):
        assert short.tobytes() == long[: len(short)].tobytes()


def test_blocks_are_small(monkeypatch):
    monkeypatch.setattr(fault, "BLOCK_ROWS", 500)
    sizes = [len(sound) for sound, _ in fault.simulate(**SHIPPED | {"cycles": 5, "sample_rate": RATE, "seed": SEED})]
    assert max(sizes) == 500 and sum(sizes) == len(record(cycles=5)[0])


def test_blocks_leave_no_trace(monkeypatch):
    whole = record(cycles=5)
    monkeypatch.setattr(fault, "BLOCK_ROWS", 321)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(whole, record(cycles=5), strict=True))


def test_the_sample_rate_does_not_change_the_fault():
    slow, fast = (times[starts(times)] for _, times in (record(cycles=12), record(cycles=12, sample_rate=3 * RATE)))
    np.testing.assert_allclose(slow, fast, atol=1 / RATE)


def power(sound, time_to_failure):
    """Logarithm of the variance, less that of the electronics, in the last six seconds of every cycle: (cycles, 6)."""
    ends = np.r_[starts(time_to_failure)[1:], len(sound)]
    return np.log([[sound[end - (k + 1) * 1000 : end - k * 1000].var() - 1 for k in range(6)] for end in ends])


FAST = {"cycles": 60, "sample_rate": 1000.0}


def test_each_cycle_has_a_gain_of_its_own():
    quiet, loud = (power(*record(**FAST | {"wander": 0.0, "gain_spread": spread})) for spread in (0.0, 0.3))
    gain = (loud - quiet) / 2
    assert gain.mean(axis=1).std() == pytest.approx(0.3, rel=0.3) and abs(gain.mean()) < 0.12
    assert gain.std(axis=1).max() < 0.1  # one gain from the beginning of a cycle to its end


def test_emission_wanders_and_forgets_within_seconds():
    steady, wandering = (power(*record(**FAST | {"wander": wander, "gain_spread": 0.0})) for wander in (0.0, 0.5))
    excess = wandering - steady
    at_lag = [(excess[:, lag:] * excess[:, : 6 - lag]).mean() for lag in range(6)]
    assert excess.std() == pytest.approx(0.5, rel=0.25)
    assert at_lag[4] / at_lag[1] == pytest.approx(np.exp(-3 / fault.MEMORY), abs=0.25)


def test_the_sample_rate_changes_neither_gain_nor_wandering():
    params = {"cycles": 30, "gain_spread": 0.5, "wander": 0.5}
    slow = power(*record(**params, sample_rate=1000.0))
    sound, time = record(**params, sample_rate=2000.0)
    fast = power(sound[1::2], time[1::2])
    assert np.corrcoef((slow - slow.mean(axis=0)).ravel(), (fast - fast.mean(axis=0)).ravel())[0, 1] > 0.95


@pytest.mark.parametrize("key", ["gain_spread", "wander"])
def test_gain_and_wandering_leave_the_slips_where_they_are(key):
    (steady, times), (other, same_times) = record(**{key: 0.0}), record(**{key: 0.5})
    assert times.tobytes() == same_times.tobytes() and (steady != other).any()


def loudness(sound):
    """Spread of the last fifth of a cycle over that of its quiet stretch."""
    n = len(sound)
    return sound[int(0.8 * n) :].std() / sound[int(0.25 * n) : int(0.45 * n)].std()


@pytest.mark.parametrize("seed", range(SEED, SEED + 3))
def test_every_cycle_grows_louder(seed):
    sound, time_to_failure = record(cycles=20, seed=seed)
    ratios = [loudness(cycle) for cycle in np.split(sound, starts(time_to_failure)[1:])]
    assert len(ratios) == 20 and min(ratios) > 1.4 and np.mean(ratios) > 2.4  # an overshoot makes the start loud too


def test_without_an_overshoot_a_cycle_grows_three_times_as_loud(monkeypatch):
    monkeypatch.setattr(fault, "OVERSHOOT", (0.0, 0.0))
    sound, time_to_failure = record(cycles=5, sample_rate=1000.0)
    assert min(loudness(cycle) for cycle in np.split(sound, starts(time_to_failure)[1:])) > 3


@pytest.mark.parametrize("seed", range(SEED, SEED + 5))
def test_neither_a_constant_nor_a_clock_solves_the_exercise(tmp_path, seed):
    sound, time_to_failure = record(cycles=100, seed=seed)
    failures = starts(time_to_failure)[1:].tolist()
    series = write_series(tmp_path, sound, time_to_failure, countdown=True, failures=failures)
    params = {"seq_len": 20, "samples_per_step": 25, "statistics": ("log_std",), "stride": 2, "batch_size": 64}
    windows = cut(tmp_path, series, split="failures", **params)
    actual = windows.labels("test")
    assert metrics.mean_delta(actual, baselines.median(windows, "test")) >= 0.45
    assert metrics.mean_delta(actual, baselines.clock(windows, "test")) >= 0.20


CYCLE = {"speed": 15e-6, "overshoot": 40e-6, "state": (np.log(fault.V_SEISMIC / fault.V_0), -3.2)}


def test_a_cycle_of_the_fault_makes_sense():
    path, (psi, phi) = fault.simulate_cycle(**CYCLE)
    time, friction, velocity = path.T
    assert time[0] == 0 and (np.diff(time) > 0).all() and np.isfinite(path).all() and (velocity > 0).all()
    assert velocity[0] == pytest.approx(fault.V_SEISMIC) == velocity[-1]  # from one failure to the next
    assert fault.V_0 * np.exp(psi) == pytest.approx(fault.V_SEISMIC)
    assert friction[-1] == pytest.approx(fault.MU_0 + fault.A * psi + fault.B * phi)
    assert fault.MU_0 - 0.2 < friction.min() < friction.max() < fault.MU_0 + 0.2
    # while the block hardly moves, friction is what the spring has been loaded with
    stuck = (velocity < 1e-7) & (time > fault.RECOIL)
    loaded = np.polyfit(time[stuck], friction[stuck], 1)[0]
    assert loaded == pytest.approx(fault.SPRING * CYCLE["speed"], rel=0.02)


def test_the_interval_does_not_hang_on_the_tolerance(monkeypatch):
    interval = fault.simulate_cycle(**CYCLE)[0][-1, 0]
    monkeypatch.setattr(fault, "TOLERANCE", fault.TOLERANCE / 2)
    finer = fault.simulate_cycle(**CYCLE)[0][-1, 0]
    assert finer != interval and finer == pytest.approx(interval, abs=1e-3)


def test_faster_loading_or_more_overshoot_shortens_the_cycle():
    interval = fault.simulate_cycle(**CYCLE)[0][-1, 0]
    assert fault.simulate_cycle(**CYCLE | {"speed": 16e-6})[0][-1, 0] < interval
    assert fault.simulate_cycle(**CYCLE | {"overshoot": 60e-6})[0][-1, 0] < interval
