"""The one package that knows Gunicorn's inside; a test names every attribute that it relies on.

Gunicorn's parser reads heads and bodies, its response class writes answers, its arbiter starts and
replaces workers. What happens in between is topfive's own event loop.
"""

from topfive.server.adapter.messages import GunicornHttp
from topfive.server.adapter.processes import READY_WITHIN_S, Arbiter, Worker

__all__ = ["READY_WITHIN_S", "Arbiter", "GunicornHttp", "Worker"]
