"""All settings together, and the options that need more than one group of them."""

from functools import cached_property

from topfive.machine.sizing import SizingOptions
from topfive.route_table import RouteTable, build_route_table
from topfive.settings.cache import CacheSettings
from topfive.settings.callers import CallerSettings
from topfive.settings.history import HistorySettings
from topfive.settings.models import ModelSettings
from topfive.settings.platforms import PlatformSettings
from topfive.settings.routing import RoutingSettings
from topfive.settings.serving import ServingSettings
from topfive.settings.telemetry import TelemetrySettings


# The last group comes first in the documents: fields are collected from the last base on.
class Settings(
    TelemetrySettings,
    PlatformSettings,
    CallerSettings,
    RoutingSettings,
    HistorySettings,
    CacheSettings,
    ServingSettings,
    ModelSettings,
):
    """Everything an operator can choose; each field is `TOPFIVE_` and its name in capitals."""

    @property
    def sizing_options(self) -> SizingOptions:
        """What is fixed of workers, slots, queue and memory."""
        return SizingOptions(
            self.workers,
            self.slots,
            self.queue,
            self.model_memory_bytes,
            has_cache=bool(self.cache_bytes or self.cache_url),
            cache_bytes=self.cache_bytes,
            has_history=bool(self.history_url),
        )

    @cached_property
    def route_table(self) -> RouteTable:
        """Which routes there are, with what each asks for."""
        return build_route_table(
            self.max_upload_bytes,
            max_batch_bytes=self.batch_max_bytes,
            has_metrics_port=bool(self.metrics_port),
            vertex_predict=self.vertex_predict_route,
            vertex_health=self.vertex_health_route,
        )
