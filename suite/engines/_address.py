"""Whether a Ray cluster answers at an address: Ray itself tries for more than a minute, and then ends the process."""

from __future__ import annotations

import socket

from suite.spec import SuiteError

SECONDS = 5.0
"""How long an answer is waited for."""

_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""How a client of HTTP/2, on which gRPC is built, begins (RFC 9113, 3.4): its preface and empty settings."""

_SETTINGS = 4
"""The type of the frame with which a server answers."""


def check(address: str) -> None:
    """Knock where a cluster's head should be.

    Args:
        address: `host:port`; `auto` is the cluster that this machine is a node of, which Ray finds itself.

    Raises:
        SuiteError: it is no such address, nobody answers, or somebody who is no Ray head.
    """
    if address == "auto":
        return
    host, colon, port = address.rpartition(":")
    if "://" in address or not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise SuiteError(
            f"--ray-address is '{address[:100]}'; expected HOST:PORT of the cluster's head, or auto on one of its "
            "nodes. The command itself runs on a node."
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS) as line:
            line.sendall(_HELLO)
            answer = line.recv(9)
    except OSError as error:
        reason = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        raise SuiteError(f"No Ray cluster answers at {address} ({reason.lower()}). {_REMEDY}") from None
    if len(answer) < 4 or answer[3] != _SETTINGS:
        raise SuiteError(f"What answers at {address} is no Ray cluster. {_REMEDY}")


_REMEDY = "Start one with: ray start --head --port=6379"
