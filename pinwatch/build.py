"""What this installation is: its version, its Python, and whether it is compiled."""

import platform
from typing import Final

from pinwatch import __version__, clock

PYTHON: Final = platform.python_version()
COMPILED: Final = not str(clock.__file__).endswith(".py")


def described() -> str:
    """As ``pinwatch --version`` prints it."""
    made = "compiled, " if COMPILED else ""
    return f"pinwatch {__version__} ({made}Python {PYTHON})"
