"""A shop on Django, whose tests run behind pinwatch: ``pytest --pinwatch``."""
