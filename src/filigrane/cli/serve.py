"""``filigrane serve``: the service and its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import socket

    from filigrane.core.settings import Settings

_GRACE_S = 30
_KEEP_ALIVE_S = 15


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is all networks.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Server processes; each has its share of the cores.")] = 1,
    proxies: Annotated[
        str, typer.Option(help="Addresses of proxies whose X-Forwarded-For is believed, joined by commas.")
    ] = "127.0.0.1",
) -> None:
    """Serve the API, the C2PA lookup and the page; stop with Ctrl-C, and pictures in hand are finished first."""
    import os
    import tempfile
    from contextlib import suppress

    _check_installed()
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    from filigrane.app.generate import ensure_keys
    from filigrane.core.errors import FiligraneError
    from filigrane.core.settings import load

    settings = load()
    _check_stores(settings)
    with _listening(host, port) as listening:
        note = ensure_keys(settings)
        print(note or "Signing with the key of the home folder.", flush=True)
        if workers > 1:
            share = max(1, settings.worker_count // workers)
            os.environ.setdefault("FILIGRANE_WORKERS", str(share))
            os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="filigrane-metrics-"))
        name = f"[{host}]" if ":" in host else host
        print(f"Filigrane listens on http://{name}:{listening.getsockname()[1]}", flush=True)
        config = uvicorn.Config(
            "filigrane.service.api:create",
            factory=True,
            http="filigrane.service.patience:Patient",
            workers=workers,
            log_config=None,
            access_log=False,
            server_header=False,
            forwarded_allow_ips=proxies,
            timeout_graceful_shutdown=_GRACE_S,
            timeout_keep_alive=_KEEP_ALIVE_S,
            h11_max_incomplete_event_size=32 * 1024,
        )
        try:
            with suppress(KeyboardInterrupt):
                if workers > 1:
                    Multiprocess(config, sockets=[listening]).run()
                else:
                    uvicorn.Server(config).run(sockets=[listening])
        except SystemExit as stop:
            raise FiligraneError("The server could not start; its log above says why.") from stop


def _check_stores(settings: Settings) -> None:
    """Raise, in one sentence, what is wrong with the databases or the store of uploads."""
    from filigrane.app.serving.settings import load_service
    from filigrane.app.serving.tables import Ledger
    from filigrane.app.serving.uploads import Uploads
    from filigrane.provenance.registry import Registry

    service = load_service()
    Ledger.open(settings.home, service.database_url).close()
    Registry.open(settings.home, settings.registry_url).close()
    if service.uploads_url:
        Uploads(service.uploads_url)


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens; FiligraneError where the address is taken or none of ours."""
    import socket

    from filigrane.core.errors import FiligraneError

    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise FiligraneError(
            f"Nothing can listen on {host}, port {port} ({error.strerror}); choose another with --host and --port."
        ) from error


def _check_installed() -> None:
    """Raise MissingExtra where a part of the service is not installed."""
    import importlib.util

    from filigrane.core.errors import MissingExtra

    needed = ("fastapi", "uvicorn", "multipart", "prometheus_client", "structlog", "standardwebhooks")
    if any(importlib.util.find_spec(name) is None for name in needed):
        raise MissingExtra("The service", "service")


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("serve")(serve)
