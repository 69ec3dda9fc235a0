"""How many documents this process has read, told now and then to whoever shows the progress bar."""

from __future__ import annotations

from collections.abc import Callable

EVERY_DOCUMENTS = 200

_listener: Callable[[int], None] | None = None
_untold = 0


def tell_documents_to(listener: Callable[[int], None] | None) -> None:
    """Set what is called with the number of documents read since the last call; None for nothing."""
    global _listener, _untold
    _listener, _untold = listener, 0


def document_read() -> None:
    """Count one document."""
    global _untold
    _untold += 1
    if _untold == EVERY_DOCUMENTS:
        tell_now()


def tell_now() -> None:
    """Tell what has not been told yet."""
    global _untold
    if _listener is not None:
        _listener(_untold)
    _untold = 0
