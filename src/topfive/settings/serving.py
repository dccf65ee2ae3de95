"""The settings of a worker's work: its address, its slots and its limits."""

from pydantic import Field

from topfive.images.limits import ImageLimits
from topfive.settings.values import OptionalInt, SettingsGroup


class ServingSettings(SettingsGroup):
    """Where the service listens, how much it takes on at once, and for how long."""

    host: str = Field("0.0.0.0", min_length=1, description="The address to listen on.")  # noqa: S104
    port: int = Field(
        5000,
        ge=0,
        le=65535,
        description="The port to listen on; 0 takes any free one. `PORT` is read too; where they "
        "are set, `SAGEMAKER_BIND_TO_PORT` and `AIP_HTTP_PORT` win over it.",
    )
    workers: OptionalInt = Field(
        None,
        ge=1,
        le=1024,
        description="Worker processes. Empty: chosen from CPUs and memory. "
        "`WEB_CONCURRENCY` is read too.",
    )
    slots: OptionalInt = Field(
        None,
        ge=1,
        le=256,
        description="Pictures classified at once by one worker. Empty: chosen from the CPUs.",
    )
    queue: OptionalInt = Field(
        None,
        ge=0,
        le=4096,
        description="Pictures that may wait in one worker; more are told "
        "503 `overloaded` at once. Empty: 32 a slot.",
    )
    max_upload_bytes: int = Field(
        10 * 1024 * 1024, ge=1, le=1 << 30, description="The largest upload, in bytes."
    )
    max_pixels: int = Field(
        25_000_000,
        ge=1,
        le=80_000_000,
        description="The largest picture, in pixels, by what its header declares.",
    )
    request_timeout_s: float = Field(
        30.0,
        gt=0,
        le=3600,
        description="The most seconds from a request to its answer, waiting included.",
    )
    batch_max_pictures: int = Field(
        64,
        ge=1,
        le=1000,
        description="The most pictures in one request to `/predict/batch`; at most 1000.",
    )
    batch_max_bytes: int = Field(
        256 * 1024 * 1024,
        ge=1,
        le=1 << 40,
        description="The longest body of such a request, in bytes. It is worked on while it "
        "arrives, and only a few pictures of it are in memory.",
    )
    batch_timeout_s: float = Field(
        300.0,
        gt=0,
        le=86_400,
        description="The most seconds from such a request to the end of its answer, its upload "
        "included.",
    )

    @property
    def image_limits(self) -> ImageLimits:
        """What one picture may cost."""
        return ImageLimits(self.max_upload_bytes, self.max_pixels)
