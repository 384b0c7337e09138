"""The model card says what the lock, the parameters and the metrics say."""

import json
from pathlib import Path

import yaml

from reports.model_card import card

ROOT = Path(__file__).parents[2]


def test_it_names_data_parameters_scores_and_limits():
    params, lock = (yaml.safe_load((ROOT / name).read_text(encoding="utf-8")) for name in ("params.yaml", "dvc.lock"))
    metrics = json.loads((ROOT / "metrics" / "quake.json").read_text())
    text = card(params, lock, metrics)
    windows = next(dep for dep in lock["stages"]["train"]["deps"] if dep["path"] == "data/quake/windows")
    assert f"| `data/quake/windows` | `{windows['md5']}` |" in text
    assert f"`train.learning_rate: {params['train']['learning_rate']}`" in text
    assert f"{metrics['test']['mean_delta']:.1%}" in text and all(name in text for name in metrics["baselines"])
    assert "What it is not for" in text
    assert "no interval" in card(params, lock, {**metrics, "interval": None})


def test_the_model_is_an_artifact_that_dvc_knows():
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    (artifact,) = pipeline["artifacts"].values()
    assert artifact["type"] == "model" and artifact["path"] in pipeline["stages"]["train"]["outs"]
