"""One file per data set: a class Options with `files` and `read`, or, for what is too large, a generator of blocks."""
