"""Logins: who a client is, and who the proxy is to the database.

Conversations are generators that take the bodies of messages and yield the bytes
to write; nothing here knows a socket. Texts are in `refusals`, what may log in is
in `credentials`, where passwords come from in `secrets`.
"""
