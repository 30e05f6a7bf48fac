"""A shop in AWS Lambda. Its tests run through pinwatch: ``pytest --pinwatch``."""
