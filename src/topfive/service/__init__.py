"""The use cases of topfive: predict, describe, health. No Flask here."""

from topfive.service.batch import Batch
from topfive.service.description import Description, Health, ModelDescription, ServiceLimits
from topfive.service.predictor import is_never_abandoned
from topfive.service.routing import Routing
from topfive.service.service import STALLED_AFTER_S, Recovering, Service

__all__ = [
    "STALLED_AFTER_S",
    "Batch",
    "Description",
    "Health",
    "ModelDescription",
    "Recovering",
    "Routing",
    "Service",
    "ServiceLimits",
    "is_never_abandoned",
]
