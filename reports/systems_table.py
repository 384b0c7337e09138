"""Fill the README's table of the other systems from systems/metrics/*.json.

python -m reports.systems_table
"""

import json
from typing import Any

import yaml

from reports.readme import ROOT, fill

# system -> required figures: name, where it is in the metrics, target to reach
REQUIRED: dict[str, tuple[tuple[str, str, float], ...]] = {
    "p4581": (("mean delta", "test.mean_delta", 0.18),),
    "sine": (("one-step MSE", "test.mse", 1e-5), ("RMSE of 50 steps on its own output", "free_running.rmse", 0.05)),
    "sp500": (("MSE over that of persistence", "test.mse / baselines.persistence.mse", 1.02),),
    "noisy_sine": (("MSE, mean of 10 series", "test.mse", 0.373),),
    "ladybug": (("one-step MSE, normalised", "test.normalised_mse", 2e-5),),
    "weather_3h": (("mean absolute error, K", "test.mae", 0.68),),
    "weather_12h": (("mean absolute error, K", "test.mae", 0.90),),
    "reviews_multi_hot": (("accuracy", "test.accuracy", 0.875),),
    "reviews_embedding": (("accuracy", "test.accuracy", 0.875),),
    "grades": (("MSE, 5 x 5 folds", "test.mse", 0.261),),
    "grades_split": (("MSE", "test.mse", 0.2261),),
    "tide_gauge": (("mean absolute error, m", "test.mae", float("nan")),),
}


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


def row(name: str, cell: str, metrics: dict[str, Any], what: str, path: str, reach: float) -> str:
    """Return a row: one figure, that of the baseline which is best in it, the interval of the gain, the verdict."""
    ours, (place, key) = value(metrics, path), path.partition(" ")[0].split(".")
    bigger = key == "accuracy"
    scored = metrics if place == "test" else metrics[place]
    known = {b: scores[key] for b, scores in scored.get("baselines", {}).items() if key in scores}
    scale = metrics["baselines"]["persistence"]["mse"] if " / " in path else 1.0
    pick = (max if bigger else min)(known, key=lambda b: known[b]) if known else ""
    best = f"{pick} {known[pick] / scale:.3g}" if known else ""
    met = "" if reach != reach else f"{reach:g} " + ("✓" if (ours >= reach if bigger else ours <= reach) else "✗")
    gain, words = "", ""
    if key in scored.get("gain_ci95", {}):  # metrics of before have none
        low, high = (scored["gain_ci95"][key][end] / scale for end in ("low", "high"))
        gain, words = f"{low:.2g} to {high:.2g}", verdict(low, high)
    return f"| {name} | {cell} | {what} | {ours:.3g} | {met} | {best} | {gain} | {words} |"


def table() -> str:
    """Return Markdown: a row per figure."""
    systems = yaml.safe_load((ROOT / "systems" / "params.yaml").read_text())["systems"]
    lines = [
        "| system | cell | score on the test set | network | target | best baseline | gain, 95 % interval | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, figures in REQUIRED.items():
        metrics = json.loads((ROOT / "systems" / "metrics" / f"{name}.json").read_text())
        lines += [row(name, systems[name]["model"]["cell"], metrics, *figure) for figure in figures]
    return "\n".join(lines)


def main() -> None:
    """Rewrite the table in README.md."""
    readme = ROOT / "README.md"
    readme.write_text(fill(readme.read_text(), "systems", table()))


if __name__ == "__main__":
    main()
