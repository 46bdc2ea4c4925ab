"""Requests to addresses that strangers name: pictures by URL, and webhooks. Off unless the operator turns them on.

Against server-side request forgery: only http and https; the name is resolved once, every address it has must be
public, and the connection goes to the very address that was checked; redirects are not followed; answers are capped.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from filigrane.core.errors import FiligraneError, LimitExceeded, UsageError

_PORTS = {"http": 80, "https": 443}
_MAX_URL = 2048
_WHOLE = 3
"""A whole request may take so many times the limit of a single read."""
_EMBEDDING = tuple(map(ipaddress.ip_network, ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16")))
"""IPv6 networks whose addresses hold an IPv4 address: compatible (RFC 4291), NAT64 (6052, 8215), Teredo, 6to4."""


class Refused(UsageError):
    """The address is one that this service does not speak to."""


class Unreachable(FiligraneError):
    """The other side did not answer as expected."""

    http_status = 502


@dataclass(frozen=True, slots=True)
class Outbound:
    """Where requests may go: nowhere, the public internet (``enabled``), and the ``networks`` named besides."""

    enabled: bool = False
    networks: tuple[str, ...] = ()
    timeout_s: float = 10.0
    max_bytes: int = 32 * 2**20
    _allowed: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = field(init=False, repr=False, default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "_allowed", tuple(ipaddress.ip_network(text) for text in self.networks))

    def check(self, url: str) -> SplitResult:
        """The parts of ``url``; raises Refused where it is no address that may be asked at all."""
        if not self.enabled:
            raise Refused("This service does not fetch addresses; send the picture itself.")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise Refused(f"The address is not a URL ({error}).") from error
        if len(url) > _MAX_URL or parts.scheme not in _PORTS or not parts.hostname or port == 0:
            raise Refused("Give an http or https address of at most 2048 characters.")
        if parts.username or parts.password or any(ord(letter) <= 32 or ord(letter) == 127 for letter in url):
            raise Refused("An address may hold no user name, no password and no blanks.")
        return parts

    def get(self, url: str) -> bytes:
        """The body behind ``url``. Raises Refused, Unreachable or LimitExceeded."""
        status, body = self._request("GET", self.check(url), None, {"accept": "image/*"})
        if status != 200:
            raise Unreachable(f"The address answered with status {status}; redirects are not followed.")
        return body

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """The status with which ``url`` took ``body``. Raises Refused or Unreachable."""
        return self._request("POST", self.check(url), body, headers)[0]

    def _request(
        self, method: str, parts: SplitResult, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        host, port = str(parts.hostname), parts.port or _PORTS[parts.scheme]
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection = _Pinned(host, port, self._address(host, port), self.timeout_s, secure=parts.scheme == "https")
        # Each single read has a time limit, but a side that drips bytes would keep within it for ever.
        overdue = threading.Timer(_WHOLE * self.timeout_s, connection.cut)
        overdue.start()
        try:
            connection.request(method, target, body, {"user-agent": "filigrane", **headers})
            answer = connection.getresponse()
            data = answer.read(self.max_bytes + 1)
            if connection.was_cut:  # what was cut off may look like a short answer
                raise TimeoutError
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unreachable(f"{host} could not be reached ({type(error).__name__}).") from error
        finally:
            overdue.cancel()
            connection.close()
        if len(data) > self.max_bytes:
            raise LimitExceeded(f"The address answers with more than {self.max_bytes:,} bytes.")
        return answer.status, data

    def _address(self, host: str, port: int) -> str:
        """One address of ``host``, all of whose addresses were checked."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"The name {host[:100]} could not be resolved.") from error
        addresses = [str(entry[4][0]) for entry in found]
        if not addresses or not all(self._permitted(text) for text in addresses):
            raise Refused("The address leads into a network that this service does not speak to.")
        return addresses[0]

    def _permitted(self, text: str) -> bool:
        address = ipaddress.ip_address(text.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        address = mapped if mapped is not None else address
        if any(address.version == network.version and address in network for network in self._allowed):
            return True
        embedded = any(address.version == network.version and address in network for network in _EMBEDDING)
        return address.is_global and not address.is_multicast and not embedded


class _Pinned(http.client.HTTPConnection):
    """A connection to one checked address, which still names and authenticates the host."""

    def __init__(self, host: str, port: int, address: str, timeout_s: float, *, secure: bool) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self._pinned, self._secure = address, secure
        self.was_cut = False
        self._held: socket.socket | None = None  # the base class lets go of its own when the head has come
        self.default_port = _PORTS["https" if secure else "http"]

    def connect(self) -> None:
        """Connect to the pinned address; over TLS the certificate must be the host's."""
        self._held = self.sock = socket.create_connection((self._pinned, self.port), self.timeout)
        if self._secure:
            context = ssl.create_default_context()
            secured = context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
            self._held = self.sock = secured
            secured.do_handshake()

    def cut(self) -> None:
        """End the connection from another thread, whatever it waits for."""
        self.was_cut = True
        if self._held is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._held, socket.SHUT_RDWR)  # not that of TLS, which would first say goodbye
