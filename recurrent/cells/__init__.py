"""MENU of recurrences, one file each: a class Cell, signal (B, T, D) -> states (B, T, H), called like nn.RNN."""
