"""Row rules: what each row must keep, compiled from a suite's plain data."""
