"""The watermark methods: one file each, with a module-level ``build(**options)``."""
