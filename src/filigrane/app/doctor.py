"""Doctor: what is installed, which keys, anchors and weights are there, where settings come from, what is missing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from filigrane.app.models import verify_models
from filigrane.app.runtime import Runtime
from filigrane.core.errors import FiligraneError
from filigrane.core.settings import origins
from filigrane.provenance import trust

_PASSWORD = re.compile(r"(://[^/@\s]*:)[^/@\s]+@")
"""The password in an address, which no report of faults should carry along."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: ``ok`` None means optional and absent; ``advice`` says what to do, or is empty."""

    topic: str
    name: str
    state: str
    ok: bool | None
    advice: str = ""


def examine(runtime: Runtime) -> tuple[Check, ...]:
    """Every check, grouped by topic."""
    return (
        *_packages(),
        *_keys(runtime.settings.home),
        *_trust(runtime.settings.home),
        *_weights(),
        *_settings(runtime),
    )


def _packages() -> tuple[Check, ...]:
    parts: dict[str, dict[str, str]] = {}
    for requirement in distribution("filigrane").requires or ():
        name = re.match(r"[A-Za-z0-9_.-]+", requirement)
        extra = re.search(r"""extra == ['"](\w+)['"]""", requirement)
        part = extra[1] if extra else ""
        if name is not None and part != "dev":
            parts.setdefault(part, {})[name[0]] = _version(name[0])
    return tuple(_part(part, versions) for part, versions in sorted(parts.items()))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _part(extra: str, versions: dict[str, str]) -> Check:
    """One check for the packages of ``extra``, or of the core where it is ""; a missing one has the version ""."""
    name = f"[{extra}]" if extra else "filigrane"
    missing = sorted(package for package, found in versions.items() if not found)
    if missing:
        advice = f"pip install 'filigrane[{extra}]'" if extra else "reinstall filigrane"
        return Check("packages", name, f"missing: {', '.join(missing)}", None if extra else False, advice)
    return Check("packages", name, ", ".join(f"{package} {found}" for package, found in sorted(versions.items())), True)


def _keys(home: Path) -> tuple[Check, ...]:
    folder = home / "keys"
    present = sorted(path.name for path in folder.glob("*")) if folder.is_dir() else []
    if not present:
        return (Check("keys", str(folder), "none", None, "filigrane keys init"),)
    loose = [name for name in present if (folder / name).suffix == ".key" and (folder / name).stat().st_mode & 0o077]
    checks = [Check("keys", str(folder), ", ".join(present), True)]
    checks += [Check("keys", name, "readable by others", False, f"chmod 600 {folder / name}") for name in loose]
    return tuple(checks)


def _trust(home: Path) -> tuple[Check, ...]:
    try:
        found = trust.lists(home)
    except FiligraneError as error:
        return (Check("trust", "anchor lists", str(error), False, "replace or remove the file"),)
    checks = [
        Check("trust", each.name, f"{len(each.anchors)} certificates, {len(each.expired)} of them expired", True)
        for each in found
    ]
    if all(each.name == trust.LOCAL for each in found):
        advice = "filigrane trust update (fetches the official C2PA lists) or filigrane trust import FILE"
        checks.append(Check("trust", "C2PA lists", "none: signers other than our own read as unknown", None, advice))
    return tuple(checks)


def _weights() -> tuple[Check, ...]:
    found = verify_models()
    if not found:
        return (Check("weights", "models", "none: declared signs only", None),)
    return tuple(
        Check(
            "weights",
            each.card.name,
            each.problem or f"{each.card.architecture}, {each.size_bytes / 1e6:.1f} MB, as its card says",
            not each.problem,
            "reinstall filigrane, or replace the file" if each.problem else "",
        )
        for each in found
    )


def _settings(runtime: Runtime) -> tuple[Check, ...]:
    values = runtime.settings.model_dump(mode="json")
    shown = {name: _PASSWORD.sub(r"\1***@", str(value)) for name, value in values.items()}
    return tuple(Check("settings", name, f"{shown[name]}  ({origin})", True) for name, origin in origins().items())
