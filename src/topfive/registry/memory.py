"""How much memory models take: estimated before one is loaded, measured while it is."""

from collections.abc import Callable

from topfive.bundles.manifest import GRAPH_WEIGHTS_FILE
from topfive.bundles.versions import KnownBundle
from topfive.classify.classifier import Classifier
from topfive.machine.probe import anonymous_bytes

# Measured (docs/decisions/0022): OpenVINO in f32 copies the weights in an order of its own, a sixth
# more than the file, and needs some 10 MB for each slot; in bf16 it takes half.
_WEIGHTS_FACTOR = 1.25
_BESIDE_WEIGHTS_BYTES = 24 * 1024**2
# Pictures that are decoded meanwhile are measured too.
_MOST_ESTIMATES = 2
NO_LIMIT_BYTES = 1 << 62


def estimate_bytes(bundle: KnownBundle) -> int:
    """Estimate what a bundle that was never loaded here takes, from the size of its weights."""
    return int(_weights_bytes(bundle) * _WEIGHTS_FACTOR) + _BESIDE_WEIGHTS_BYTES


class ModelMemory:
    """What the models of one worker may take together, in bytes, and what each was seen to take."""

    def __init__(
        self, limit_bytes: int = NO_LIMIT_BYTES, probe: Callable[[], int] = anonymous_bytes
    ) -> None:
        self.limit_bytes = limit_bytes
        self._probe = probe
        self._measured: dict[str, int] = {}

    def expect_bytes(self, bundle: KnownBundle) -> int:
        """Tell what a bundle took when it was last loaded here, else an estimate."""
        return self._measured.get(bundle.digest) or estimate_bytes(bundle)

    def measure(
        self, bundle: KnownBundle, load: Callable[[], Classifier]
    ) -> tuple[Classifier, int]:
        """Load a bundle; returns its classifier, and the bytes by which this process has grown.

        Never less than its weights, nor more than twice the estimate. Raises as `load`.
        """
        before = self._probe()
        classifier = load()
        grown = self._probe() - before
        most = estimate_bytes(bundle) * _MOST_ESTIMATES
        taken = max(_weights_bytes(bundle), min(grown, most))
        self._measured[bundle.digest] = taken
        return classifier, taken


def _weights_bytes(bundle: KnownBundle) -> int:
    try:
        return (bundle.folder / GRAPH_WEIGHTS_FILE).stat().st_size
    except OSError:
        return 0
