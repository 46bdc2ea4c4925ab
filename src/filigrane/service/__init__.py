"""The service: HTTP in, one use case of `filigrane.app` called, JSON or a page out."""
