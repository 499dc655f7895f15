"""``python -m marketpulse``."""

from marketpulse.cli import main

main(prog_name="python -m marketpulse")
