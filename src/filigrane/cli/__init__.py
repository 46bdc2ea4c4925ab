"""The command line: each file parses one command, calls one use case of `filigrane.app` and renders what comes back.

Nothing heavy is imported before a command runs, so that ``--help`` answers at once.
"""
