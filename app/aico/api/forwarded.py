"""The callers that proxies name in their headers, read strictly. No I/O, no clock, no logging.

A proxy or tunnel on this machine calls from loopback, for callers of anywhere. Its headers only ever take a right away:
a caller that writes them itself gains nothing, so nobody has to decide which proxy to trust.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

from starlette.datastructures import Headers

_ADDRESS_HEADERS = ("x-forwarded-for", "x-real-ip", "cf-connecting-ip", "true-client-ip", "x-client-ip")
"""Headers that hold addresses, with commas between them."""
_NODE = re.compile(
    r"(?:(?P<four>[0-9.]+)|\[(?P<six>[0-9A-Fa-f:.]+)\])(?::(?P<port>[0-9]+))?|(?P<bare_six>[0-9A-Fa-f:.]+)"
)
_PAIR = re.compile(r'[ \t]*(?P<name>[A-Za-z0-9_-]+)=(?P<value>"[^"\\]*"|[^ \t",;]+)[ \t]*(?P<end>[,;]|\Z)')
"""One ``name=value`` of a ``Forwarded`` header and what ends it. Source: RFC 7239, section 4.

No address needs a backslash, so a header with one inside quotes counts as not understood.
"""


def is_from_elsewhere(headers: Headers) -> bool:
    """Return whether a header says that the request came from another machine, or cannot be understood.

    True for an address that is not loopback, for ``unknown`` and other hidden names, for an element without an
    address, and for an empty header. Raises nothing, whatever the headers hold.
    """
    nodes = [
        _unquote(part.strip(" \t"))
        for name in _ADDRESS_HEADERS
        for value in headers.getlist(name)
        for part in value.split(",")
    ]
    return not (
        all(_is_loopback_node(node) for node in nodes)
        and all(_is_forwarded_from_loopback(value) for value in headers.getlist("forwarded"))
    )


def is_loopback(address: IPv4Address | IPv6Address) -> bool:
    """Return whether ``address`` is one of this machine's own, also as an IPv4 address inside an IPv6 one."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def is_port(text: str) -> bool:
    """Return whether ``text`` is a number from 1 to 65535, in ASCII digits and without a leading zero."""
    return re.fullmatch(r"[1-9][0-9]{0,4}", text) is not None and int(text) <= 65_535


def _is_forwarded_from_loopback(value: str) -> bool:
    """Return whether each element of a ``Forwarded`` header has exactly one ``for=``, and it is loopback.

    ``by=``, ``host=`` and ``proto=`` say nothing of the caller. An element without ``for=`` hides the caller as
    ``for=unknown`` does. An empty element is refused too: no known proxy writes one.
    """
    position, nodes = 0, list[str]()
    while pair := _PAIR.match(value, position):
        position = pair.end()
        if pair["name"].lower() == "for":
            nodes.append(_unquote(pair["value"]))
        if pair["end"] == ";":
            continue
        if len(nodes) != 1 or not _is_loopback_node(nodes[0]):
            return False
        if not pair["end"]:
            return True
        nodes.clear()
    return False


def _is_loopback_node(node: str) -> bool:
    """Return whether ``node`` is a loopback address, with any port or none; IPv6 with a port needs its brackets."""
    parts = _NODE.fullmatch(node)
    if parts is None or (parts["port"] is not None and not is_port(parts["port"])):
        return False
    try:
        address = IPv4Address(parts["four"]) if parts["four"] else IPv6Address(parts["six"] or parts["bare_six"])
    except ValueError:
        return False
    return is_loopback(address)


def _unquote(text: str) -> str:
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] == '"' else text
