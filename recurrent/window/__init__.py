"""Series -> steps -> windows, split into train, validation and test."""
