"""Sources of evidence: one file each, found by name; each has ``build(*, context) -> EvidenceSource``."""
