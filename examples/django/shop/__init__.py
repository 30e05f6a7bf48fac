"""A shop on Django. Its tests run through pinwatch: ``pytest --pinwatch``."""
