"""What a picture may cost."""

from dataclasses import dataclass

from topfive.errors import FileTooLarge, ImageTooLarge

# The most bytes that decoding takes for each declared pixel, its conversion to RGB included;
# measured on 25-megapixel pictures of every mode (for AVIF and HEIC in docs/decisions).
_BYTES_PER_PIXEL = {
    "JPEG": 9, "PNG": 14, "WEBP": 18, "GIF": 11, "BMP": 14, "TIFF": 18, "AVIF": 22, "HEIC": 22,
}  # fmt: skip

# As long as a JPEG's or a GIF's. Each row has a cost of its own, whatever is in it: 30 bytes and
# up to a microsecond, which is more than a pixel's.
MAX_SIDE = 65_535


def decoding_bytes(image_format: str, pixels: int) -> int:
    """Estimate from above the memory that decoding so many pixels takes."""
    return _BYTES_PER_PIXEL[image_format] * pixels


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
        if max(width, height) > MAX_SIDE:
            raise ImageTooLarge(
                f"The picture declares {width} x {height} pixels; at most {MAX_SIDE} on a side "
                "are accepted. Send a part of it."
            )
