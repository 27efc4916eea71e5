"""Products as structured facts: which are asked about, which attribute, and what the shop says."""
