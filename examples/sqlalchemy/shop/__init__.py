"""A shop on SQLAlchemy, whose tests run behind pinwatch: ``pytest --pinwatch``."""
