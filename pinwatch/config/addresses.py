"""The text of a network address."""


def host_and_port(host: str, port: int) -> str:
    """Return host:port, with an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def of_socket(name: object, unix: str) -> str:
    """Return the address that getsockname or getpeername has returned.

    unix stands for the name of a Unix socket, or for that of a disconnected peer.
    """
    return host_and_port(name[0], name[1]) if isinstance(name, tuple) else unix
