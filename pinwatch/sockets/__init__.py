"""Sockets and the event loop that they wait on; of what travels they know nothing.

stream
    One connected socket, as asyncio's transports are: bytes are written to it, and
    what comes is given to its receiver.
receiver
    Who hears of a stream: that it began, what came, that it ended.
poller
    Where streams and everything else of the loop wait to be ready. A stream that is
    ready is told in the poller's own round, without a handle, a queue or a task.
"""
