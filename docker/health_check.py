"""The image's health check: succeeds while /health answers 200, so `degraded` is well enough."""

import os
import sys
from urllib.request import ProxyHandler, build_opener

port = os.getenv("TOPFIVE_PORT") or os.getenv("PORT") or "5000"
# A proxy that the environment names is for the way out, not for this.
opener = build_opener(ProxyHandler({}))
try:
    with opener.open(f"http://127.0.0.1:{port}/health", timeout=4) as answer:
        sys.stdout.write(answer.read().decode())
except OSError as error:
    sys.exit(str(error))
