"""How many threads a kernel gets: with auto, as many as pay, by a clock that is given here."""

import pytest

from recurrent.cells.kernels import threads


@pytest.fixture(autouse=True)
def as_before():
    yield
    threads.use(1)
    threads.cores.cache_clear()


def settled(cost, limit, calls=200):
    """Threads of each call, where `cost` gives the seconds of a call with so many."""
    pace = threads.pace(limit)
    found = [next(pace)]
    for call in range(calls):
        found.append(pace.send(cost(found[-1], call)))
    return found


@pytest.mark.parametrize(
    ("cost", "pays"),
    [
        (lambda count, _: 1 / count, 8),  # free cores
        (lambda count, _: 1.0, 1),  # none but one
        (lambda count, _: 1 / count + 0.3 * (count > 1), 1),  # too short: the start of a thread costs too much
        (lambda count, _: max(1 / count, 0.25), 4),
        (lambda count, _: 1 / count + (count == 8), 4),
    ],
)
def test_threads_are_doubled_as_long_as_that_pays(cost, pays):
    found = settled(cost, 8)
    assert found[30:100] == [pays] * 70
    assert set(found) == {count for count in (1, 2, 4, 8) if count <= 2 * pays}


def test_a_limit_that_is_no_power_of_two_is_reached():
    assert settled(lambda count, _: 1 / count, 3)[30] == 3


def test_a_call_that_had_to_wait_never_speaks_for_more_threads():
    waits = {1: 3, 2: 7}
    assert settled(lambda count, call: 1.0 + 100 * (call == waits.get(count)), 2)[15:60] == [1] * 45


def test_a_machine_that_becomes_busy_or_free_is_noticed():
    def cost(count, call):
        return 1.0 if call < 2000 else 1 / count

    found = settled(cost, 2, 4000)
    assert found[1999] == 1 and found[-1] == 2
    assert sum(count == 2 for count in found[:2000]) < 0.02 * 2000  # what trying costs
    found = settled(lambda count, call: 1 / count if call < 2000 else 1.0, 2, 4000)
    assert found[1999] == 2 and found[-1] == 1


def test_parts_are_whole_and_disjoint_and_calls_of_each_kind_have_a_pace_of_their_own(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 4)
    clock = [0.0]
    monkeypatch.setattr(threads.time, "perf_counter", lambda: clock[0])
    threads.use("auto")
    found = {"long": [], "short": []}
    for kind in ["long", "short"] * 40:
        parts = []

        def run(first, last, parts=parts, kind=kind):
            parts.append((first, last))
            if first == 0:  # by the thread that calls
                clock[0] += (last - first) / 10 if kind == "long" else 1.0

        threads.share(run, 10, kind)
        assert [row for part in sorted(parts) for row in range(*part)] == [*range(10)]
        found[kind].append(len(parts))
    assert found["long"][20:] == [4] * 20 and found["short"][20:] == [1] * 20


@pytest.mark.parametrize(("variable", "most"), [("1", 1), ("2,1", 2), ("64", 4), ("0", 4), ("", 4), ("many", 4)])
def test_the_affinity_and_openmp_s_variable_are_limits(monkeypatch, variable, most):
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: {0, 1, 5, 7}, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    threads.cores.cache_clear()
    threads.use("auto")
    assert (threads.cores(), threads.used(), threads.of_torch("c"), threads.of_torch("numpy")) == (most, most, 1, 1)


def test_a_number_is_taken_as_it_is(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 1)
    threads.use(3)
    parts = []
    for _ in range(20):
        threads.share(lambda first, last: parts.append((first, last)), 7, "kind")
    assert parts.count((0, 2)) == parts.count((2, 4)) == parts.count((4, 7)) == 20
    assert (threads.used(), threads.of_torch("c"), threads.of_torch("numpy")) == (3, 1, 3)


def test_a_part_that_fails_is_an_error():
    threads.use(2)
    with pytest.raises(MemoryError):
        threads.share(lambda first, last: int(first > 0), 4, "kind")
