"""Which code of the application sent a statement: found while it waits for the answer.

Owns the way from a client's address to lines of source in this process. Drivers keep
their connection in a local variable of the frames that are in flight, or in an object
that such a variable holds; its socket has the address that the proxy sees. docs/
fixture.md tells what cannot be seen so.
"""

from pinwatch.testing.origin.find import origin as origin
from pinwatch.testing.origin.frame import Frame as Frame
