"""Measure what metrics and traces cost a prediction, in CPU time.

python benchmarks/telemetry_cost.py
"""

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from topfive.predictions import ClassScore, ImageInfo, ModelRef, Prediction, Timings
from topfive.telemetry.metric_files import prepare_files
from topfive.telemetry.prometheus import open_metrics
from topfive.telemetry.traces import NoTraces, Stage, Traces, open_traces

REPEATS = 2000
PREDICTION = Prediction(
    ModelRef("model", "1"),
    (ClassScore(1, "class", 0.5),),
    ImageInfo("JPEG", 500, 375),
    Timings(0.1, 2.0, 1.0, 10.0, 13.0),
)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
# Nobody listens there: spans are made, kept and thrown away.
NOWHERE = "http://127.0.0.1:9"


def cpu_us(work: Callable[[], object]) -> float:
    """Measure the CPU time of one call, in microseconds, after as many to warm up."""
    for _ in range(2):
        began_s = time.process_time()
        for _ in range(REPEATS):
            work()
    return (time.process_time() - began_s) / REPEATS * 1e6


def trace_one(traces: Traces, traceparent: str) -> None:
    """Begin and finish one request with its five stages."""
    trace = traces.begin(traceparent)
    trace.finish("POST /predict", {"http.route": "/predict"}, [Stage("decode", 0, 1)] * 5)


def main() -> None:
    """Print the three figures."""
    with TemporaryDirectory(dir="/dev/shm") as folder:
        prepare_files(Path(folder))
        metrics = open_metrics(Path(folder))

        def count() -> None:
            metrics.count_request("/predict", "POST", 200, 0.013)
            metrics.count_prediction(PREDICTION)

        print(f"metrics of a prediction: {cpu_us(count):.1f} us")
    untraced, traced = NoTraces(), open_traces(NOWHERE, "0")
    print(f"traces off: {cpu_us(lambda: trace_one(untraced, '')):.1f} us")
    print(f"traces on: {cpu_us(lambda: trace_one(traced, TRACEPARENT)):.1f} us")


if __name__ == "__main__":
    main()
