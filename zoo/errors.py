"""The one exception that a user is meant to read."""


class ZooError(Exception):
    """Something the user can put right; the message says what was wrong and what would be right, in one or two lines.

    The command line prints it without a traceback and exits with code 2.
    """
