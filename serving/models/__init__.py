"""Language models on this machine: which there are, their files, and the server that runs them."""
