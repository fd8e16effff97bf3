"""Suites: expectations of data, in Great Expectations' form."""
