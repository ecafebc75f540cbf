"""The two ways a run can go wrong, each told in one sentence: what came, what was expected, what to do."""


class StyleTransferError(Exception):
    """Something failed that the caller could not know: weights out of reach, a full disk, a missing device.

    The command lines print the sentence and exit with `exit_status`.
    """

    exit_status = 1


class UsageError(StyleTransferError, ValueError):
    """What the caller passed cannot work: a missing picture, an unknown layer, a negative weight."""

    exit_status = 2
