"""The ``amends`` command, one module per group of sub-commands."""
