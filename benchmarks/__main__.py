"""Run every benchmark in this folder, or those named: ``python -m benchmarks scan``."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks

if __name__ == "__main__":
    known = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name != "__main__")
    for name in sys.argv[1:] or known:
        if name not in known:
            sys.exit(f"There is no benchmark {name!r}; known are: {', '.join(known)}.")
        print(f"== {name}", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()
