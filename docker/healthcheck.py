"""The image's HEALTHCHECK: ends with an error unless the HTTP side answers."""

import os
from urllib.request import Request, urlopen

port = os.environ["PINWATCH_HTTP"].rpartition(":")[2]
token = os.environ.get("PINWATCH_HTTP_TOKEN", "")
request = Request(f"http://127.0.0.1:{port}/healthz")
request.add_header("Authorization", f"Bearer {token}")
urlopen(request, timeout=2).close()
