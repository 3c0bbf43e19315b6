"""One gate a format: what a file says is checked here before anybody believes it.

Each module opens or parses one form of file and raises `errors.BadFile`; readers raise it as their
own error by `errors.raised_as`.
"""
