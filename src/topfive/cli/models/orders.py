"""`topfive models load`, `activate`, `unload` and `route`."""

from typing import Any

import click
from rich.console import Console

from topfive.bundles.versions import ModelReference
from topfive.cli.models.client import ServiceClient
from topfive.cli.models.listing import routes_table, show_json
from topfive.cli.models.options import (
    AliasType,
    ReferenceType,
    TargetReference,
    TargetType,
    of_service,
    open_client,
)
from topfive.errors import OperatorError

how_long = click.option(
    "--wait-s", default=120, show_default=True, type=click.IntRange(0, 300), metavar="SECONDS",
    help="For how long to wait until every worker has followed; 0: not at all.",
)  # fmt: skip
_MODEL = click.argument("model", type=ReferenceType())
_WHOLE_WEIGHT = 100


@click.command()
@_MODEL
@how_long
@of_service
def load(
    model: ModelReference, wait_s: int, url: str | None, key: str | None, as_json: bool
) -> None:
    """Load a version of a model beside what serves.

    Requests may then name it: `/predict?model=NAME&version=VERSION`. Without a version the latest
    is loaded.

    \b
    Examples:
      topfive models load flowers@2
      topfive models load flowers --wait-s 0
    """
    client = open_client(url, key)
    chosen = _with_version(client, model)
    answer = order(client, "POST", chosen, "load", wait_s)
    tell_settled(answer, f"{chosen} is ready in every worker.", wait_s, as_json)


@click.command()
@_MODEL
@how_long
@of_service
def activate(
    model: ModelReference, wait_s: int, url: str | None, key: str | None, as_json: bool
) -> None:
    """Make a version the one that serves where none is named.

    It is loaded first where it is not; what serves goes on until every worker has it ready, and
    for good if one of them refuses it. Without a version the latest is activated.

    \b
    Examples:
      topfive models activate flowers@2
      topfive models activate flowers@sha256:b1946ac92492
    """
    client = open_client(url, key)
    chosen = _with_version(client, model)
    answer = order(client, "POST", chosen, "activate", wait_s)
    tell_settled(answer, f"{chosen} is active in every worker.", wait_s, as_json)


@click.command()
@_MODEL
@how_long
@of_service
def unload(
    model: ModelReference, wait_s: int, url: str | None, key: str | None, as_json: bool
) -> None:
    """Unload a version; its bundle stays where it is.

    Requests that are on it are finished first. One that is active, pinned or routed stays.

    \b
    Examples:
      topfive models unload flowers@1
    """
    if model.version is None:
        raise click.BadParameter(f"say which version: {model.name}@VERSION.", param_hint="'MODEL'")
    answer = order(open_client(url, key), "DELETE", model, "", wait_s)
    tell_settled(answer, f"{model} is unloaded in every worker.", wait_s, as_json)


@click.command()
@click.argument("alias", type=AliasType())
@click.argument("targets", nargs=-1, type=TargetType(), metavar="[TARGET...]")
@how_long
@of_service
def route(
    alias: str,
    targets: tuple[TargetReference, ...],
    wait_s: int,
    url: str | None,
    key: str | None,
    as_json: bool,
) -> None:
    """Have an alias lead to other models, or show a route.

    Each TARGET is NAME@VERSION:WEIGHT; without a version the active one is meant. A shadow,
    NAME@VERSION:shadow, classifies the same pictures after the answer. `default` is the alias of
    requests that name no model. Without targets the route is shown as it is.

    \b
    Examples:
      topfive models route default flowers@1:90 flowers@2:10
      topfive models route default flowers@2 flowers@3:shadow
      topfive models route default
    """
    client = open_client(url, key)
    if not targets:
        _show_route(client, alias, as_json)
        return
    body = _route_body(targets)
    with patience(wait_s):
        answer = client.order("PUT", "routes", alias, wait_s=wait_s, body=body)
    tell_settled(answer, f"The route {alias} is followed by every worker.", wait_s, as_json)
    if not as_json:
        Console().print(routes_table({alias: answer["route"]}))


def _with_version(client: ServiceClient, model: ModelReference) -> ModelReference:
    if model.version is not None:
        return model
    return ModelReference(model.name, client.get("models", model.name, has="latest")["latest"])


def order(client: ServiceClient, method: str, model: ModelReference, what: str, wait_s: int) -> Any:
    """Give an order about one version, and show on a terminal that it is waited for."""
    path = ["models", model.name, "versions", model.version or "", *([what] if what else [])]
    with patience(wait_s):
        return client.order(method, *path, wait_s=wait_s)


def patience(wait_s: int) -> Any:
    """Show on a terminal that something is waited for."""
    text = "The workers follow" if wait_s else "The order is sent"
    return Console(stderr=True).status(f"{text} ...")


def tell_settled(answer: Any, done: str, wait_s: int, as_json: bool) -> None:
    """Tell what became of an order; raises OperatorError where it is not done in time."""
    if as_json:
        show_json(answer)
    generation = answer["generation"]
    if answer["settled"]:
        _say(done, as_json)
    elif wait_s == 0:
        _say(f"Ordered (generation {generation}). `topfive models list` shows how far the "
             "workers are.", as_json)  # fmt: skip
    else:
        raise OperatorError(
            f"The order is taken (generation {generation}), but not every worker has followed it "
            "yet. They go on: `topfive models list` shows how far they are."
        )


def _say(text: str, as_json: bool) -> None:
    if not as_json:
        click.echo(text)


def _show_route(client: ServiceClient, alias: str, as_json: bool) -> None:
    routes = client.get("models", has="routes")["routes"]
    if alias not in routes:
        known = ", ".join(sorted(routes)) or "none"
        raise OperatorError(f"There is no route {alias!r}. Known are: {known}.")
    if as_json:
        show_json(routes[alias])
    else:
        Console().print(routes_table({alias: routes[alias]}))


def _route_body(targets: tuple[TargetReference, ...]) -> dict[str, Any]:
    """Make the JSON of a route; raises BadParameter where weights or shadows make no sense."""
    shadows = [one for one in targets if one.weight == "shadow"]
    others = [one for one in targets if one.weight != "shadow"]
    if len(shadows) > 1:
        raise click.BadParameter("a route has at most one shadow.", param_hint="'TARGET'")
    if not others:
        raise click.BadParameter("a shadow alone answers nobody.", param_hint="'TARGET'")
    if len(others) > 1 and any(one.weight is None for one in others):
        raise click.BadParameter(
            "of several targets, each needs its weight: NAME@VERSION:WEIGHT.",
            param_hint="'TARGET'",
        )
    return {
        "targets": [_target_body(one) | {"weight": _weight(one)} for one in others],
        "shadow": _target_body(shadows[0]) if shadows else None,
    }


def _target_body(target: TargetReference) -> dict[str, Any]:
    return {"model": target.model, "version": target.version}


def _weight(target: TargetReference) -> int | str:
    return _WHOLE_WEIGHT if target.weight is None else target.weight
