"""One file per data set: a class Options with `files` and `read`, or, for the fault, a generator of blocks."""
