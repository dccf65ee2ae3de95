"""The use cases of topfive: predict, describe, health. No Flask here."""

from topfive.service.description import Description, Health, ModelDescription, ServiceLimits
from topfive.service.routing import Routing
from topfive.service.service import STALLED_AFTER_S, Recovering, Service

__all__ = [
    "STALLED_AFTER_S",
    "Description",
    "Health",
    "ModelDescription",
    "Recovering",
    "Routing",
    "Service",
    "ServiceLimits",
]
