"""The API's published description. Nothing is asked of any server for it."""

import json
from typing import cast

from sink_worker.admin.application import make_api
from sink_worker.admin.backend import Backend


def openapi_text() -> str:
    """OpenAPI as JSON. The routes are only described, and need no backend for that."""
    return json.dumps(make_api(cast("Backend", None)).openapi(), indent=2, ensure_ascii=False) + "\n"
