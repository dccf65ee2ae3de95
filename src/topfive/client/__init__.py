"""A Python client of a topfive service; it needs httpx, and nothing else of topfive.

    with Client("https://pictures.example.org", key=KEY) as client:
        print(client.predict("photo.jpg").best.class_name)
        for result in client.predict_many(Path("photos").glob("*.jpg")):
            print(result.name, result.error or result.get().best.class_name)

`AsyncClient` has the same methods for asyncio.
"""

from topfive.client.async_client import AsyncClient
from topfive.client.errors import (
    ClientError,
    NotTopfive,
    Refused,
    TimeExceeded,
    Unreachable,
    UnreadablePicture,
)
from topfive.client.pictures import Picture
from topfive.client.results import (
    ClassScore,
    Health,
    Heatmap,
    ImageInfo,
    ModelRef,
    Models,
    ModelState,
    PictureResult,
    Prediction,
    Rollback,
    Route,
    Shadow,
    Target,
    Timings,
    WorkerState,
)
from topfive.client.sync_client import Client

__all__ = [
    "AsyncClient",
    "ClassScore",
    "Client",
    "ClientError",
    "Health",
    "Heatmap",
    "ImageInfo",
    "ModelRef",
    "ModelState",
    "Models",
    "NotTopfive",
    "Picture",
    "PictureResult",
    "Prediction",
    "Refused",
    "Rollback",
    "Route",
    "Shadow",
    "Target",
    "TimeExceeded",
    "Timings",
    "Unreachable",
    "UnreadablePicture",
    "WorkerState",
]
