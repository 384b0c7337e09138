"""Calls in their order, whoever makes them; what the environment may ask for."""

import sys

import pytest

from recurrent.ingest import workers
from recurrent.ingest.workers import Workers


class Call:
    def __init__(self, answer):
        self.answer = answer

    def result(self, timeout):
        assert timeout == workers.DEADLINE
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


class Client:
    """Answers a few calls, then fails."""

    def __init__(self, answers, failure):
        self.answers, self.failure, self.asked = answers, failure, []

    def submit(self, function, item, pure):
        self.asked.append(item)
        return Call(function(item) if len(self.asked) <= self.answers else self.failure)


def test_answers_come_in_the_order_of_the_calls_and_few_are_under_way():
    under_way = []

    def items():
        for item in range(20):
            under_way.append(item)
            yield item

    for number, answer in enumerate(Workers(Client(20, None), 2).map(str, items())):
        assert answer == str(number) and len(under_way) <= number + 2 * workers.AHEAD
    assert number == 19


@pytest.mark.parametrize("failure", [TimeoutError("late"), OSError("gone"), RuntimeError("killed")])
def test_what_befalls_the_workers_is_said_once_and_loses_nothing(failure, capsys):
    client = Client(7, failure)
    assert [*Workers(client, 1).map(str, range(20))] == [str(i) for i in range(20)]
    assert len(client.asked) < 12
    assert capsys.readouterr().err == f"dask: the workers are given up, this process goes on alone: {failure!r}\n"


def test_an_error_of_the_call_is_raised():
    with pytest.raises(ValueError, match="row 3"):
        [*Workers(Client(3, ValueError("row 3")), 1).map(str, range(20))]


def test_nothing_is_spread_unless_it_is_asked_for(monkeypatch):
    for name in (workers.COUNT, workers.ADDRESS):
        monkeypatch.delenv(name, raising=False)
    with workers.workers() as nobody:
        assert nobody is None


@pytest.mark.parametrize("count", ["0", "-1", "two", "1.5", "513", "²"])
def test_a_number_of_workers_that_is_none_is_refused(monkeypatch, count):
    monkeypatch.setenv(workers.COUNT, count)
    expected = f"DASK_WORKERS is '{count}', expected a number of processes from 1 to 512"
    with pytest.raises(ValueError, match=expected), workers.workers():
        pass


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setenv(workers.COUNT, "2")
    monkeypatch.setitem(sys.modules, "distributed", None)
    expected = r"DASK_WORKERS is '2', but .* is missing: pip install '\.\[scale\]'"
    with pytest.raises(ValueError, match=expected), workers.workers():
        pass
