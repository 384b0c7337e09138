"""A model card: what a model was made of, how good it is beside its opponents, what it is for and what not.

python -m reports.model_card > model_card.md

After M. Mitchell et al., Model Cards for Model Reporting, FAT* 2019. Made from params.yaml, dvc.lock and metrics.
"""

import json
from typing import Any

import yaml

from reports.readme import ROOT, table

TEXT = """# Model card: time before the next laboratory earthquake

A recurrent network ({cell}, {hidden_size} units) that reads sequences of {seq_len} steps of {samples} samples each
and forecasts {target} in {unit}. Model: `data/quake/model/forecaster.safetensors`;
`python -m stages.predict` applies it, `python -m stages.export` writes it as ONNX.

## What it was made of

| input | md5 in dvc.lock |
| --- | --- |
{digests}

The parameters are those of params.yaml: {params}.

## How good it is

On the test set, cycles that had no part in scaling, early stopping or the choice of the epoch:

{scores}

{interval}

## What it is for

Forecasts on recordings of the same laboratory set-up: the same sensor, sampling rate and column, in the same unit.
Exercises and comparisons of methods.

## What it is not for

Earthquakes outside a laboratory, or any decision that depends on them. Other sensors or rates need a training of
their own: nothing checks that a recording resembles the one that the model knows. A forecast's interval rests on
validation cycles of the same recording and says nothing about others.
"""


def digests(lock: dict[str, Any], stage: str = "train") -> list[str]:
    """Return a row for the data and the code folders that a stage of dvc.lock read."""
    return [f"| `{dep['path']}` | `{dep['md5']}` |" for dep in lock["stages"][stage]["deps"]]


def card(params: dict[str, Any], lock: dict[str, Any], metrics: dict[str, Any]) -> str:
    """Return the card as Markdown."""
    interval = metrics.get("interval")
    inside = "Forecasts have no interval."
    if interval:
        inside = (
            f"{interval['coverage']:.1%} of the labels lie inside their {interval['nominal']:.0%} interval, on average "
        )
        inside += f"{interval['mean_width']:.2f} {params['ingest']['target_unit']} wide."
    chosen = {key: params[key] for key in ("window", "model", "train")}
    return TEXT.format(
        cell=params["model"]["cell"],
        hidden_size=params["model"]["hidden_size"],
        seq_len=params["seq_len"],
        samples=params["window"]["samples_per_step"],
        target=params["ingest"]["target"],
        unit=params["ingest"]["target_unit"],
        digests="\n".join(digests(lock)),
        params=", ".join(f"`{part}.{key}: {value}`" for part, keys in chosen.items() for key, value in keys.items()),
        scores=table(metrics),
        interval=inside,
    )


def main() -> None:
    """Print the card of the workspace's model."""
    params, lock = (yaml.safe_load((ROOT / name).read_text(encoding="utf-8")) for name in ("params.yaml", "dvc.lock"))
    print(card(params, lock, json.loads((ROOT / "metrics" / "quake.json").read_text())))


if __name__ == "__main__":
    main()
