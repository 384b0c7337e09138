"""Fill the README's table of the other systems, and what each has learnt, from systems/metrics/*.json.

python -m reports.systems_table
"""

import json
from dataclasses import dataclass
from typing import Any

import yaml

from reports.readme import ROOT, fill

# system -> required figures: name, where it is in the metrics, target to reach
REQUIRED: dict[str, tuple[tuple[str, str, float], ...]] = {
    "p4581": (("mean delta", "test.mean_delta", 0.125),),
    "sine": (("one-step MSE", "test.mse", 1e-5), ("RMSE of 50 steps on its own output", "free_running.rmse", 0.05)),
    "sp500": (("MSE over that of persistence", "test.mse / baselines.persistence.mse", 1.02),),
    "noisy_sine": (("MSE, mean of 10 series", "test.mse", 0.373),),
    "ladybug": (("one-step MSE, normalised", "test.normalised_mse", 2e-5),),
    "weather_3h": (("mean absolute error, K", "test.mae", 0.68),),
    "weather_12h": (("mean absolute error, K", "test.mae", 0.90),),
    "reviews_multi_hot": (("accuracy", "test.accuracy", 0.883),),
    "reviews_embedding": (("accuracy", "test.accuracy", 0.880),),
    "grades": (("MSE, 5 x 5 folds", "test.mse", 0.261),),
    "grades_split": (("MSE", "test.mse", 0.187),),
    "tide_gauge": (("mean absolute error, m", "test.mae", float("nan")),),
}

ROUNDING = 2.0**-23  # float32's: two forecasts differ by less where the next best one's error is so much larger


def value(metrics: dict[str, Any], path: str) -> float:
    """Return one figure of the metrics, or the ratio of two."""
    if " / " in path:
        above, below = (value(metrics, part) for part in path.split(" / "))
        return above / below
    entry: Any = metrics
    for key in path.split("."):
        entry = entry[key]
    return float(entry)


def verdict(low: float, high: float) -> str:
    """Return what the interval of the gain says in one of three ways."""
    return "better" if low > 0 else "worse" if high < 0 else "not sure"


@dataclass(frozen=True)
class Figure:
    """One figure of a system's metrics beside the baseline that is best in it, and the 95 % interval of the gain."""

    ours: float
    baseline: str
    theirs: float
    low: float
    high: float
    draws: str  # of one network alone: mean, standard deviation, number
    greater_is_better: bool
    equal: bool  # to rounding

    @classmethod
    def read(cls, metrics: dict[str, Any], path: str) -> "Figure":
        """Read the figure at `path`, a score of the test set, of free runs, or the ratio of one to persistence's."""
        place, key = path.partition(" ")[0].split(".")
        scored = metrics if place == "test" else metrics[place]
        scale = metrics["baselines"]["persistence"][key] if " / " in path else 1.0
        known = {name: scores[key] / scale for name, scores in scored["baselines"].items() if key in scores}
        best = (max if key == "accuracy" else min)(known, key=lambda name: known[name])
        low, high = (scored["gain_ci95"][key][end] / scale for end in ("low", "high"))
        alone = scored.get("one_network", {}).get(key)
        draws = f"{alone['mean'] / scale:.3g} ± {alone['sd'] / scale:.1g} ({alone['n']})" if alone else ""
        ours = value(metrics, path)
        others = [score for name, score in known.items() if name != best]
        equal = key != "accuracy" and bool(others) and abs(ours - known[best]) < ROUNDING * min(others)
        return cls(ours, best, known[best], low, high, draws, key == "accuracy", equal)

    @property
    def verdict(self) -> str:
        """Return better, not sure or worse."""
        return "not sure" if self.equal else verdict(self.low, self.high)

    def learnt(self, what: str) -> str:
        """Say what was learnt beyond the best baseline, also where that is nothing."""
        apart = f"{what} {self.ours:.3g} against {self.theirs:.3g}"
        if self.equal:
            return f"nothing beyond {self.baseline}, which it equals to rounding ({apart})"
        if self.verdict == "worse":
            return f"nothing beyond {self.baseline}, which is better ({apart})"
        if self.verdict == "not sure":
            return f"nothing beyond {self.baseline} that may not be chance ({apart})"
        ours, theirs = (1 - score if self.greater_is_better else score for score in (self.ours, self.theirs))
        return f"{1 - ours / theirs:.1%} of the error that {self.baseline} leaves ({apart})"


def row(name: str, cell: str, metrics: dict[str, Any], what: str, path: str, reach: float) -> str:
    """Return a row: one figure, a network alone, the target, the best baseline in it, the gain's interval, verdict."""
    found = Figure.read(metrics, path)
    reached = found.ours >= reach if found.greater_is_better else found.ours <= reach
    met = "" if reach != reach else f"{reach:g} {'✓' if reached else '✗'}"
    gain = f"{found.low:.2g} to {found.high:.2g}"
    best = f"{found.baseline} {found.theirs:.3g}"
    return (
        f"| {name} | {cell} | {what} | {found.ours:.3g} | {found.draws} | {met} | {best} | {gain} | {found.verdict} |"
    )


def table() -> str:
    """Return Markdown: a row per figure, and a line per system on what was learnt."""
    systems = yaml.safe_load((ROOT / "systems" / "params.yaml").read_text())["systems"]
    heads = ("system", "cell", "score on the test set", "forecast", "one network (n)", "target", "best baseline")
    rows = [f"| {' | '.join((*heads, 'gain, 95 % interval', 'verdict'))} |", "| --- " * 9 + "|"]
    learnt = ["Learnt beyond the strongest forecast without a network:", ""]
    for name, figures in REQUIRED.items():
        metrics = json.loads((ROOT / "systems" / "metrics" / f"{name}.json").read_text())
        rows += [row(name, systems[name]["model"]["cell"], metrics, *figure) for figure in figures]
        said = [Figure.read(metrics, path).learnt(what.split(",")[0]) for what, path, _ in figures]
        learnt.append(f"- **{name}**: {'; '.join(said)}.")
    return "\n".join([*rows, "", *learnt])


def main() -> None:
    """Rewrite the table in README.md."""
    readme = ROOT / "README.md"
    readme.write_text(fill(readme.read_text(), "systems", table()))


if __name__ == "__main__":
    main()
