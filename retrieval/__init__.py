"""Documents in, cited passages out; who may see which."""
