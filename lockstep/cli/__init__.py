"""The command line and the local servers."""
