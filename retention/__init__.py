"""Signals out of the log, a churn score with reasons, and offers within a budget."""
