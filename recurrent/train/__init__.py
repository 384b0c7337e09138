"""The training loop, its optimizer, its checkpoint and its history."""
