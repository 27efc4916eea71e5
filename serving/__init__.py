"""Everything that listens on a port, and the ``amends`` command."""
