"""Models of other formats, ONNX and OpenVINO IR, taken in as bundles. It needs no torch."""
