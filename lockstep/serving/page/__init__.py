"""The page for people, and what it shows."""
