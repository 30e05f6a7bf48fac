"""Which code of the application sent a statement: found while it waits for the answer.

Owns the way from a client's port to lines of source in this process; docs/fixture.md
tells what it cannot see.
"""

from pinwatch.origin.find import origin as origin
from pinwatch.origin.frame import Frame as Frame
