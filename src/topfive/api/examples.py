"""Real answers, as the OpenAPI document shows them; tests hold them to the shapes."""

import json
from collections.abc import Iterable
from typing import Any

from topfive.api.live.examples import ACCURACY, DRIFT, FEW_LABELS
from topfive.api.schemas import problem_out
from topfive.errors import FAILURES
from topfive.images.sniff import FORMATS

_REQUEST_ID = "9a63dfbe3be24144bdd58e361cf9afa5"
_HEALTHY = {
    "status": "healthy",
    "model_loaded": True,
    "model": "mobilenet_v2",
    "model_version": "imagenet1k-v2",
    "uptime_seconds": 26.7,
    "timestamp": "2026-11-21T10:03:17.180667Z",
}
_INFO = {
    "name": "topfive",
    "version": "0.1.0",
    "status": "healthy",
    "reason": None,
    "wanted_model": "mobilenet_v2",
    "model": {
        "name": "mobilenet_v2",
        "version": "imagenet1k-v2",
        "architecture": "mobilenet_v2",
        "source": "https://download.pytorch.org/models/mobilenet_v2-7ebf99e0.pth",
        "sha256": "a18d7c9c282638644ff4fcaa5377268811d594428e7b4fefc98aedeb5be17d7e",
        "num_classes": 1000,
        "input": {
            "resize": 232,
            "crop": 224,
            "interpolation": "bilinear",
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
        },
        "engine": "openvino",
        "precision": "f32",
        "device": "cpu",
        "heatmap": True,
        "refused_engines": [],
        "metrics": {},
    },
    "workers": 2,
    "slots": 1,
    "queue": 32,
    "threads": 24,
    "sizing_reason": "2 CPUs allowed, no CPU quota; 24103 MB of memory",
    "limits": {
        "max_upload_bytes": 10485760,
        "max_pixels": 25000000,
        "request_timeout_s": 30.0,
        "rate_limit": "100/minute",
        "formats": list(FORMATS),
        "batch_max_pictures": 64,
        "batch_max_bytes": 268435456,
    },
}
_METRICS = """\
# HELP topfive_requests_total Requests that were answered.
# TYPE topfive_requests_total counter
topfive_requests_total{method="POST",route="/predict",status="200"} 512.0
"""

_ZEBRA = {
    "request_id": _REQUEST_ID,
    "model": {"name": "mobilenet_v2", "version": "imagenet1k-v2"},
    "predictions": [{"class_id": 340, "class_name": "zebra", "confidence": 0.720248}],
    "image": {"format": "JPEG", "width": 500, "height": 375},
    "timing_ms": {"queue": 0.11, "decode": 18.74, "inference": 45.23, "total": 64.54},
}
_RESULTS: list[dict[str, Any]] = [
    {"index": 0, "ok": True}
    | {name: one for name, one in _ZEBRA.items() if name not in ("request_id", "model")},
    {
        "index": 1,
        "ok": False,
        "error": {"code": "invalid_image", "detail": "The JPEG file is damaged or cut off."},
    },
]
# One white pixel.
_HEATMAP = {
    "class_id": 340,
    "width": 1,
    "height": 1,
    "png": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4"
    "DwABAQEAsTj2FAAAAABJRU5ErkJggg==",
}
_READY = {"ready": {"status": "ready"}}
_NOT_READY = {"not ready": {"status": "not_ready"}}
_METADATA = {
    "MobileNetV2": {
        "name": "mobilenet_v2",
        "versions": ["imagenet1k-v2"],
        "platform": "openvino",
        "inputs": [
            {"name": "image", "datatype": "BYTES", "shape": [-1]},
            {"name": "pixels", "datatype": "UINT8", "shape": [-1, 224, 224, 3]},
        ],
        "outputs": [
            {"name": "class_id", "datatype": "INT64", "shape": [-1, -1]},
            {"name": "class_name", "datatype": "BYTES", "shape": [-1, -1]},
            {"name": "confidence", "datatype": "FP32", "shape": [-1, -1]},
        ],
    }
}
_INFERRED = {
    "two outputs of one picture": {
        "model_name": "mobilenet_v2",
        "model_version": "imagenet1k-v2",
        "id": "order-42",
        "outputs": [
            {"name": "class_name", "datatype": "BYTES", "shape": [1, 1], "data": ["zebra"]},
            {"name": "confidence", "datatype": "FP32", "shape": [1, 1], "data": [0.720248]},
        ],
    }
}
_MODEL_READY = {"ready": {"name": "mobilenet_v2", "ready": True}}
_MODEL_NOT_READY = {"not ready": {"name": "mobilenet_v2", "ready": False}}
_FLOWERS_1 = {
    "name": "flowers",
    "version": "1",
    "digest": "3f1c0e0e8b7d4a52c1d8a9f0b6e5d4c3b2a1908f7e6d5c4b3a29181706f5e4d3",
    "architecture": "mobilenet_v2",
    "num_classes": 102,
    "state": "ready",
    "reason": None,
    "active": True,
    "pinned": True,
    "routes": ["default"],
    "memory_bytes": 61341696,
    "engine": "openvino",
    "precision": "f32",
    "metrics": {},
}
_FLOWERS_2 = _FLOWERS_1 | {
    "version": "2",
    "digest": "b1946ac92492d2347c6235b4d2611184b1946ac92492d2347c6235b4d2611184",
    "active": False,
    "pinned": False,
}
_FLOWERS_3 = _FLOWERS_2 | {
    "version": "3",
    "digest": "591785b794601e212b260e25925636fd591785b794601e212b260e25925636fd",
    "state": "loading",
    "routes": [],
    "memory_bytes": None,
    "engine": None,
    "precision": None,
    "workers": [
        {"worker": 1, "state": "ready", "reason": None},
        {"worker": 2, "state": "loading", "reason": None},
    ],
}
_ROUTE = {
    "targets": [
        {"model": "flowers", "version": "1", "weight": 90},
        {"model": "flowers", "version": "2", "weight": 10},
    ],
    "shadow": None,
    "rolled_back": [],
}

