"""Doctor: what is installed, which keys, anchors and weights are there, where settings come from, what is missing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from filigrane.app.runtime import Runtime
from filigrane.core.settings import origins
from filigrane.provenance import trust


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: ``ok`` None means optional and absent; ``advice`` says what to do, or is empty."""

    topic: str
    name: str
    state: str
    ok: bool | None
    advice: str = ""


def examine(runtime: Runtime, **flags: object) -> tuple[Check, ...]:
    """Every check, grouped by topic."""
    return (
        *_packages(),
        *_keys(runtime.settings.home),
        *_trust(runtime.settings.home),
        *_weights(),
        *_settings(runtime, flags),
    )


def _packages() -> tuple[Check, ...]:
    checks = []
    for requirement in distribution("filigrane").requires or ():
        name = re.match(r"[A-Za-z0-9_.-]+", requirement)
        extra = re.search(r"""extra == ['"](\w+)['"]""", requirement)
        if name is None or (extra and extra[1] == "dev"):
            continue
        topic = f"packages [{extra[1]}]" if extra else "packages"
        try:
            checks.append(Check(topic, name[0], version(name[0]), True))
        except PackageNotFoundError:
            advice = f"pip install 'filigrane[{extra[1]}]'" if extra else "reinstall filigrane"
            checks.append(Check(topic, name[0], "not installed", None if extra else False, advice))
    return tuple(sorted(checks, key=lambda check: (check.topic, check.name)))


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
    found = trust.lists(home)
    checks = [
        Check("trust", each.name, f"{len(each.anchors)} certificates, {len(each.expired)} of them expired", True)
        for each in found
    ]
    if all(each.name == "local" for each in found):
        advice = "filigrane trust update (fetches the official C2PA lists) or filigrane trust import FILE"
        checks.append(Check("trust", "C2PA lists", "none: signers other than our own read as unknown", None, advice))
    return tuple(checks)


def _weights() -> tuple[Check, ...]:
    package = Path(__file__).parents[1]
    files = sorted(package.glob("*/weights/**/*.safetensors"))
    if not files:
        return (Check("weights", "models", "none ship with this version: declared signs only", None),)
    return tuple(Check("weights", str(f.relative_to(package)), f"{f.stat().st_size / 1e6:.1f} MB", True) for f in files)


def _settings(runtime: Runtime, flags: dict[str, object]) -> tuple[Check, ...]:
    where = origins(**flags)
    values = runtime.settings.model_dump(mode="json")
    return tuple(Check("settings", name, f"{values[name]}  ({origin})", True) for name, origin in where.items())
