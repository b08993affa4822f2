"""Encryption and certificates: who is let in, who is refused with which error, and what the others notice."""

from __future__ import annotations

import logging
import os
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from caffe_sdk import client
from caffe_sdk.client import Security
from caffe_sdk.errors import AccessError, ArgumentError, BridgeError, CredentialsError, MissingFileError
from caffe_sdk.rpc import pb
from caffe_sdk.server import Options, RunningServer, Tls, start
from caffe_sdk.server.security.tls import _Follower
from tests.app.texts import NET
from tests.server.security.certificates import make


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("strange"))


def tls_of(folder: Path, mutual: bool = False) -> Tls:
    authority = str(folder / "ca.pem") if mutual else None
    return Tls(str(folder / "server.pem"), str(folder / "server.key"), authority)


def security_of(folder: Path, certificate: Path | None = None, **more: str) -> Security:
    own = (str(certificate / "client.pem"), str(certificate / "client.key")) if certificate else (None, None)
    return Security(None, str(folder / "ca.pem"), *own, **more)


@pytest.fixture(scope="module")
def server(ours: Path) -> Iterator[RunningServer]:
    with start(Options("127.0.0.1:0", tls=tls_of(ours), grace=0)) as server:
        yield server


@pytest.fixture(scope="module")
def mutual(ours: Path) -> Iterator[RunningServer]:
    with start(Options("127.0.0.1:0", tls=tls_of(ours, True), grace=0)) as server:
        yield server


def test_calls_are_encrypted(server: RunningServer, ours: Path) -> None:
    with client.connect(server.address, security=security_of(ours)) as remote:
        assert remote.net(NET).forward()["prob"].shape == (4, 5)
    named = security_of(ours, server_name="localhost")
    with client.connect(f"localhost:{server.port}", security=named) as remote:
        assert remote.information().version


def test_wrong_certificates_are_refused(server: RunningServer, ours: Path, strange: Path) -> None:
    """By an authority that did not sign, under a name that is not the server's, and without encryption."""
    with client.connect(server.address, security=security_of(ours)) as other:
        net = other.net(NET)
        for security in (security_of(strange), security_of(ours, server_name="elsewhere.example"), Security()):
            with pytest.raises(BridgeError, match="no server answered in time"):
                client.connect(server.address, timeout=0.3, security=security)
        assert net.forward()["prob"].shape == (4, 5)


def test_clients_show_certificates(mutual: RunningServer, ours: Path, strange: Path) -> None:
    with client.connect(mutual.address, security=security_of(ours, ours)) as remote:
        assert remote.net(NET).forward()["prob"].shape == (4, 5)
        assert remote.information().identity == "camera-7"
        for refused in (security_of(ours), security_of(ours, strange)):
            with pytest.raises(BridgeError, match="no server answered in time"):
                client.connect(mutual.address, timeout=0.3, security=refused)
        assert remote.information().nets == 0


def test_tokens_and_encryption_go_together(ours: Path, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("lab train correct-horse\n")
    options = Options("0.0.0.0:0", tls=tls_of(ours), tokens=str(tmp_path / "tokens"), grace=0)
    with start(options) as server:
        address = f"127.0.0.1:{server.port}"
        for token in (None, "wrong-horse"):
            with pytest.raises(CredentialsError):
                client.connect(address, security=Security(token, str(ours / "ca.pem")))
        with client.connect(address, security=Security("correct-horse", str(ours / "ca.pem"))) as remote:
            assert (remote.information().identity, remote.information().right) == ("lab", "train")
            with pytest.raises(AccessError, match="the right 'train' does not reach; the call takes the right 'admin'"):
                remote.models.load("x")


def test_a_new_certificate_is_taken(
    ours: Path, strange: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("server.pem", "server.key"):
        shutil.copy(ours / name, tmp_path)
    follower = _Follower(tls_of(tmp_path))
    assert follower.changed() is None
    (tmp_path / "server.pem").write_text("broken")
    with caplog.at_level(logging.ERROR):
        assert follower.changed() is None
    assert "the certificate stays as it was" in caplog.text
    for name in ("server.pem", "server.key"):
        shutil.copy(strange / name, tmp_path)
        os.utime(tmp_path / name, ns=(10**9, 10**9))
    assert follower.changed() is not None
    assert follower.changed() is None


def test_other_doors_get_a_context(ours: Path) -> None:
    assert tls_of(ours, True).context().verify_mode is ssl.CERT_REQUIRED
    assert tls_of(ours).context().verify_mode is ssl.CERT_NONE


def test_files_that_cannot_be_used(ours: Path, strange: Path, tmp_path: Path) -> None:
    missing = Tls(str(tmp_path / "none.pem"), str(ours / "server.key"))
    with pytest.raises(MissingFileError):
        start(Options("127.0.0.1:0", tls=missing))
    with pytest.raises(ArgumentError, match="is no certificate for the key"):
        start(Options("127.0.0.1:0", tls=Tls(str(ours / "server.pem"), str(strange / "server.key"))))
    (tmp_path / "empty").touch()
    with pytest.raises(ArgumentError, match="there is no certificate in it"):
        Tls(str(ours / "server.pem"), str(ours / "server.key"), str(tmp_path / "empty")).check()


def test_a_call_without_certificates_is_not_named(server: RunningServer, ours: Path) -> None:
    with client.connect(server.address, security=security_of(ours)) as remote:
        assert remote.call("GetInformation", pb.GetInformationRequest()).identity == ""
