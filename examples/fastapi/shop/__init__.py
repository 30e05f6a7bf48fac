"""A shop on FastAPI. Its tests run through pinwatch: ``pytest --pinwatch``."""
