"""Judges: each reads a trajectory and returns scores. They need no model and no running shop."""
