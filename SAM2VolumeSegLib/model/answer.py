"""Ask a server for the rest of a file, and judge whether what it answers can be that file."""

from __future__ import annotations

import http.client
import re
import ssl
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _

TIMEOUT = 30  # seconds without a byte
NOT_SATISFIABLE = 416
PARTIAL = 206
SIGN_IN = _(
    "A network that asks to sign in first answers like this, too: open any page in a browser, then fetch again."
)
KEPT = _("What has arrived before is kept.")


def ask(url: str, done: int, size: int, otherwise: str) -> tuple[http.client.HTTPResponse, int]:
    """Ask for the rest of a file.

    Args:
        url: Its address.
        done: From this byte on.
        size: Of the whole file, in bytes.
        otherwise: A sentence with another way to get the file.

    Returns:
        The answer, and the byte that it begins with: `done`, or 0 where the server sends all of it again and it is
        plausible that it is that file.

    Raises:
        InputError: No answer, a page in place of the file, another file, or another piece of it.
    """
    if not url.startswith(("http://", "https://")):
        raise InputError(
            _("The address {url} cannot be fetched: it must begin with http:// or https://.").format(url=url)
        )
    response = _answer(url, done, otherwise)
    try:
        return response, _first_byte(response, url, done, size)
    except BaseException as error:
        response.close()
        if isinstance(error, (OSError, http.client.HTTPException)):
            raise _no_answer(url, error, otherwise) from error
        raise


def told_apart(one: int, other: int) -> tuple[str, str]:
    """Two different numbers of bytes for people, exact where rounding would make them equal."""
    short = megabytes(one), megabytes(other)
    return short if short[0] != short[1] else (f"{one:,} bytes", f"{other:,} bytes")


def megabytes(count: int) -> str:
    """A number of bytes for people: "184 MB" (a megabyte is 1,000,000 bytes, as the models' tables have it)."""
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def _answer(url: str, first: int, otherwise: str) -> http.client.HTTPResponse:
    """The server's answer to a request for all from byte `first` on, or for all where it refuses the range."""
    headers = {"User-Agent": "sam2-volume-seg", "Accept-Encoding": "identity"}
    if first:
        headers["Range"] = f"bytes={first}-"  # RFC 9110, section 14
    try:
        opener = urllib.request.build_opener()  # a new one: urlopen keeps the proxies of its first call
        return opener.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == NOT_SATISFIABLE and first:
            return _answer(url, 0, otherwise)
        raise InputError(
            _(
                "The server answered {code} ({reason}) for {url}: has the file moved, or does a proxy refuse it? "
            ).format(code=error.code, reason=error.reason, url=url)
            + otherwise
        ) from error
    except (OSError, ValueError, http.client.HTTPException) as error:  # ValueError: it points to no address
        raise _no_answer(url, error, otherwise) from error


def _first_byte(response: http.client.HTTPResponse, url: str, done: int, size: int) -> int:
    """The byte of the file that an answer begins with; InputError where it cannot be that file."""
    start: int | None = 0
    total = _number(response.headers.get("Content-Length"))
    if response.status == PARTIAL:
        # Content-Range: bytes 1000-1999/2000
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""), re.ASCII)
        start, total = (_number(span[1]), _number(span[2])) if span else (None, None)
    is_page = response.headers.get("Content-Type", "").lower().startswith("text/html")
    if is_page or (start == 0 and response.peek(1)[:1] == b"<"):
        raise InputError(
            _("The address {url} answered with a web page in place of the file. {sign_in} {kept}").format(
                url=url, sign_in=SIGN_IN, kept=KEPT
            )
        )
    if total not in (None, size):
        offered, wanted = told_apart(total, size)
        raise InputError(
            _("The address {url} serves another file: {offered} instead of {wanted}. {sign_in} {kept}").format(
                url=url, offered=offered, wanted=wanted, sign_in=SIGN_IN, kept=KEPT
            )
        )
    if start is not None and (start == done or (start == 0 and total == size)):
        return start
    raise InputError(
        _(
            "The address {url} does not continue the file from where it broke off. {kept} Fetch again; if "
            "that does not help, delete this model's unfinished download to begin anew."
        ).format(url=url, kept=KEPT)
    )


def _number(text: str | None) -> int | None:
    """A number of bytes in a header, None where it is none: int() also takes other alphabets' digits, and a sign."""
    return int(text) if text and re.fullmatch(r"[0-9]{1,15}", text) else None


def _no_answer(url: str, error: Exception, otherwise: str) -> InputError:
    reason, host = getattr(error, "reason", None) or error, urlsplit(url).hostname
    if isinstance(reason, ssl.SSLCertVerificationError):
        return InputError(
            _(
                "The certificate that {host} shows cannot be trusted ({reason}). Is the clock of this "
                "computer right? Does a proxy or a virus scanner open connections here? Then its certificate has "
                "to be installed on this computer, or named in the environment variable SSL_CERT_FILE. "
                "{otherwise}"
            ).format(host=host, reason=reason.verify_message, otherwise=otherwise)
        )
    if proxy := _proxy(url):
        return InputError(
            _(
                "No answer from {host} through the proxy {proxy} ({reason}), which the system or the environment "
                "variable {kind}_PROXY names: is it the right one, and does it run? {otherwise}"
            ).format(host=host, proxy=proxy, reason=reason, kind=urlsplit(url).scheme.upper(), otherwise=otherwise)
        )
    return InputError(
        _("No answer from {url} ({reason}): is this computer connected to the network? {otherwise}").format(
            url=url, reason=reason, otherwise=otherwise
        )
    )


def _proxy(url: str) -> str | None:
    """Host and port of the proxy that stands before an address, without the password that its setting may hold."""
    parts = urlsplit(url)
    setting = urllib.request.getproxies().get(parts.scheme)
    if not setting or urllib.request.proxy_bypass(parts.netloc):
        return None
    return setting.rpartition("@")[2].partition("://")[2] or setting.rpartition("@")[2]
