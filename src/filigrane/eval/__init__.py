"""How far readings can be trusted: benchmarks, scorers, metrics with intervals, comparisons and reports."""
