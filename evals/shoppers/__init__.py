"""Who plays the shopper: the exact turns of a script, a state machine, or a strong model."""
