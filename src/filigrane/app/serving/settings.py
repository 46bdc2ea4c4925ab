"""Settings of the service alone, beside those of the whole program: FILIGRANE_SERVICE_NAME in the environment."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from filigrane.app.serving.api_keys import SCOPES
from filigrane.core.errors import UsageError


def _scope(text: str) -> str:
    if text not in SCOPES:
        raise ValueError(f"a scope is one of {', '.join(SCOPES)}")
    return text


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text))


class ServiceSettings(BaseSettings):
    """Everything that can be set for the service, with its default; lists are given as JSON."""

    model_config = SettingsConfigDict(env_prefix="FILIGRANE_SERVICE_", extra="forbid", frozen=True)

    database_url: str = Field("", description="database of keys, results and jobs; empty is SQLite in the home folder")
    uploads_url: str = Field("", description="folder or fsspec URL for uploads that wait; empty is the home folder")
    anonymous_scopes: tuple[Annotated[str, AfterValidator(_scope)], ...] = Field(
        ("detect", "generate", "lookup", "feedback"), description="what may be done without an API key"
    )
    rate_per_minute: int = Field(240, gt=0, description="requests a minute of one key, or one address without a key")
    daily_quota: int = Field(100_000, gt=0, description="pictures a day (UTC) of one key")
    max_upload_bytes: int = Field(32 * 2**20, gt=0, description="largest picture that is taken, in bytes")
    max_archive_bytes: int = Field(2**30, gt=0, description="largest archive of a scan, from a key, in bytes")
    max_pictures: int = Field(10_000, gt=0, description="most pictures in one scan")
    waiting: int = Field(64, ge=0, description="pictures that may wait for a worker before 503 is answered")
    longest_wait_s: float = Field(10.0, gt=0, description="longest that a picture should wait before 503 is answered")
    body_timeout_s: float = Field(30.0, gt=0, description="longest pause within a request's body, in seconds")
    request_timeout_s: float = Field(
        300.0, gt=0, description="longest time for a request's body as a whole, in seconds"
    )
    result_days: int = Field(30, gt=0, description="days for which a result can be fetched again")
    keep_uploads: bool = Field(False, description="keep uploaded pictures as long as their results")
    outbound: bool = Field(False, description="fetch pictures by URL and send webhooks")
    outbound_networks: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(
        (), description="networks that may be asked though they are not public, such as 10.1.0.0/16"
    )
    model: str = Field("builtin", description="what draws: builtin, a folder, or a .safetensors file")
    warm: bool = Field(True, description="load all models before /readyz says that the server is ready")
    lease_s: float = Field(30.0, gt=0, description="seconds after which pictures of a dead server are taken over")
    publish_url: str = Field("", description="public address of this service, for links in answers; empty is relative")


def load_service(**flags: Any) -> ServiceSettings:
    """The settings in force; flags that are None count as not given. Raises UsageError naming the bad value."""
    try:
        return ServiceSettings(**{name: value for name, value in flags.items() if value is not None})
    except (ValidationError, ValueError) as error:
        told = (
            "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
            if isinstance(error, ValidationError)
            else str(error)
        )
        raise UsageError(f"A setting of the service is not usable ({told}); look at FILIGRANE_SERVICE_….") from error
