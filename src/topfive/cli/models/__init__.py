"""`topfive models`: orders to a running service, and the bundles of a store."""

import click

from topfive.cli.models.available import available
from topfive.cli.models.fetch import fetch
from topfive.cli.models.listing import list_models
from topfive.cli.models.orders import activate, load, route, unload
from topfive.cli.models.push import push

__all__ = ["models"]


@click.group()
def models() -> None:
    """Show and change a running service's models, and a store's.

    `list`, `load`, `activate`, `unload` and `route` ask the service at --url, by default the one
    on this machine. Where it has API keys, one with the scope `admin` is needed
    (TOPFIVE_API_KEY); where it has none, it takes orders from its own machine alone.

    `available`, `fetch` and `push` bring bundles from a store and put them there. A store is a
    directory, or an address that begins with https://, s3://, gs:// or az://. What a cloud needs
    is an extra; credentials come from the cloud's own variables, files or roles.

    \b
    Examples:
      topfive models list
      topfive models load flowers@2
      topfive models route default flowers@1:90 flowers@2:10
      topfive models activate flowers@2
      topfive models push models/flowers/2 s3://bucket/models
    """


for command in (list_models, load, activate, unload, route, available, fetch, push):
    models.add_command(command)
