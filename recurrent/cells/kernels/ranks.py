"""Ranks: the processes that train one network together, on one machine or on several (torch.distributed over gloo).

The shares of a batch, SHARE sequences each, belong to the ranks in order. A rank computes the recurrence of its own
ones and no others; all else (labels, loss, what is random, the optimizer) every rank computes of the whole batch. Sums
over the batch go along the ranks in the order of the shares (docs/numerics.md): any number of ranks, the same bits.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed.rendezvous import rendezvous

from recurrent.cells.kernels import threads

T = TypeVar("T")

SHARE = 12  # sequences of a share, as in gradient.h
SILENCE = timedelta(seconds=20)  # after which a rank that does not answer in the middle of a batch is taken for dead
PATIENCE = timedelta(minutes=10)  # the same where ranks may take differently long: before a training, after an epoch
STARTED_IN = Path.cwd()  # where the command line holds; a stage of systems/ moves from there

_rank, _ranks = 0, 1
_started: list[subprocess.Popen[bytes]] = []  # by this process: ranks 1, 2, ...


def count() -> int:
    """Give the number of ranks, 1 outside of `joined`."""
    return _ranks


def first() -> bool:
    """Whether this rank is the one that writes: files, and to standard output."""
    return _rank == 0


@contextmanager
def joined(processes: int, *, batch_size: int) -> Iterator[None]:
    """Be one of several ranks: of those that torchrun has started, or else of `processes`, which start here.

    Others run the same command line as this one, and end where the block does, with no word on standard output.

    Raises
    ------
    ValueError
        Where a rank would have nothing to do.
    ConnectionError
        Where another rank has ended, or has not answered for `SILENCE`.
    """
    global _rank, _ranks
    shares, by_torchrun = -(-batch_size // SHARE), "WORLD_SIZE" in os.environ
    ranks = int(os.environ["WORLD_SIZE"]) if by_torchrun else processes
    if ranks > shares:
        raise ValueError(
            f"train.processes is {ranks}, expected at most {shares}: a batch of {batch_size} windows has {shares} "
            f"shares of {SHARE}"
        )
    if ranks == 1:
        yield
        return
    with ExitStack() as ending:
        ending.callback(_leave)
        with _answered():
            store, _rank, _ranks = next(rendezvous("env://", timeout=PATIENCE)) if by_torchrun else _start(ranks)
            threads.share_cores(int(os.environ.get("LOCAL_WORLD_SIZE", ranks)))
            _wait_for_all(store)
            dist.init_process_group("gloo", store=store, rank=_rank, world_size=_ranks, timeout=SILENCE)
        if _rank:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first rank tells of it, and its end is theirs
            ending.enter_context(redirect_stdout(ending.enter_context(open(os.devnull, "w", encoding="utf-8"))))
        try:
            yield
        except (ValueError, OSError) as error:
            if _rank:
                raise ValueError(f"rank {_rank} of {_ranks}: {error}") from error
            raise
        if _rank:
            sys.exit()


def of_first(value: T) -> T:
    """Return the first rank's value (of plain types and tensors), once all ranks have come here."""
    if _ranks == 1:
        return value
    values = [value]
    with _answered():
        dist.monitored_barrier(timeout=PATIENCE)
        dist.broadcast_object_list(values)
    return values[0]