_KEPT = {
    "id": "019abfa5-26d0-7c41-9f3e-5b1c2d7a8e90",
    "created_at": "2026-11-26T10:03:17.180000Z",
    "request_id": _REQUEST_ID,
    "position": 0,
    "picture_sha256": "2f0b7c3f6d1a4e58b9c0d1e2f3a4b5c6d7e8f90123456789abcdef0123456789",
    "model": {"name": "mobilenet_v2", "version": "imagenet1k-v2"},
    "model_digest": "a18d7c9c282638644ff4fcaa5377268811d594428e7b4fefc98aedeb5be17d7e",
    "route": "/predict",
    "alias": None,
    "predictions": _ZEBRA["predictions"],
    "timing_ms": {
        "queue": 0.11,
        "decode": 15.2,
        "preprocess": 3.54,
        "inference": 45.23,
        "total": 64.54,
    },
    "cache": None,
    "degraded": False,
    "api_key_id": None,
    "label": None,
}
_LABELLED = _KEPT | {
    "label": {
        "class_id": 340,
        "class_name": "zebra",
        "rank": 1,
        "source": "person",
        "labelled_at": "2026-11-26T10:20:00Z",
    }
}

# By operation and status, each with a name.
ANSWERS: dict[tuple[str, str], dict[str, Any]] = {
    ("predict", "200"): {
        "zebra": {
            "request_id": _REQUEST_ID,
            "model": {"name": "mobilenet_v2", "version": "imagenet1k-v2"},
            "predictions": [
                {"class_id": 340, "class_name": "zebra", "confidence": 0.720248},
                {"class_id": 361, "class_name": "skunk", "confidence": 0.006211},
                {"class_id": 9, "class_name": "ostrich", "confidence": 0.005057},
                {"class_id": 102, "class_name": "echidna", "confidence": 0.002631},
                {"class_id": 353, "class_name": "gazelle", "confidence": 0.002502},
            ],
            "image": {"format": "JPEG", "width": 500, "height": 375},
            "timing_ms": {"queue": 0.11, "decode": 18.74, "inference": 45.23, "total": 64.54},
        },
        "a drawn three, while the fallback model stands in": {
            "request_id": "476df7199ec040f6af32efe9e9609f68",
            "model": {"name": "digits", "version": "1"},
            "predictions": [
                {"class_id": 3, "class_name": "three", "confidence": 0.988456},
                {"class_id": 4, "class_name": "four", "confidence": 0.002146},
                {"class_id": 0, "class_name": "zero", "confidence": 0.002101},
                {"class_id": 5, "class_name": "five", "confidence": 0.001332},
                {"class_id": 6, "class_name": "six", "confidence": 0.001301},
            ],
            "image": {"format": "PNG", "width": 200, "height": 200},
            "timing_ms": {"queue": 0.2, "decode": 2.1, "inference": 7.86, "total": 10.54},
            "degraded": True,
        },
        "with a heatmap": _ZEBRA | {"heatmap": _HEATMAP},
    },
    ("predict_batch", "200"): {
        "a zebra, and a file that is cut off": {
            "request_id": _REQUEST_ID,
            "model": {"name": "mobilenet_v2", "version": "imagenet1k-v2"},
            "results": _RESULTS,
        }
    },
    ("list_models", "200"): {
        "a tenth of the requests for version 2, while a worker loads version 3": {
            "generation": 7,
            "settled": False,
            "models": [_FLOWERS_3, _FLOWERS_2, _FLOWERS_1],
            "routes": {"default": _ROUTE},
        }
    },
    ("list_versions", "200"): {
        "flowers": {
            "name": "flowers",
            "active": "1",
            "latest": "2",
            "versions": [_FLOWERS_2, _FLOWERS_1],
        }
    },
    ("find_model", "200"): {"version 1": _FLOWERS_1},
    ("load_model", "202"): {
        "one of two workers has it": {"generation": 7, "settled": False, "model": _FLOWERS_3}
    },
    ("activate_model", "202"): {
        "every worker has followed": {"generation": 8, "settled": True, "model": _FLOWERS_1}
    },
    ("unload_model", "202"): {
        "every worker has followed": {
            "generation": 9,
            "settled": True,
            "model": _FLOWERS_2
            | {
                "state": "available",
                "routes": [],
                "memory_bytes": None,
                "engine": None,
                "precision": None,
            },
        }
    },
    ("set_route", "202"): {
        "a tenth for version 2": {"generation": 6, "settled": True, "route": _ROUTE}
    },
    ("list_predictions", "200"): {
        "the newest one": {
            "predictions": [_KEPT],
            "next_cursor": "q0SYFWcQ6soBmr-lJtB8QZ8-Wxwteo6Q",
        },
        "none": {"predictions": [], "next_cursor": None},
    },
    ("find_prediction", "200"): {"without a label": _KEPT, "with one": _LABELLED},
    ("list_classes", "200"): {"three classes": {"classes": ["daisy", "rose", "tulip"]}},
    ("set_label", "200"): {"a zebra": _LABELLED},
    ("remove_label", "200"): {"without a label": _KEPT},
    ("model_accuracy", "200"): {"412 labels": ACCURACY, "no labels": FEW_LABELS},
    ("model_drift", "200"): {"another mix of classes": DRIFT},
    ("health", "200"): {
        "healthy": _HEALTHY,
        "degraded": _HEALTHY
        | {
            "status": "degraded",
            "model": "digits",
            "model_version": "1",
            "reason": "The weights of mobilenet_v2 could not be downloaded. "
            "The service keeps trying; its log says more.",
        },
    },
    ("health", "503"): {
        "unavailable": _HEALTHY
        | {
            "status": "unavailable",
            "model_loaded": False,
            "model": "resnet50",
            "model_version": None,
            "reason": "The weights of resnet50 could not be downloaded. "
            "The service keeps trying; its log says more.",
        }
    },
    ("livez", "200"): {"alive": {"status": "alive"}},
    ("readyz", "200"): _READY,
    ("readyz", "503"): _NOT_READY,
    ("ping", "200"): _READY,
    ("ping", "503"): _NOT_READY,
    ("vertex_health", "200"): _READY,
    ("vertex_health", "503"): _NOT_READY,
    ("invocations", "200"): {"one picture": _ZEBRA, "instances": {"predictions": [_ZEBRA]}},
    ("vertex_predict", "200"): {"one instance": {"predictions": [_ZEBRA]}},
    ("v2_server", "200"): {
        "server": {"name": "topfive", "version": "0.1.0", "extensions": ["binary_tensor_data"]}
    },
    ("v2_live", "200"): {"live": {"live": True}},
    ("v2_ready", "200"): {"ready": {"ready": True}},
    ("v2_ready", "503"): {"not ready": {"ready": False}},
    ("v2_model", "200"): _METADATA,
    ("v2_model_version", "200"): _METADATA,
    ("v2_model_ready", "200"): _MODEL_READY,
    ("v2_model_ready", "503"): _MODEL_NOT_READY,
    ("v2_model_version_ready", "200"): _MODEL_READY,
    ("v2_model_version_ready", "503"): _MODEL_NOT_READY,
    ("v2_infer", "200"): _INFERRED,
    ("v2_infer_version", "200"): _INFERRED,
    ("info", "200"): {"MobileNetV2 with weights from a local file": _INFO},
    ("metrics", "200"): {"one counter of many": _METRICS},
    ("index", "200"): {
        "links": {
            "name": "topfive",
            "version": "0.1.0",
            "links": {
                "predict": "/predict",
                "batch": "/predict/batch",
                "models": "/models",
                "health": "/health",
                "info": "/info",
                "docs": "/docs",
                "openapi": "/openapi.json",
            },
        }
    },
}

