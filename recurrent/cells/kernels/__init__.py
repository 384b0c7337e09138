"""Fast paths of the manual cell: the same maths as its loop, to rounding. The loop stays the reference."""
