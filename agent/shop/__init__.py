"""The shop port (``port``) and the demo shop behind it."""
