"""One generator a file, found by its file name."""
