"""``python -m filigrane`` and the console command: run the command line, turn errors into sentences and exit codes.

Numerical libraries start with one thread each unless the environment says otherwise: the arrays here are small, and
threads that wait for each other cost more than they bring.
"""

from __future__ import annotations

import os
import sys


def run() -> None:
    """Run the command line and exit with the code its documentation states."""
    for name, value in {"OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}.items():
        os.environ.setdefault(name, value)
    from filigrane.cli.main import main

    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
