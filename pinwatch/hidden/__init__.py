"""State of a session that RDS Proxy does not see: code in the database leaves it."""