def divided(compute: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Compute the rows of a batch, each rank those of its shares; return all of them on all ranks.

    A batch of fewer shares than ranks, which may be the last one of a part that is not learnt, all ranks compute.
    """
    if _ranks == 1 or len(x) <= SHARE * (_ranks - 1):
        return compute(x)
    rows: Tensor = _Gathered.apply(compute(_Own.apply(x)), len(x))  # type: ignore[no-untyped-call]
    return rows


@contextmanager
def in_turn(begun: Tensor, total: Tensor) -> Iterator[None]:
    """Add up along the ranks, one after the other.

    Before the block `begun` becomes the sum of the ranks before this one, if there are any; the block must add this
    rank's to it. After the block `total`, which the block makes of the sum, is the last rank's, the sum of all.
    Each sum is broadcast, although the next rank alone needs it: gloo takes several times as long to send and receive.
    """
    with _answered():
        for rank in range(_rank):
            dist.broadcast(begun, rank)
    yield
    with _answered():
        for rank in range(_rank, _ranks if _ranks > 1 else 0):
            dist.broadcast(begun if rank < _ranks - 1 else total, rank)


def sum_gradients(weights: Sequence[Tensor]) -> None:
    """Let the gradients of weights, which each rank has of its own rows, be summed over the ranks."""

    def summed(gradient: Tensor) -> Tensor:
        total = torch.zeros_like(gradient)
        with in_turn(total, total):
            total += gradient
        return total

    for weight in weights if _ranks > 1 else ():
        weight.register_hook(summed)  # type: ignore[no-untyped-call]


class _Own(torch.autograd.Function):
    """Rows of a batch (B, ...) -> those of this rank."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.rows = len(x)
        return x[_rows(_rank, len(x))]

    @staticmethod
    def backward(ctx: Any, d_own: Tensor) -> Tensor:
        return _gather(d_own, ctx.rows)


class _Gathered(torch.autograd.Function):
    """Rows of this rank -> all rows of the batch."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, rows: int) -> Tensor:
        return _gather(own, rows)

    @staticmethod
    def backward(ctx: Any, d_all: Tensor) -> tuple[Tensor, None]:
        return d_all[_rows(_rank, len(d_all))], None


def _rows(rank: int, rows: int) -> slice:
    shares = -(-rows // SHARE)
    return slice(SHARE * (shares * rank // _ranks), min(rows, SHARE * (shares * (rank + 1) // _ranks)))


def _gather(own: Tensor, rows: int) -> Tensor:
    found = own.new_empty(rows, *own.shape[1:])
    found[_rows(_rank, rows)] = own
    with _answered():
        for rank in range(_ranks):
            dist.broadcast(found[_rows(rank, rows)], rank)
    return found


def _start(ranks: int) -> tuple[Any, int, int]:
    """Start the other ranks on this machine, told what torchrun would tell them; this is the first one."""
    local = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), "")
    os.environ.setdefault("GLOO_SOCKET_IFNAME", local)  # or gloo asks the network for the address of this machine
    store = dist.TCPStore("127.0.0.1", 0, None, True, PATIENCE, wait_for_workers=False)  # type: ignore[attr-defined]
    told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": store.port, "WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks}
    for rank in range(1, ranks):
        environment = os.environ | {name: str(value) for name, value in (told | {"RANK": rank}).items()}
        command = [sys.executable, *sys.orig_argv[1:]]
        _started.append(subprocess.Popen(command, cwd=STARTED_IN, env=environment, stdin=subprocess.DEVNULL))
    return store, 0, ranks


def _wait_for_all(store: Any) -> None:
    end, awaited = time.monotonic() + PATIENCE.total_seconds(), [f"rank {rank} is here" for rank in range(_ranks)]
    store.set(awaited[_rank], "")
    while not store.check(awaited):
        if any(process.poll() is not None for process in _started) or time.monotonic() > end:
            raise RuntimeError("not all ranks have come")
        time.sleep(0.02)


def _leave() -> None:
    global _rank, _ranks
    for process in _started:  # which write nothing
        process.kill()
        process.wait()
    _started.clear()
    if dist.is_initialized():
        dist.destroy_process_group()
    _rank, _ranks = 0, 1
    threads.share_cores(1)


@contextmanager
def _answered() -> Iterator[None]:
    """Say of an error of torch.distributed, which tells of an address at best, which rank it is about."""
    try:
        yield
    except RuntimeError as error:
        end, lost = time.monotonic() + 3, ""
        while _started and not lost and time.monotonic() < end:  # its connections end before it does
            codes = {rank: process.poll() for rank, process in enumerate(_started, start=1)}
            ended = [f"rank {rank} {_words(code)}" for rank, code in codes.items() if code is not None]
            lost = ", ".join(ended)
            time.sleep(0.02)
        said = re.sub(r"^\[[^]]*\] ", "", str(error).splitlines()[0]).split(". ")[0]
        raise ConnectionError(f"{lost or 'another rank is lost'} ({said}); started again, training resumes") from error


def _words(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"has ended with status {code}"
