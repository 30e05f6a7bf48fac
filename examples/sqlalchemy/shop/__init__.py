"""A shop on SQLAlchemy. Its tests run through pinwatch: ``pytest --pinwatch``."""
