"""The Open Inference Protocol, version 2, over HTTP: what KServe and Triton's clients speak.

Sources: KServe's "Open Inference Protocol (V2)" and its "Binary Tensor Data Extension".
"""
