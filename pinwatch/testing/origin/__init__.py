"""The application's code that sent a statement, found while it waits for the answer.

Owns the search from a client's address to lines of source in this process. A driver's
connection is in a local variable of a frame on the stack, or in an attribute of such a
variable; its socket has the address that the proxy sees. docs/fixture.md lists the
cases that this cannot find.
"""

from pinwatch.testing.origin.find import origin as origin
from pinwatch.testing.origin.frame import Frame as Frame
from pinwatch.testing.origin.sockets import is_of_other_process as is_of_other_process
