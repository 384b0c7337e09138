"""One file per data set, each a generator of blocks (signal, target)."""
