"""Ways to ask somebody else's detector: a command, an HTTP endpoint, or a network in a file; one file per way.

Every way hands over pixels, never the file: what a detector reads out of a container is not what is measured here.
"""
