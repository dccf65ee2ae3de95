"""What stands in where a service takes no orders about models."""

from topfive.errors import ModelNotFound, ModelRefused
from topfive.models import ModelsView, ModelView, OrderResult, RouteView, VersionsView


class NoModelOrders:
    """Stands in where nobody orders models to be loaded or routed: it tells of none."""

    def list_models(self) -> ModelsView:
        """Tell of no models and no routes."""
        return ModelsView(generation=0, is_settled=True, models=(), routes={})

    def list_versions(self, name: str) -> VersionsView:  # noqa: ARG002
        """Raise ModelNotFound."""
        raise ModelNotFound

    def find_model(self, name: str, version: str) -> ModelView:  # noqa: ARG002
        """Raise ModelNotFound."""
        raise ModelNotFound

    def load(self, name: str, version: str, wait_s: float = 0) -> OrderResult:  # noqa: ARG002
        """Raise ModelRefused, as all orders do."""
        raise ModelRefused("This service takes no orders about models.")

    activate = load
    unload = load

    def set_route(self, alias: str, route: RouteView, wait_s: float = 0) -> OrderResult:  # noqa: ARG002
        """Raise ModelRefused."""
        raise ModelRefused("This service takes no orders about routes.")
