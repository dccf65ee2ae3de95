"""GET /info: the model and the machine it was fitted to."""

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from topfive import __version__
from topfive.api.errors import ANY_ROUTE
from topfive.api.readable import in_either_form, info_page
from topfive.api.request import current_service, current_settings
from topfive.api.schemas import InfoOut, InputOut, LimitsOut, ModelInfoOut, RefusedEngineOut
from topfive.classify.classifier import Classifier
from topfive.images.sniff import FORMATS

info_routes = APIBlueprint("info", __name__, abp_tags=[Tag(name="info")], abp_responses=ANY_ROUTE)


@info_routes.get("/info", operation_id="info", responses={200: InfoOut})
def info() -> Response:
    """Describe the served model, the limits, and how many workers and slots there are."""
    service = current_service()
    described = service.describe()
    sizing = described.sizing
    serving = described.state.serving
    out = InfoOut(
        name="topfive",
        version=__version__,
        status=service.health().status,  # type: ignore[arg-type] # one of the three words
        reason=described.state.reason,
        wanted_model=described.desired,
        model=_model_info(serving) if serving else None,
        workers=sizing.workers,
        slots=sizing.slots,
        queue=sizing.queue,
        threads=sizing.threads,
        sizing_reason=sizing.reason,
        limits=_limits(),
    )
    answer = Response(out.model_dump_json(), mimetype="application/json")
    return in_either_form(answer, lambda: info_page(out))


def _model_info(classifier: Classifier) -> ModelInfoOut:
    manifest = classifier.bundle.manifest
    return ModelInfoOut(
        name=manifest.name,
        version=manifest.version,
        architecture=manifest.architecture,
        source=manifest.source,
        sha256=classifier.bundle.weights_sha256,
        num_classes=manifest.classes,
        input=InputOut(**manifest.input.model_dump()),
        engine=classifier.engine.name,
        precision=classifier.engine.precision,
        device=classifier.engine.device,
        heatmap=classifier.has_heatmaps,
        refused_engines=[
            RefusedEngineOut(engine=one.engine, precision=one.precision, reason=one.reason)
            for one in classifier.refused
        ],
        metrics=manifest.metrics,
    )


def _limits() -> LimitsOut:
    settings = current_settings()
    return LimitsOut(
        max_upload_bytes=settings.max_upload_bytes,
        max_pixels=settings.max_pixels,
        request_timeout_s=settings.request_timeout_s,
        rate_limit=settings.rate_limit or None,
        formats=list(FORMATS),
        batch_max_pictures=settings.batch_max_pictures,
        batch_max_bytes=settings.batch_max_bytes,
    )
