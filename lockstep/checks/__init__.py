"""Checks: what each looks at and what it found, and deliveries that are judged on arrival."""
