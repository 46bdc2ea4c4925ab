"""One revision per file, each naming the one before it."""
