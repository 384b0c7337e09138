"""The plain architecture, for the tests of whatever has a network."""

from recurrent.network.model_file import Architecture

PLAIN = Architecture(
    cell="manual",
    input_size=1,
    hidden_size=5,
    num_layers=1,
    output_size=1,
    input="values",
    vocabulary=0,
    embedding_size=0,
    dropout=0.0,
    answer="every",
    classes=0,
)
