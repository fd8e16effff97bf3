"""Pages: what people see of all pipelines, by their records: a page, a terminal, and alerts."""
