from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from aiohttp import web

from caffe_sdk.server.backend import Backend
from caffe_sdk.server.http.routes import Routes
from caffe_sdk.server.options import Options
from caffe_sdk.server.security.rights import Right, of_path

OPEN = {"/v2/health/live", "/v2/health/ready", "/livez", "/healthz", "/readyz"}
ADMIN = {"/v2/repository/models/{model}/load", "/v2/repository/models/{model}/unload"}


def test_the_right_for_every_path(tmp_path: Path) -> None:
    """What changes the server takes the highest right, what tells of health none, all else the right to infer."""
    backend = Backend.of(Options(models=str(tmp_path)))
    assert backend.repository is not None
    with ThreadPoolExecutor(1) as pool:
        app = web.Application()
        app.add_routes(Routes(backend, backend.repository, pool).table())
    paths: set[Any] = {resource.canonical for resource in app.router.resources()}
    backend.close()
    left_out = {path for path in paths if path.startswith(("/v2/trace", "/v2/logging"))}
    assert {path for path in paths if of_path(path) is Right.OPEN} == OPEN
    assert {path for path in paths if of_path(path) is Right.ADMIN} - left_out == ADMIN
    assert {path for path in paths if of_path(path) is Right.INFER} >= {"/metrics", "/v2/models/{model}/infer"}
