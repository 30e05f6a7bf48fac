"""Sockets and the event loop that they run on. The bytes have no meaning here.

loop
    The event loop: asyncio's, with a selector and a poller of this package.
poller
    Waits for ready descriptors, and calls the streams among them directly, without a
    handle, a queue or a task.
stream
    One connected socket, with the methods of an asyncio transport.
transport
    The interfaces of a stream and of its receiver, which handles the stream's events.
connect
    Opens streams: accepts and connects them.
"""
