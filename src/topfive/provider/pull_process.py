"""Has `topfive pull` make a bundle, apart from this process, and brings its errors back."""

from collections.abc import Iterator
from importlib.util import find_spec

from topfive.errors import BundleMissing, WeightsRefused
from topfive.provider.reports import run_reporting
from topfive.registry.desired import ModelOptions


def pull_in_own_process(options: ModelOptions, *, is_shown: bool = False) -> None:
    """Run `topfive pull` apart from this process, which so never imports torch.

    With `is_shown` its progress goes to standard error, if that is a terminal. Raises what the pull
    has raised: a Mistake, or WeightsUnreachable or BundleMissing where trying again may help.
    """
    if find_spec("torch") is None:
        kind = BundleMissing if options.is_official else WeightsRefused
        raise kind(
            f"There is no bundle of {options.model}, and without torch none can be made here. "
            f"Install requirements-torch.txt, or copy a bundle into {options.models_dir}."
        )
    run_reporting([*_pull_arguments(options)], BundleMissing, shows_progress=is_shown)


def _pull_arguments(options: ModelOptions) -> Iterator[str]:
    yield from ("pull", options.model, "--report", "--models-dir", str(options.models_dir))
    given = {
        "weights": options.weights,
        "labels": options.labels_file,
        "name": options.name,
        "version": options.version,
    }
    for name, value in (given | options.recipe.given).items():
        if value:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            yield from (f"--{name}", text)
