"""Forecasts of recordings that a network has never seen: at once, or as their rows arrive."""
