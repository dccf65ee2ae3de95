"""The peer LitServe: topfive's graph behind LitServe's HTTP servers and inference workers.

Every choice that LitServe leaves to its user comes from the environment, so that the comparison can
try them: WORKERS (inference processes), API_SERVERS (HTTP processes), FAST_QUEUE (ZeroMQ instead of
a manager's queue for the answers), THREADS (of one inference), PORT.
"""

import os

import litserve as ls
import numpy as np
from numpy.typing import NDArray
from pipeline import Pipeline


class Classifier(ls.LitAPI):
    """An upload's part `file` in, the five most likely classes out."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe calls it so
        """Compile the graph, once in each inference worker."""
        self._pipeline = Pipeline(streams=1)
        self._request = self._pipeline.create_request()

    # Without a type LitServe hands over the parsed form; it would validate by any other.
    def decode_request(self, request):  # type: ignore[no-untyped-def]
        """Take the picture from the form: uint8 pixels."""
        return self._pipeline.prepare(request["file"].file.read())

    def predict(self, x: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score one picture; batches gain nothing on a CPU."""
        return self._pipeline.infer(self._request, x)

    # Without a type LitServe does not validate the answer.
    def encode_response(self, output):  # type: ignore[no-untyped-def]
        """Name the five best classes."""
        return self._pipeline.name_best(output)


def main() -> None:
    """Serve on 127.0.0.1 until interrupted."""
    server = ls.LitServer(
        Classifier(),
        accelerator="cpu",
        workers_per_device=int(os.environ["WORKERS"]),
        fast_queue=os.environ["FAST_QUEUE"] == "yes",
    )
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        num_api_servers=int(os.environ["API_SERVERS"]),
        log_level="warning",
        generate_client_file=False,
    )


if __name__ == "__main__":
    main()
