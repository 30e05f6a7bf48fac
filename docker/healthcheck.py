"""Fail unless pinwatch answers /healthz. This is the image's HEALTHCHECK."""

import os
from urllib.request import urlopen

port = os.environ["PINWATCH_HTTP"].rpartition(":")[2]
urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2).close()
