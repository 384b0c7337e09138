"""Does the exercise need its sequence? Recordings, seeds and opponents side by side -> docs/seeds.md.

    python -m benchmarks.exercise seeds      # the settings of params.yaml on recordings 0 to 4, five networks each
    python -m benchmarks.exercise frontier   # other spreads of gain and rate, on recordings that nothing else uses
    python -m benchmarks.exercise floor      # a much larger learner, with 800 other cycles

Each recording is simulated and cut into windows once; two at a time, each on one thread. What is finished is kept
(exercise_runs.py), so an interrupted run goes on where it stopped.
"""

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from benchmarks.exercise_runs import Runs, cached, compared, of_a_large_learner, with_changes
from benchmarks.seeds import ROOT
from recurrent.evaluate import metrics
from recurrent.storage.npy import Array
from reports.readme import fill

PAGE = ROOT / "docs" / "seeds.md"
RECORDINGS, SEEDS, AT_ONCE = range(5), range(5), 2
CONTROLS = (0, 1)  # recordings on which other cells and other inputs are tried, too
CHOOSING, OTHER = 100, 200  # recordings for the choice of settings, and for the large learner
GAINS, WANDERS, CYCLES = (0.0, 0.1, 0.15, 0.2), (0.0, 0.05), (400,)
LARGE = {"model.cell": "gru", "model.hidden_size": 64, "train.learning_rate": 0.002, "train.max_epochs": 30}
LARGE_CYCLES = {"simulate.cycles": 1000, "window.train_fraction": 0.8, "window.validation_fraction": 0.1}


def deltas(runs: Runs) -> list[float]:
    """Return the mean delta of each run."""
    return [float(np.mean(run["errors"])) for run in runs]


def best_trees(found: dict[str, Runs]) -> str:
    """Name those trees that are best on the test part, which is to their advantage."""
    return min((name for name in found if name.startswith("trees")), key=lambda name: deltas(found[name])[0])


def of_seeds() -> dict[str, str]:
    """Compare on all recordings: a table of mean deltas, what they say together, and a table of intervals."""
    with ProcessPoolExecutor(AT_ONCE) as pool:
        asked = [pool.submit(compared, {"simulate.seed": n}, SEEDS, n in CONTROLS) for n in RECORDINGS]
        found = [future.result() for future in asked]
    settings = with_changes({})
    cell, block = settings.model.cell, -(-settings.seq_len // settings.window.stride)
    names = [name for name in found[0] if name != cell]
    rows, gains = [], list[Array]()
    for number, runs in zip(RECORDINGS, found, strict=True):
        own = deltas(runs[cell])
        ours = np.mean([run["errors"] for run in runs[cell]], axis=0)
        gains.append(np.array(runs[best_trees(runs)][0]["errors"]) - ours)
        low, high = metrics.block_bootstrap(gains[-1], block)
        scores = [f"{np.mean(deltas(runs[n])):.3f}" if n in runs else "" for n in names]
        spread = f"**{np.mean(own):.3f}** ({min(own):.3f} to {max(own):.3f})"
        rows.append([number, spread, *scores, f"{low:.3f} to {high:.3f}"])
    every = [delta for runs in found for delta in deltas(runs[cell])]
    low, high = metrics.block_bootstrap(np.concatenate(gains), block)
    rows.append(["**all**", f"**{np.mean(every):.3f}** ± {np.std(every, ddof=1):.3f}, worst {max(every):.3f}"]
                + [f"{np.mean([np.mean(deltas(runs[n])) for runs in found if n in runs]):.3f}" for n in names]
                + [f"{low:.3f} to {high:.3f}"])  # fmt: skip
    head = ["simulate.seed", f"{cell}, five seeds", *names, "gain over the best trees, 95 %"]
    return {"exercise": table(head, rows), "coverage": of_intervals(cell, found)}


def of_intervals(cell: str, found: Sequence[dict[str, Runs]]) -> str:
    """Return a table of the intervals' coverage by cycle, and of their mean width in the target's unit."""
    rows = []
    for number, runs in zip(RECORDINGS, found, strict=True):
        name = best_trees(runs)
        rows.append([number, *_covered(runs[cell]), *_covered(runs[name]), name.removeprefix("trees, ")])
    ours, trees = ([run for runs in found for run in runs[of(runs)]] for of in (lambda _: cell, best_trees))
    rows.append(["**all**", *_covered(ours), *_covered(trees), ""])
    nominal = f"nominal {ours[0]['nominal']:.0%}"
    both = [f"{cell}, five seeds: coverage by cycle ({nominal})", "width, s", "best trees: coverage", "width, s"]
    return table(["simulate.seed", *both, "best trees"], rows)


def _covered(runs: Runs) -> tuple[str, str]:
    covered, width = ([run[key] for run in runs] for key in ("coverage_by_cycle", "mean_width"))
    ends = f" ({min(covered):.1%} to {max(covered):.1%})" if len(runs) > 1 else ""
    return f"{np.mean(covered):.1%}{ends}", f"{np.mean(width):.2f}"


def of_frontier() -> dict[str, str]:
    """Compare one network with the trees over the spreads of gain and rate, and the number of cycles."""
    points = [
        {"simulate.gain_spread": gain, "simulate.wander": wander, "simulate.cycles": cycles, "simulate.seed": CHOOSING}
        for cycles in CYCLES
        for gain in GAINS
        for wander in WANDERS
    ]
    with ProcessPoolExecutor(AT_ONCE) as pool:
        found = [*pool.map(partial(compared, seeds=(0,), controls=False), points)]
    names = [*found[0]]
    rows = [
        [*point.values()][:3] + [f"{deltas(runs[name])[0]:.3f}" for name in names]
        for point, runs in zip(points, found, strict=True)
    ]
    return {"frontier": table(["gain_spread", "wander", "cycles", *names], rows)}


def of_floor() -> dict[str, str]:
    """Score the large learner on the test parts of all recordings."""
    settings = with_changes(LARGE | LARGE_CYCLES | {"simulate.seed": OTHER})
    tested = [with_changes({"simulate.seed": number}) for number in RECORDINGS]
    found = cached("floor", settings, lambda: of_a_large_learner(settings, tested))
    means = [deltas(runs)[0] for runs in found.values()]
    size, cycles = settings.model.hidden_size, round(settings.simulate.cycles * settings.window.train_fraction)
    each = ", ".join(f"{delta:.3f}" for delta in means)
    text = f"GRU of {size} units, trained on {cycles} other cycles: mean delta **{np.mean(means):.3f}** ({each})."
    return {"floor": text}


def table(head: Sequence[Any], rows: Sequence[Sequence[Any]]) -> str:
    """Return Markdown."""
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in [head, ["---"] * len(head), *rows])


def main() -> None:
    """Make one of the page's parts, or several."""
    parts = {"seeds": of_seeds, "frontier": of_frontier, "floor": of_floor}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="+", choices=parts)
    for part in parser.parse_args().part:
        for name, text in parts[part]().items():
            print(text)
            PAGE.write_text(fill(PAGE.read_text(), name, text))


if __name__ == "__main__":
    main()
