"""How fast a model can be served here: the same prompts through several ways of serving, side by side."""
