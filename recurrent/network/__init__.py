"""A cell and a head between scalers: built, saved, called."""