# Files have theirs here: the first columns of 38.
EXPORTED = {
    "the first columns": {
        "value": "id,created_at,request_id,position\r\n"
        f"{_KEPT['id']},{_KEPT['created_at']},{_REQUEST_ID},0\r\n"
    }
}

# Answers of more than one type have those of the others here.
LINES: dict[tuple[str, str], dict[str, str]] = {
    ("predict_batch", "200"): {
        "a zebra, and a file that is cut off": "".join(f"{json.dumps(one)}\n" for one in _RESULTS)
    }
}

# What is told of each failure; without an entry, its title.
_DETAILS = {
    "missing_file": "The part `file` is text, not a file. With curl write -F file=@photo.jpg.",
    "empty_file": "The picture has zero bytes. Send the file's content.",
    "unsupported_format": "The format of the file is not supported. This is JPEG XL. "
    f"Send one of: {', '.join(FORMATS)}.",
    "invalid_image": "The JPEG file is damaged or cut off.",
    "invalid_parameter": "`topk` is not known. Did you mean `top_k`?",
    "malformed_request": "The multipart body is cut off, or its boundary never comes.",
    "heatmap_unavailable": "The bundle of this model was made before there were heatmaps. Leave "
    "`explain` out, or have the bundle made again with `topfive pull`.",
    "unauthorized": "Send a valid API key: `Authorization: Bearer KEY` or `X-API-Key`.",
    "forbidden": "This API key does not have the scope 'predict'.",
    "not_found": "There is nothing at this address. See / for the addresses there are.",
    "model_not_found": "There is no model of that name here. Did you mean `mobilenet_v2`?",
    "method_not_allowed": "This address takes POST.",
    "not_acceptable": "Parquet needs pyarrow, which is not installed here. Ask for format=csv, or "
    "install it beside the service: pip install -r requirements-parquet.txt",
    "client_disconnected": "The client closed its connection before its upload was whole.",
    "upload_too_slow": "The upload did not arrive in time. Try a faster connection.",
    "model_busy": "Another change of flowers@2 is under way. Try again when it is done.",
    "file_too_large": "The upload has too many bytes. See /info for the limit.",
    "batch_too_large": "The batch has over 64 pictures. Send several batches.",
    "image_too_large": "The picture declares 6000 x 5000 pixels; at most 25000000 in all are "
    "accepted. Send a smaller picture.",
    "unsupported_media_type": "This content type is not supported. Send multipart/form-data with "
    "a part `file` (curl -F file=@photo.jpg ...), or the bytes alone with an image/* or "
    "application/octet-stream content type.",
    "model_refused": "The model flowers@2 needs 180 MB of memory, and 95 MB are left. flowers@1 "
    "goes on serving. Unload another model, or raise TOPFIVE_MODEL_MEMORY_BYTES.",
    "rate_limited": "Too many requests from this client. Wait as long as Retry-After says.",
    "overloaded": "All 33 queue slots of this worker are taken. Try again later.",
    "model_unavailable": "The model resnet50 is not loaded yet. See /health for the reason.",
    "history_unavailable": "The history's database does not answer. Try again later.",
    "out_of_memory": "This picture needs more memory than there is. Send a smaller one, or a JPEG.",
}


def problem_examples(codes: Iterable[str]) -> dict[str, Any]:
    """Show each failure as it is answered, by its code."""
    return {code: {"value": _problem(code)} for code in codes}


def message_examples(codes: Iterable[str]) -> dict[str, Any]:
    """Show each failure as it is answered in one text, by its code."""
    return {
        code: {"value": {"error": FAILURES[code](_DETAILS.get(code)).message}} for code in codes
    }


def _problem(code: str) -> dict[str, Any]:
    return problem_out(FAILURES[code](_DETAILS.get(code)), _REQUEST_ID).model_dump()
