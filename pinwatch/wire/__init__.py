"""PostgreSQL's wire protocol: messages from and to bytes, without sockets."""
