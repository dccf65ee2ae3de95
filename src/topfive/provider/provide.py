"""Brings a bundle that is not here: from a store that has it, else by making it."""

from topfive.errors import BundleMissing, StoreUnreachable
from topfive.provider.pull_process import pull_in_own_process
from topfive.provider.store_process import fetch_in_own_process, stored_reference
from topfive.registry.desired import ModelOptions


def provide_bundle(options: ModelOptions, *, is_shown: bool = False) -> bool:
    """Bring the bundle that `options` mean, in a process of its own; returns whether it was made.

    An official model is made where the store does not give it. Raises a Mistake, or BundleMissing,
    StoreUnreachable or WeightsUnreachable where trying again may help.
    """
    if not options.may_be_stored:
        pull_in_own_process(options, is_shown=is_shown)
        return True
    try:
        fetch_in_own_process(stored_reference(options), options, is_shown=is_shown)
    except (BundleMissing, StoreUnreachable) as error:
        if not options.is_official:
            raise
        _make_instead(options, error, is_shown=is_shown)
        return True
    return False


def _make_instead(
    options: ModelOptions, cause: BundleMissing | StoreUnreachable, *, is_shown: bool
) -> None:
    try:
        pull_in_own_process(options, is_shown=is_shown)
    except BundleMissing:
        # It cannot be made here at all: what the store said is what to mend.
        raise cause from None
