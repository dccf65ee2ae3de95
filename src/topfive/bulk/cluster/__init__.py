"""The work, done by Ray Data: on this machine, or on a cluster of several.

Nothing here may import Ray before `session` has set what it reads when it is imported.
"""
