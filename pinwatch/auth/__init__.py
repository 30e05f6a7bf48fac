"""Logins: of clients to the proxy, and of the proxy to the database.

Conversations are generators that receive the bodies of messages and yield the bytes to
send; nothing here knows a socket. `refusals` has the error texts, `credentials` the
roles that may log in, and `secrets` the sources of passwords.
"""
