"""Which Host headers the local server answers (RFC 9110 section 7.2).

A web page can let its own name resolve to 127.0.0.1 (DNS rebinding). The browser then takes this server for the page's
own, and lets the page's scripts read and change everything. Such requests still have the page's name as their Host.
"""

import re
import socket
from collections.abc import Collection
from ipaddress import ip_address

_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(:[0-9]*)?")


def is_served(header: str, bound: str, named: Collection[str] = ()) -> bool:
    """Whether a server that listens on the host `bound` is meant by a Host header.

    Loopback, `localhost` and names below it (RFC 6761 section 6.3), `bound`, and the hosts in `named` are. If the
    server listens everywhere, every IP address and this machine's own name are, too: an address cannot be rebound.
    """
    match = _HOST.fullmatch(header.strip())
    if match is None:
        return False
    host = match[1].strip("[]").removesuffix(".").lower()
    everywhere = bound in _EVERYWHERE
    try:
        address = ip_address(host)
    except ValueError:
        machine = socket.gethostname().lower()
        own = {machine, f"{machine}.local"} if everywhere else set()
        return host == "localhost" or host.endswith(".localhost") or host in {bound.lower(), *named, *own}
    return everywhere or address.is_loopback or host in {bound.lower(), *named}
