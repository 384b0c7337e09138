"""Raw files -> checked blocks and columns."""
