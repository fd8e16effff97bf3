"""Store: locked and checked files, ledgers, and attempts at partitions: what happened."""
