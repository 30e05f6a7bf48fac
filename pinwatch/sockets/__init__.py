"""Sockets and the event loop that they run on. The bytes have no meaning here.

loop
    The event loop: asyncio's, with the selector and the poller of this package.
selector
    The selector that asyncio uses; its wait is the poller's.
poller
    Waits for ready descriptors, and calls the streams among them directly, without a
    handle, a queue or a task.
polls
    One interface to each platform's system call that waits for descriptors.
stream
    One connected socket, with the methods of an asyncio transport.
outbox
    Collects the data that streams write during a round, and sends it.
calls
    The system calls for data: Python's, or those of the compiled build (_calls.c).
transport
    The interfaces of a stream and of its receiver, which handles the stream's events.
connect
    Opens streams: accepts and connects them.
acceptor
    Accepts connections on listening sockets.
"""
