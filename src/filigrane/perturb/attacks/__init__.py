"""The attacks: one file each, with a module-level ``build()``."""
