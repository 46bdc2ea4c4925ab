"""Use cases of the service alone: keys and quotas, jobs and results, uploads, lookups, signed reports."""
