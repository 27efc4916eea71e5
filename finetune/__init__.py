"""Conversations and hand-written examples into a dataset, an adapter, a promoted model."""
