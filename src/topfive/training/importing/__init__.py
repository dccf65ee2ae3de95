"""Models that were made elsewhere: ONNX files and OpenVINO IR become bundles."""
