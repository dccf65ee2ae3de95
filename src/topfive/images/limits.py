"""What a picture may cost."""

from dataclasses import dataclass

from topfive.errors import FileTooLarge, ImageTooLarge


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """The largest upload in bytes and the largest picture in pixels."""

    max_bytes: int = 10 * 1024 * 1024
    max_pixels: int = 25_000_000

    def check_bytes(self, count: int) -> None:
        """Raise FileTooLarge if `count` bytes are too many."""
        if count > self.max_bytes:
            raise FileTooLarge(
                f"The upload is larger than {self.max_bytes} bytes. Send a smaller file."
            )

    def check_pixels(self, width: int, height: int) -> None:
        """Raise ImageTooLarge if a picture of `width` x `height` pixels is too large."""
        if width * height > self.max_pixels:
            raise ImageTooLarge(
                f"The picture declares {width} x {height} pixels; at most {self.max_pixels} "
                "in all are accepted. Send a smaller picture."
            )
