"""Measurements quoted in the documentation; each module is a command."""
