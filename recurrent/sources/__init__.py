"""One file per data set: a class Options with `files` and `load`, or, for what is too large, a generator of blocks."""
