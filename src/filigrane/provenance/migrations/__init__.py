"""The schema of the registry as a chain of revisions, run by `filigrane.provenance.database` when it is opened."""
