"""The image's HEALTHCHECK: fail unless /healthz returns 200."""

import os
from urllib.request import urlopen

port = os.environ["PINWATCH_HTTP"].rpartition(":")[2]
urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2).close()
