"""Sequence learning with recurrent networks: the library behind the stages. No paths, no argv."""
