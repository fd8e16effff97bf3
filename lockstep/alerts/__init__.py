"""Alerts: one message when an event begins, and one when it is over."""
