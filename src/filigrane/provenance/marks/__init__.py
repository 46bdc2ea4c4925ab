"""The marks that generators leave in metadata, one file per generator; ``build()`` gives the `Mark`."""
