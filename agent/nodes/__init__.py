"""The nodes of the turn's graph, one idea per file."""
