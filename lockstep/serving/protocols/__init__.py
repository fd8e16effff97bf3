"""Protocols: what clients send and get, and the service that answers behind all of them."""
