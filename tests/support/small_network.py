"""The plain sizes, and training to the end, for the tests of whatever has a network."""

from recurrent.network.model_file import ForecasterConfig
from recurrent.train.trainer import Epoch, Trainer

PLAIN = ForecasterConfig(
    cell="manual",
    input_size=1,
    hidden_size=5,
    num_layers=1,
    output_size=1,
    input="values",
    vocabulary=0,
    embedding_size=0,
    dropout=0.0,
    readout="all_steps",
    classes=0,
)


def train(run: Trainer) -> list[Epoch]:
    """Train to the end; return the rows of history."""
    rows: list[Epoch] = []
    run.run(rows.append)
    return rows
