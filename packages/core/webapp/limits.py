"""The limits that whoever starts the page sets for its visitors."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits on the transfers of all visitors.

    Attributes:
        image_size: Largest side of an output whose sides are equal, in pixels; other outputs have as many pixels.
        memory: Bytes that a transfer may use on the compute device; 0 for all free memory.
    """

    image_size: int = 4096
    memory: int = 0


_current = Limits()


def set_limits(limits: Limits) -> None:
    """Set the limits of the page that this process serves."""
    global _current  # noqa: PLW0603  # Streamlit runs the page in this process, and passes nothing to it
    _current = limits


def page_limits() -> Limits:
    """Return the limits of the page that this process serves."""
    return _current
