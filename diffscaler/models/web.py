"""HTTP for downloads: the hub's token goes to the hub alone, and failures are told apart by what helps against them."""

from __future__ import annotations

import http.client
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, TypeVar
from urllib.parse import urljoin, urlsplit

from diffscaler import __version__
from diffscaler.errors import DownloadFailed, InvalidRequest
from diffscaler.models.background import in_background, pause

T = TypeVar("T")

JSON_BYTES = 32 * 2**20
WAIT_CODES = (408, 425, 429, 500, 502, 503, 504)
LONGEST_WAIT_S = 60.0


@dataclass(frozen=True)
class Patience:
    """How long to put up with a bad line.

    stall_s: silence after which a connection is given up; attempts: failures in a row, without one new byte, before
    the download is; pause_s: before the second attempt, doubled before each further one
    """

    stall_s: float = 30.0
    attempts: int = 6
    pause_s: float = 1.0


class TryAgain(Exception):
    """A failure that may pass by itself. reason: "HOST ...", for a sentence; wait_s: what the server asked for."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_s = min(wait_s, LONGEST_WAIT_S)


class RangeRefused(Exception):
    """The server has nothing from that byte on."""


@dataclass(frozen=True)
class Hub:
    """A model hub or a mirror of it. token: sent to this address only; "" for none."""

    endpoint: str
    token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not is_hub_address(self.endpoint):
            raise InvalidRequest("The address of the model hub is not a web address.", "Use https://huggingface.co.")
        # http.client would print a header it refuses, and with it the token.
        if self.token and not re.fullmatch(r"[!-~]+", self.token):
            raise InvalidRequest("The hub token has characters that no token has.", "Copy it again, without spaces.")

    @property
    def host(self) -> str:
        return host_of(self.endpoint)

    def url(self, path: str) -> str:
        """An address below this hub; an absolute one stays as it is."""
        return urljoin(f"{self.endpoint.rstrip('/')}/", path)


class Web:
    """Opens addresses. Proxies are taken from the environment (HTTPS_PROXY, NO_PROXY)."""

    def __init__(self, hub: Hub, patience: Patience | None = None) -> None:
        self.hub = hub
        self.patience = patience or Patience()
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            Redirects(self),
        ):
            self._opener.add_handler(handler)
        self._opener.addheaders = []

    def request(self, url: str, headers: Mapping[str, str]) -> urllib.request.Request:
        if urlsplit(url).scheme not in ("http", "https"):
            raise DownloadFailed("A file's address is not a web address.", "It must begin with https://.")
        request = urllib.request.Request(url, headers=dict(headers))
        if self.hub.token and origin(url) == origin(self.hub.endpoint):
            request.add_unredirected_header("Authorization", f"Bearer {self.hub.token}")
        return request

    def open(self, url: str, what: str, headers: Mapping[str, str] | None = None) -> http.client.HTTPResponse:
        """The response to a GET, redirects followed. what: the thing asked for, for a sentence.

        Raises TryAgain, RangeRefused, DownloadFailed; the caller closes the response.
        """
        own = {"User-Agent": f"diffscaler-studio/{__version__}", "Accept-Encoding": "identity"}
        with told_apart(host_of(url)):
            try:
                return self._opener.open(self.request(url, {**own, **(headers or {})}), timeout=self.patience.stall_s)
            except urllib.error.HTTPError as error:
                with error:
                    raise self.refusal(error, url, what) from None

    def refusal(self, error: urllib.error.HTTPError, url: str, what: str) -> Exception:
        """What an HTTP status means for the person who waits."""
        host, token = host_of(error.url or url), self.hub.token
        if error.code == 416:
            return RangeRefused()
        if error.code in WAIT_CODES:
            words = "asks to wait" if error.code == 429 else "is out of order"
            return TryAgain(f"{host} {words} (HTTP {error.code})", seconds(error.headers.get("Retry-After")))
        if error.code in (401, 403) and origin(error.url or url) != origin(self.hub.endpoint):
            # Where the hub sends us for a file, an address runs out; the next attempt gets a new one.
            return TryAgain(f"{host} refused the file (HTTP {error.code})")
        if error.code in (401, 403):
            page = self.hub.url("/".join(what.split("/")[:2]))
            gated = error.code == 403 or error.headers.get("X-Error-Code") == "GatedRepo"
            accept = f"Accept its licence at {page}, then set HF_TOKEN to a token of the same account."
            if gated:
                return DownloadFailed(f"{host} gives {what} only to those who accepted its licence.", accept)
            if token:
                return DownloadFailed(f"{host} did not accept the token for {what}.", f"Check HF_TOKEN. {accept}")
            return DownloadFailed(f"{host} has no {what} that can be had without a token.", f"Check the name. {accept}")
        if error.code in (404, 410):
            return DownloadFailed(f"{host} has no {what}.", "Check the name and the revision.")
        return DownloadFailed(f"{host} answered HTTP {error.code} for {what}.", "Try later, or another mirror.")

    def read(self, url: str, what: str, stopped: Callable[[], bool], limit: int = JSON_BYTES) -> bytes:
        """A small file, read whole. Raises DownloadFailed, JobCancelled."""

        def body() -> Iterator[bytes]:
            with self.open(url, what) as response, told_apart(host_of(url)):
                data = response.read(limit + 1)
                if len(data) > limit:
                    raise DownloadFailed(f"{host_of(url)} sends far too much for {what}.", "Check the address.")
                if response.length:  # what was promised and did not come
                    raise http.client.IncompleteRead(data)
                yield data

        return self.patiently(what, lambda: b"".join(in_background(body, stopped)), stopped)

    def patiently(
        self, what: str, attempt: Callable[[], T], stopped: Callable[[], bool], reached: Callable[[], int] = lambda: 0
    ) -> T:
        """attempt(), again after each TryAgain. reached(): bytes there; more than ever before forgives the failures.

        Raises DownloadFailed when the patience is used up, JobCancelled.
        """
        failures, best = 0, reached()
        while True:
            try:
                return attempt()
            except TryAgain as error:
                if (now := reached()) > best:
                    best, failures = now, 0
                failures += 1
                if failures >= self.patience.attempts:
                    hint = "What arrived is kept: get it again later to continue."
                    raise DownloadFailed(f"{what} could not be fetched: {error.reason}.", hint) from None
                pause(max(error.wait_s, min(LONGEST_WAIT_S, self.patience.pause_s * 2 ** (failures - 1))), stopped)


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects with a request made anew, so that the token is decided anew."""

    def __init__(self, web: Web) -> None:
        self.web = web

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request:
        fp.close()  # urllib would read the body to its end, and it may have none
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise DownloadFailed(
                f"{host_of(req.full_url)} leads from https to an address that is not.", "Use another mirror."
            )
        return self.web.request(newurl, dict(req.headers))

    http_error_308 = urllib.request.HTTPRedirectHandler.http_error_302  # Python 3.10 has no 308


