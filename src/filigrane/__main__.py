"""``python -m filigrane`` and the console command: run the command line, turn errors into sentences and exit codes."""

from __future__ import annotations

import sys


def run() -> None:
    """Run the command line and exit with the code its documentation states."""
    from filigrane.cli.main import main

    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
