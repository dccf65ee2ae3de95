"""`topfive models`."""

import click

from topfive.cli.models.available import available
from topfive.cli.models.fetch import fetch
from topfive.cli.models.push import push


@click.group()
def models() -> None:
    """Bring models from a store, and put them there.

    A store is a directory, or an address that begins with https://, s3://, gs:// or az://. What a
    cloud needs is an extra; credentials come from the cloud's own variables, files or roles.
    """


for command in (available, fetch, push):
    models.add_command(command)
