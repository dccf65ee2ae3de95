"""OpenVINO without its telemetry, which would tell a third party of every start of a worker."""

import sys

# OpenVINO asks for this package when it is imported, and does without where it is missing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402

__all__ = ["openvino"]
