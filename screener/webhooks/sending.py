"""One attempt to deliver one message: a POST to a checked address, ended at a wall-clock limit."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import httpx

from screener.webhooks.addresses import PORTS, AddressRefused, checked_addresses, look_up, place_of
from screener.webhooks.schedule import retry_after

TIMEOUT_S: Final = 15.0
"""For the whole attempt; the specification asks for 15 to 30 seconds."""
ANSWER_BYTES: Final = 64 * 1024
"""Of an answer that are read so that the connection can be used again; nobody looks at them."""
GONE: Final = 410

Lookup = Callable[[str, int], list[str]]
"""The addresses of a host and port, as `addresses.look_up` gives them."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of an attempt: delivered if `error` is None. `status` is the HTTP status, if an answer came."""

    status: int | None = None
    error: str | None = None
    retry_after: timedelta | None = None


class Sender:
    """Attempts to one endpoint, over one connection where it can be kept."""

    def __init__(
        self,
        url: str,
        *,
        private: bool,
        timeout: float = TIMEOUT_S,
        trust: ssl.SSLContext | None = None,
        lookup: Lookup = look_up,
        now: Callable[[], datetime],
    ) -> None:
        """`trust` says whose certificates are believed; without it, SSL_CERT_FILE's or certifi's."""
        self._url, self._private, self._timeout, self._lookup, self._now = url, private, timeout, lookup, now
        # No proxy of the environment: it would resolve the name again, and reach what we may not.
        self._client = httpx.AsyncClient(
            verify=trust or httpx.create_ssl_context(), trust_env=False, follow_redirects=False, timeout=timeout
        )

    async def send(self, headers: Mapping[str, str], body: bytes) -> Attempt:
        """Sends it; nothing that the other side does is an exception."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._send(headers, body)
        except TimeoutError:
            return Attempt(error="timeout")
        except AddressRefused as error:
            return Attempt(error=str(error))
        except httpx.TimeoutException:
            return Attempt(error="timeout")
        except httpx.HTTPError as error:  # its text may carry the other side's words
            return Attempt(error=_named(error))

    async def _send(self, headers: Mapping[str, str], body: bytes) -> Attempt:
        place = place_of(self._url, private=self._private)
        found = await asyncio.to_thread(self._lookup, place.host, place.port)
        addresses = checked_addresses(place, found, private=self._private)
        named = f"[{place.host}]" if ":" in place.host else place.host
        sent = {
            "Content-Type": "application/json",
            "User-Agent": user_agent(),
            "Host": named if place.port == PORTS[place.scheme] else f"{named}:{place.port}",
            **headers,
        }
        failure: httpx.ConnectError | None = None
        for address in addresses:
            literal = f"[{address}]" if ":" in address else address
            url = httpx.URL(f"{place.scheme}://{literal}:{place.port}{place.target}")
            # The certificate must be for the name in the URL, not for the address.
            request = self._client.build_request(
                "POST", url, headers=sent, content=body, extensions={"sni_hostname": place.host}
            )
            try:
                return await self._answer(request)
            except httpx.ConnectError as error:
                failure = error
        assert failure is not None  # a name without addresses is refused before
        raise failure

    async def _answer(self, request: httpx.Request) -> Attempt:
        response = await self._client.send(request, stream=True)
        try:
            read = 0
            async for chunk in response.aiter_raw():
                read += len(chunk)
                if read > ANSWER_BYTES:
                    break
        finally:
            await response.aclose()
        status = response.status_code
        if response.is_success:
            return Attempt(status)
        wait = retry_after(response.headers.get("Retry-After"), self._now())
        return Attempt(status, f"status {status}", wait)

    async def close(self) -> None:
        """Closes its connections."""
        await self._client.aclose()


def user_agent() -> str:
    """How messages say where they come from."""
    try:
        return f"listing-screener/{version('listing-screener')}"
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "listing-screener"


def _named(error: httpx.HTTPError) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "certificate not trusted" if isinstance(cause, ssl.SSLCertVerificationError) else "TLS failed"
        cause = cause.__cause__ or cause.__context__
    return {"ConnectError": "no connection"}.get(type(error).__name__, "connection broken")
