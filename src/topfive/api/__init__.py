"""The HTTP face: routes, schemas and failures, declared once and served by Flask."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask_openapi3 import Info, OpenAPI
from werkzeug.middleware.proxy_fix import ProxyFix

from topfive import __version__
from topfive.api.auth import check_keys, mount_keys
from topfive.api.batch.routes import batch_routes
from topfive.api.cors import allow_origins, origin_headers
from topfive.api.docs import register_docs
from topfive.api.errors import register_errors
from topfive.api.fields import refuse_misfit
from topfive.api.health import health_routes
from topfive.api.history.export import export_routes
from topfive.api.history.routes import history_routes, tell_predictions_apart
from topfive.api.history.turns import limit_history
from topfive.api.info import info_routes
from topfive.api.live.routes import live_routes
from topfive.api.metrics import keep_metrics_apart, metrics_routes
from topfive.api.models import limit_waiting, model_routes
from topfive.api.open_inference.routes import v2_routes
from topfive.api.openapi import SECURITY_SCHEMES
from topfive.api.page import page_routes
from topfive.api.predict import predict_routes
from topfive.api.quota import limit_rate
from topfive.api.recording import record_predictions
from topfive.api.request import (
    SECURITY_HEADERS,
    keep_request_record,
    mount_service,
    mounted_service,
)
from topfive.api.review import review_routes
from topfive.api.sagemaker import sagemaker_routes
from topfive.api.schemas import Problem
from topfive.api.upload import PictureRequest, limit_bodies
from topfive.api.vertex import make_vertex_routes
from topfive.errors import OperatorError
from topfive.route_table import RouteTable
from topfive.service import Service
from topfive.settings import Settings, read_settings
from topfive.telemetry.logs import configure_logs
from topfive.wiring import build_service

__all__ = ["App", "create_app"]


class App(OpenAPI):
    """A Flask app whose routes also make its OpenAPI document."""

    request_class = PictureRequest
    origins: tuple[str, ...] = ()
    # What the scheduler goes by before a request reaches the app.
    route_table: RouteTable

    @property
    def service(self) -> Service:
        """The service that answers this app's requests."""
        return mounted_service(self)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return a view as it is: none is a coroutine, and Flask would look each time."""
        return func

    def headers_of_refusals(self, origin: str) -> dict[str, str]:
        """Make the headers of an answer that is refused below the app, to a page of `origin`."""
        return SECURITY_HEADERS | origin_headers(self.origins, origin)


def create_app(
    settings: Settings | None = None,
    service: Service | None = None,
    refusal: OperatorError | None = None,
) -> App:
    """Build the app with its model loaded; call it once in each worker, after the fork.

    `refusal` is why the model could not be made before the fork, where that was tried. Raises
    SettingsError if a setting is wrong.
    """
    settings = settings or read_settings()
    configure_logs(settings.log_options)
    app = _make_app(settings)
    service = service or build_service(settings, has_telemetry=True, refusal=refusal)
    mount_service(app, service, settings)
    mount_keys(app, settings)
    _register(app, settings)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    return app


def _make_app(settings: Settings) -> App:
    app = App(
        "topfive.api",
        info=Info(
            title="topfive",
            version=__version__,
            description="Upload a picture, get its five most likely classes.",
        ),
        security_schemes=SECURITY_SCHEMES,
        doc_ui=False,
        validation_error_status=400,
        validation_error_model=Problem,
        validation_error_callback=refuse_misfit,
        root_path=str(Path(__file__).parent),
    )
    app.origins = settings.allowed_origins
    app.route_table = settings.route_table
    app.json.sort_keys = False  # type: ignore[attr-defined] # best first is an order
    return app


def _register(app: App, settings: Settings) -> None:
    keep_request_record(app)
    limit_bodies(app)
    register_errors(app)
    allow_origins(app, settings.allowed_origins)
    limit_rate(app, settings.rate_limit, settings.rate_limit_storage)
    keep_metrics_apart(app, settings.metrics_port)
    check_keys(app)
    limit_waiting(app)
    limit_history(app)
    tell_predictions_apart(app)
    record_predictions(app)
    for routes in (
        predict_routes,
        batch_routes,
        model_routes,
        history_routes,
        export_routes,
        live_routes,
        health_routes,
        info_routes,
        metrics_routes,
        page_routes,
        review_routes,
        v2_routes,
        sagemaker_routes,
        make_vertex_routes(settings.route_table),
    ):
        app.register_api(routes)
    register_docs(app, settings.route_table)
