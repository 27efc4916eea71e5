"""``python -m serving`` is the ``amends`` command."""

from serving.cli import main

main()
