"""Store: attempts at partitions, the records of them, and what is published: what happened."""
