"""How much a worker takes on, from what its service was built with."""

from topfive.route_table import RouteTable
from topfive.server.upload import BatchLaneLimits, SchedulerLimits
from topfive.service import Service


def scheduler_limits(service: Service, routes: RouteTable) -> SchedulerLimits:
    """Take the scheduler's limits from what a service and its routes were built with."""
    sizing = service.describe().sizing
    body_bytes = routes.most_body_bytes
    return SchedulerLimits(
        slots=sizing.slots,
        queue=sizing.queue,
        lookups=sizing.lookups,
        others=sizing.others,
        body_bytes=body_bytes,
        held_bytes=max(sizing.upload_bytes, 2 * body_bytes),
        request_s=service.limits.request_timeout_s,
        batches=BatchLaneLimits(whole_s=service.limits.batch_timeout_s),
    )
