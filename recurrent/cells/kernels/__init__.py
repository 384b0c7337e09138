"""Fast paths of the hand-made cells: the same maths as their loop, to rounding. The loop stays the reference."""
