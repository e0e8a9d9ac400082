"""Where messages may go: addresses that are checked before anything is sent, so that no URL leads into our own network.

A name is resolved once, every address it has is checked, and the connection goes to a checked address: a name server
that gives another address a moment later changes nothing.
"""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import httpx

from brands.errors import Invalid

URL_MAX: Final = 2048
PORTS: Final = {"https": 443, "http": 80}
_TRANSLATED: Final = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
"""IPv6 networks whose addresses lead to IPv4 ones (RFC 6052, RFC 8215)."""


class AddressRefused(Exception):
    """The URL leads to no address that messages may be sent to; the text says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """A checked URL: the name that the server must prove to have, the port and what stands behind them."""

    scheme: str
    host: str
    port: int
    target: str


def checked_url(url: str, *, private: bool) -> str:
    """A URL that an endpoint may have; `private` allows addresses that are not public, and plain HTTP to those.

    What a name resolves to is looked at whenever something is sent (`checked_addresses`). Raises Invalid.
    """
    try:
        place = place_of(url, private=private)
        checked_addresses(place, [place.host] if _literal(place.host) else [], private=private)
    except AddressRefused as error:
        raise Invalid(str(error), code="invalid_url", field="url") from None
    return url


def place_of(url: str, *, private: bool) -> Place:
    """The parts of a URL. Raises AddressRefused."""
    if len(url) > URL_MAX or not url.isascii() or not url.isprintable() or " " in url:
        raise AddressRefused(f"A URL has up to {URL_MAX} printable ASCII characters.")
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise AddressRefused("This is not a URL.") from None
    if parsed.scheme != "https" and not (private and parsed.scheme == "http"):
        raise AddressRefused("Messages tell of sellers: the URL must begin with https://.")
    if not parsed.host or parsed.userinfo or parsed.fragment:
        raise AddressRefused("A URL has a host, and neither a user nor a fragment.")
    target = parsed.raw_path.decode("ascii")
    return Place(parsed.scheme, parsed.host, parsed.port or PORTS[parsed.scheme], target)


def checked_addresses(place: Place, addresses: Sequence[str], *, private: bool) -> tuple[str, ...]:
    """The addresses, if all of them may be sent to. Raises AddressRefused if one may not."""
    for text in addresses:
        address = ipaddress.ip_address(text.partition("%")[0])
        public = is_public(address)
        if not public and not private:
            raise AddressRefused("The URL leads to an address that is not public; see SCREENER_WEBHOOK_PRIVATE.")
        if public and place.scheme == "http":
            raise AddressRefused("Plain HTTP goes to addresses that are not public only.")
        if address.is_multicast or address.is_unspecified:
            raise AddressRefused("The URL leads to no single machine.")
    return tuple(addresses)


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether the Internet reaches a machine by this address; one that wraps an IPv4 address is what that one is."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return is_public(address.ipv4_mapped)
        if any(address in network for network in _TRANSLATED):
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address.sixtofour or address.teredo:
            return False  # tunnels that nobody serves from; what is wrapped may be anything
    return address.is_global and not address.is_multicast and not address.is_reserved


def look_up(host: str, port: int) -> list[str]:
    """The addresses of a name, in the order in which to try them. Raises AddressRefused if there are none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise AddressRefused("The name of the host is not known.") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
