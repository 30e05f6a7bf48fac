"""The version of this installation, its Python, and whether it is compiled."""

import sys
from typing import Final

from pinwatch import clock

__version__ = "0.1.0"

PYTHON: Final = sys.version.split()[0]
COMPILED: Final = not str(clock.__file__).endswith(".py")


def described() -> str:
    """Return the line that ``pinwatch --version`` prints."""
    made = "compiled, " if COMPILED else ""
    return f"pinwatch {__version__} ({made}Python {PYTHON})"
