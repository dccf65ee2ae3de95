"""Why a picture's bytes could not be had."""


class Unreadable(OSError):
    """One picture cannot be read; `detail` is a sentence without a secret of its address."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
