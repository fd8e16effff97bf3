"""Overview: what a project's pipelines come to, by their records, for the page and a terminal."""
