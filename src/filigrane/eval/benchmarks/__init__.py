"""Published benchmarks, one file per layout: each loads from disk exactly as its authors ship it."""