@contextmanager
def told_apart(host: str) -> Generator[None, None, None]:
    """Turns failures of the network inside the block into TryAgain, and those that waiting does not mend into words."""
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as failure:
        error = failure.reason if isinstance(failure, urllib.error.URLError) else failure
        if isinstance(error, ssl.SSLCertVerificationError):
            hint = "Check this machine's clock and its proxy."
            raise DownloadFailed(f"The certificate of {host} cannot be trusted.", hint) from None
        if isinstance(error, (ValueError, http.client.InvalidURL)):
            raise DownloadFailed(f"{host} leads to an address that makes no sense.", "Try another mirror.") from None
        if isinstance(error, TimeoutError):
            raise TryAgain(f"{host} fell silent") from None
        raise TryAgain(f"the connection to {host} broke off") from None


def is_hub_address(url: str) -> bool:
    """Whether requests can be sent below an address. One with a name and password in it would be written down."""
    try:
        parts = urlsplit(url)
        own = (parts.username, parts.password, parts.query, parts.fragment)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not any(own) and parts.port != 0
    except ValueError:
        return False


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: what must be equal for a token to be sent."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def host_of(url: str) -> str:
    """The host of an address, for a sentence; never its path or query, which may hold a signature."""
    return urlsplit(url).hostname or "the server"


def seconds(text: str | None) -> float:
    """Retry-After in seconds; 0.0 when it is a date or nothing."""
    return float(text) if text and re.fullmatch(r"\d{1,6}", text) else 0.0
