"""Serving: the live version, answering requests as they come."""
