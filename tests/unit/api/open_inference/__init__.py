"""The Open Inference Protocol: requests read, answers written."""
