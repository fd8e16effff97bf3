"""Suites: what data must look like, in Great Expectations' words."""
