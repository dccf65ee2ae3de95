"""Answers of /models/{name}/accuracy and /models/{name}/drift, as the OpenAPI document has them."""

from typing import Any

_DIGEST = "a18d7c9c282638644ff4fcaa5377268811d594428e7b4fefc98aedeb5be17d7e"
_DAY = "2026-11-25"
_TOP1 = {"value": 0.81068, "low": 0.770037, "high": 0.845589}
_TOP5 = {"value": 0.949029, "low": 0.92334, "high": 0.966421}
_DAY_TOP1 = {"value": 0.8, "low": 0.652405, "high": 0.894996}
_DAY_TOP5 = {"value": 0.95, "low": 0.835, "high": 0.986151}

ACCURACY: dict[str, Any] = {
    "model": "flowers",
    "least_labels": 30,
    "versions": [
        {
            "version": "2",
            "digest": _DIGEST,
            "labels": 412,
            "is_enough": True,
            "note": None,
            "since": "2026-11-20T08:00:12.345000Z",
            "until": "2026-11-26T09:00:01.002000Z",
            "top1": _TOP1,
            "top5": _TOP5,
            "held_out_top1": 0.79,
            "calibration": {
                "error": 0.041,
                "error_by_chance": 0.062,
                "is_off": False,
                "mean_confidence": 0.84,
                "bins": [
                    {
                        "low": 0.933333,
                        "high": 1.0,
                        "count": 40,
                        "confidence": 0.981,
                        "accuracy": _DAY_TOP5,
                    }
                ],
            },
            "sampling": {
                "labelled_mean_confidence": 0.84,
                "predicted_mean_confidence": 0.83,
                "is_representative": True,
            },
            "days": [{"date": _DAY, "labels": 40, "top1": _DAY_TOP1, "top5": _DAY_TOP5}],
        }
    ],
}
FEW_LABELS: dict[str, Any] = ACCURACY | {
    "versions": [
        {
            "version": "2",
            "digest": _DIGEST,
            "labels": 0,
            "is_enough": False,
            "note": "Nothing is labelled yet.",
            "since": None,
            "until": None,
            "top1": None,
            "top5": None,
            "held_out_top1": 0.79,
            "calibration": None,
            "sampling": None,
            "days": [],
        }
    ]
}
DRIFT: dict[str, Any] = {
    "model": "flowers",
    "least_predictions": 200,
    "versions": [
        {
            "version": "2",
            "digest": _DIGEST,
            "reference": {
                "source": "first_predictions",
                "count": 1000,
                "wanted": 1000,
                "is_complete": True,
            },
            "window": {
                "count": 500,
                "wanted": 500,
                "since": "2026-11-26T08:00:12.345000Z",
                "until": "2026-11-26T09:00:01.002000Z",
            },
            "is_enough": True,
            "is_alarm": True,
            "note": "Predicted classes differ from the reference: the population stability index "
            "is 0.31, and 0.2 is the bound.",
            "classes": {
                "psi": 0.31,
                "threshold": 0.2,
                "by_chance": 0.083632,
                "is_alarm": True,
                "groups": [
                    {
                        "first_class_id": 0,
                        "last_class_id": 4,
                        "first_class_name": "anemone",
                        "last_class_name": "bluebell",
                        "reference": 0.05,
                        "window": 0.21,
                    }
                ],
                "changed": [
                    {"class_id": 3, "class_name": "azalea", "reference": 0.01, "window": 0.14}
                ],
            },
            "confidences": {
                "ks": 0.062,
                "threshold": 0.15,
                "by_chance": 0.106773,
                "is_alarm": False,
                "reference_mean": 0.83,
                "window_mean": 0.82,
                "bins": [{"low": 0.933333, "high": 1.0, "reference": 0.61, "window": 0.58}],
            },
            "days": [
                {"date": _DAY, "predictions": 500, "psi": 0.05, "ks": 0.03, "is_alarm": False}
            ],
        }
    ],
}
