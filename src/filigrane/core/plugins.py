"""Plug-ins are found by file name: one new file in a folder is one new plug-in.

Every such file has a module-level ``build(**options)`` that returns the plug-in. Third parties add their own
through an entry-point group named after the folder (``filigrane.perturb.attacks`` and so on); built-ins win clashes.
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import entry_points
from typing import Any

from filigrane.core.errors import NotFound


def names(folder: str) -> tuple[str, ...]:
    """Names of all plug-ins of a package such as ``"filigrane.perturb.attacks"``, sorted.

    >>> "manifest" in names("filigrane.detector.evidence")
    True
    """
    package = importlib.import_module(folder)
    own = {module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")}
    return tuple(sorted(own | {point.name for point in entry_points(group=folder)}))


def load(folder: str, name: str, **options: Any) -> Any:
    """The plug-in ``name`` of ``folder``, built with ``options``.

    Raises NotFound with the known names where there is none.
    """
    package = importlib.import_module(folder)
    if not name.startswith("_") and name in {module.name for module in pkgutil.iter_modules(package.__path__)}:
        return importlib.import_module(f"{folder}.{name}").build(**options)
    for point in entry_points(group=folder):
        if point.name == name:
            return point.load()(**options)
    raise NotFound(f"There is no {folder.rpartition('.')[2]} plug-in {name!r}; known are: {', '.join(names(folder))}.")
