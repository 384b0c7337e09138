"""params.yaml and systems/params.yaml -> frozen dataclasses, every value checked."""
