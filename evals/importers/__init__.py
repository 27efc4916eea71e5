"""Tasks of public benchmarks as scenarios; their files are read where the user put them."""
