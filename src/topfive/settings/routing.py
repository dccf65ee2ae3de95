"""The settings of routes, canaries and shadows."""

from pydantic import Field, field_validator

from topfive.models import RouteView
from topfive.registry.canary import CanaryOptions
from topfive.registry.routes import parse_routes
from topfive.settings.values import SettingsGroup


class RoutingSettings(SettingsGroup):
    """Which model gets the requests that name none, and when one is taken off."""

    routes: str = Field(
        "",
        description="Which models and versions share the requests that name none, by weight: "
        "`default=flowers@1:90,flowers@2:10`. `flowers@3:shadow` classifies the same pictures "
        "after the answer. Further aliases, separated by `;`, are for `?model=ALIAS`. Empty: MODEL "
        "gets all.",
    )
    shadow_min_idle: float = Field(
        0.5,
        ge=0,
        le=1,
        description="The share of the CPUs that must be idle before a shadow classifies a picture; "
        "0: it suffices that the worker could begin one more.",
    )
    canary_max_error_rate: float = Field(
        0.05,
        ge=0,
        le=1,
        description="The largest share of its requests that a canary may fail: a target of a route "
        "that does not have the most weight. Beyond it, it gets no requests any more.",
    )
    canary_max_p99_ratio: float = Field(
        2.0,
        ge=1,
        le=1000,
        description="How many times as long as the route's main target the slowest 1% of a "
        "canary's inferences may take. Beyond it, it gets no requests any more.",
    )
    canary_window_s: float = Field(
        60.0,
        ge=1,
        le=3600,
        description="Over how many seconds canaries are judged; of each worker's requests, at most "
        "the newest 2,000.",
    )
    canary_min_requests: int = Field(
        100,
        ge=10,
        le=2000,
        description="The least number of requests in that time that a worker judges a canary by.",
    )

    @field_validator("routes")
    @classmethod
    def _routes_can_be_read(cls, text: str) -> str:
        parse_routes(text)
        return text

    @property
    def model_routes(self) -> dict[str, RouteView]:
        """The routes by their alias; those that are not set are left to the service."""
        return parse_routes(self.routes)

    @property
    def canary_options(self) -> CanaryOptions:
        """When a canary is taken off its route."""
        return CanaryOptions(
            self.canary_max_error_rate,
            self.canary_max_p99_ratio,
            self.canary_window_s,
            self.canary_min_requests,
        )
