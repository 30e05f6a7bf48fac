"""Bytes to messages and back. Knows PostgreSQL's protocol and nothing of sockets."""
