"""What is served over plain HTTP, by noun."""
