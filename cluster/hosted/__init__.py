"""Workers with all that a process needs to be part of a mesh: configured, announced, kept informed.

Ray's actors are thin shells around these; so are the processes of tests.
"""
