"""Settings, and where each value came from: flag, environment, project file, user file, default, in that order.

The environment speaks as ``FILIGRANE_<NAME>``; the project file is ``filigrane.toml`` in the working folder, the user
file ``config.toml`` in ``$XDG_CONFIG_HOME/filigrane``. Flags are passed to `load` as overrides.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from filigrane.core.errors import UsageError
from filigrane.core.image import Limits


def _xdg(variable: str, fallback: str) -> Path:
    if given := os.environ.get(variable):
        return Path(given) / "filigrane"
    try:
        return Path.home() / fallback / "filigrane"
    except RuntimeError as error:  # a user without a name, as in some containers
        raise UsageError(f"There is no home folder to look into; set HOME, or {variable}.") from error


def user_file() -> Path:
    """The user's own settings file."""
    return _xdg("XDG_CONFIG_HOME", ".config") / "config.toml"


PROJECT_FILE = Path("filigrane.toml")


class Settings(BaseSettings):
    """Everything that can be set, with its default."""

    model_config = SettingsConfigDict(env_prefix="FILIGRANE_", env_ignore_empty=True, extra="forbid", frozen=True)

    home: Path = Field(
        default_factory=lambda: _xdg("XDG_DATA_HOME", ".local/share"),
        description="folder of keys, trust anchors and the registry",
    )
    max_bytes: int = Field(256 * 2**20, gt=0, description="largest file that is read, in bytes")
    max_pixels: int = Field(64_000_000, gt=0, description="largest picture that is decoded, in pixels")
    max_total_pixels: int = Field(512_000_000, gt=0, description="most pixels of all frames of an animation together")
    memory_bytes: int = Field(3 * 2**30, gt=0, lt=2**63, description="address space of one worker process, in bytes")
    timeout_s: float = Field(30.0, gt=0, le=86_400, description="longest time one picture may take, in seconds")
    workers: int = Field(0, ge=0, le=1024, description="worker processes; 0 is one per core")
    prior: float = Field(0.5, gt=0, lt=1, description="share of AI pictures expected before looking")
    policy: Path | None = Field(None, description="file of the weights and thresholds that fuse evidence")
    latent_model: str = Field(
        "",
        description="model whose mark in the noise is looked for: builtin, a folder, a .safetensors file or a hub id",
    )
    registry_url: str = Field("", description="database of issued marks; empty is SQLite in the home folder")
    timestamp_url: str = Field("", description="RFC 3161 time-stamp authority used when signing; empty is none")
    trust_urls: tuple[str, ...] = Field(
        (
            "https://raw.githubusercontent.com/c2pa-org/conformance-public/main/trust-list/C2PA-TRUST-LIST.pem",
            "https://raw.githubusercontent.com/c2pa-org/conformance-public/main/trust-list/C2PA-TSA-TRUST-LIST.pem",
        ),
        description="anchor lists that `filigrane trust update` fetches when asked",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags first, then the environment, the project file and the user file."""
        return (
            init_settings,
            env_settings,
            TomlConfigSettingsSource(settings_cls, PROJECT_FILE),
            TomlConfigSettingsSource(settings_cls, user_file()),
        )

    @property
    def limits(self) -> Limits:
        """The limits that guard the decoding of one picture."""
        return Limits(max_bytes=self.max_bytes, max_pixels=self.max_pixels, max_total_pixels=self.max_total_pixels)

    @property
    def worker_count(self) -> int:
        """Worker processes to start: as set, or one per core this process may use."""
        return self.workers or len(os.sched_getaffinity(0))


def load(**flags: Any) -> Settings:
    """The settings in force; flags that are None count as not given.

    Raises UsageError naming the value and where it came from.
    """
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except (ValidationError, ValueError) as error:
        problem = (
            "; ".join(
                f"{'.'.join(map(str, item['loc']))} = {item['input']!r}: {item['msg']}" for item in error.errors()
            )
            if isinstance(error, ValidationError)
            else str(error)
        )
        raise UsageError(
            f"A setting is not usable ({problem}); look at the flags, the FILIGRANE_ variables, "
            f"{PROJECT_FILE} and {user_file()}."
        ) from error


def origins(**flags: Any) -> dict[str, str]:
    """Where each value of `load` with the same flags comes from: flag, environment, project, user or default."""
    given = {name: value for name, value in flags.items() if value is not None}
    sources: tuple[tuple[str, PydanticBaseSettingsSource], ...] = (
        ("flag", InitSettingsSource(Settings, given)),
        ("environment", EnvSettingsSource(Settings)),
        (f"project file {PROJECT_FILE}", TomlConfigSettingsSource(Settings, PROJECT_FILE)),
        (f"user file {user_file()}", TomlConfigSettingsSource(Settings, user_file())),
    )
    found = dict.fromkeys(Settings.model_fields, "default")
    for word, source in reversed(sources):
        found.update({name: word for name in source() if name in found})
    return found
