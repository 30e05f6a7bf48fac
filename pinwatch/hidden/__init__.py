"""State that code in the database leaves on a session, unseen by RDS Proxy."""
