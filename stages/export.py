"""Write a trained model as ONNX, for programs without Python or torch: safetensors -> onnx."""

import argparse
from pathlib import Path

from recurrent.config.stage import errors_in_one_line
from recurrent.network.model_file import ModelFile, model_paths
from recurrent.network.onnx_file import write_onnx


def main() -> None:
    """Read the command line and write the graph."""
    parser = argparse.ArgumentParser(prog="python -m stages.export", description=__doc__)
    parser.add_argument(
        "model", type=Path, help="the forecaster; its members lie beside it, the graph is of their mean"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="the .onnx file to write")
    given = parser.parse_args()
    with errors_in_one_line("nothing was written"):
        write_onnx(given.output, [ModelFile.read(path) for path in model_paths(given.model, 1)[0]])
        print(f"{given.output}: signal and state in, forecast and state out; see docs/architecture.md")


if __name__ == "__main__":
    main()
