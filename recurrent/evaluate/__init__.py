"""Scores on unseen labels, beside forecasts that need no network."""
