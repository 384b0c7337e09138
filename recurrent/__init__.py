"""Sequence learning with recurrent networks: the library behind the stages. No paths, no argv."""

import sys

# DVC reads these folders as dependencies. systems/ is a project of its own, and outside its root no .dvcignore
# applies: a __pycache__ would be a change of the code.
sys.dont_write_bytecode = True
