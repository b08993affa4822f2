"""HTTPS, and stock clients with certificates, as gRPC's door has it."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http

from caffe_sdk.server import Options, RunningServer, Tls, start
from tests.server.security.certificates import make
from tests.server.squeezenet import wait_until_ready
from tests.serving.models import put


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def server(ours: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose clients need a certificate."""
    models = tmp_path_factory.mktemp("models")
    put(models)
    tls = Tls(str(ours / "server.pem"), str(ours / "server.key"), str(ours / "ca.pem"))
    with start(Options("127.0.0.1:0", http="127.0.0.1:0", models=str(models), tls=tls, grace=0)) as server:
        yield wait_until_ready(server)


def context(ours: Path, certificate: bool = True) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(ours / "ca.pem"))
    if certificate:
        made.load_cert_chain(ours / "client.pem", ours / "client.key")
    return made


def address(server: RunningServer) -> str:
    assert server.doors[0].address.startswith("https://127.0.0.1:")
    return server.doors[0].address.removeprefix("https://")


def test_who_shows_a_certificate_is_answered(server: RunningServer, ours: Path) -> None:
    connection = http.client.HTTPSConnection(address(server), context=context(ours), timeout=30)
    connection.request("GET", "/v2/health/ready")
    assert connection.getresponse().status == 200
    connection.close()


def test_who_shows_none_is_not(server: RunningServer, ours: Path) -> None:
    connection = http.client.HTTPSConnection(address(server), context=context(ours, False), timeout=30)
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):  # noqa: PT012
        connection.request("GET", "/v2/health/ready")
        connection.getresponse()
    connection.close()
    plain = http.client.HTTPConnection(address(server), timeout=30)
    with pytest.raises((ConnectionError, http.client.HTTPException)):  # noqa: PT012
        plain.request("GET", "/v2/health/ready")
        plain.getresponse()
    plain.close()


def test_stock_clients_with_certificates(server: RunningServer, ours: Path) -> None:
    values = np.zeros((2, 3, 8, 8), np.float32)
    files = [str(ours / name) for name in ("ca.pem", "client.key", "client.pem")]
    over_grpc = triton_grpc.InferenceServerClient(
        server.address, ssl=True, root_certificates=files[0], private_key=files[1], certificate_chain=files[2]
    )
    over_http = triton_http.InferenceServerClient(address(server), ssl=True, ssl_context_factory=lambda: context(ours))
    for kind, client in ((triton_grpc, over_grpc), (triton_http, over_http)):
        with client:
            tensor = kind.InferInput("data", list(values.shape), "FP32")
            tensor.set_data_from_numpy(values)
            assert client.infer("small", [tensor]).as_numpy("prob").shape == (2, 5)
