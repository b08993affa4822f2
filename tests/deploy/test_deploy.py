"""The files for containers, systemd and Kubernetes say what the server takes, and what they are to say."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from caffe_sdk.cli.flags import make_parser
from caffe_sdk.server.security import rights
from caffe_sdk.server.security.rights import Right


@pytest.fixture
def folder(root: Path) -> Path:
    return root / "tools" / "deploy"


def flags(arguments: list[str]) -> Namespace:
    """What ``caffe serve`` makes of arguments; it ends the test for those it does not take."""
    return make_parser().parse_args(["serve", *arguments])


def joined(text: str) -> list[str]:
    """The lines of a file that count, those that go on put together."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [line for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines() if line.strip()]


def is_guarded(options: Namespace) -> bool:
    """Whether a server asks for tokens, and encrypts or was told that something before it does."""
    return bool(options.auth and ((options.tls_cert and options.tls_key) or options.insecure))


def test_the_container(folder: Path) -> None:
    words = [line.split(maxsplit=1) for line in joined((folder / "Containerfile").read_text())]
    said = dict(words)
    assert json.loads(said["ENTRYPOINT"]) == ["caffe", "serve"]
    options = flags(json.loads(said["CMD"]))
    assert is_guarded(options)
    assert not options.insecure
    assert said["USER"] == "10001"
    assert set(said["EXPOSE"].split()) == {address.rpartition(":")[2] for address in (options.address, options.http)}
    assert [instruction for instruction, _ in words].count("FROM") == 2
    assert any("libgomp1" in rest for instruction, rest in words if instruction == "RUN"), "oneDNN cannot be loaded"
    assert said["STOPSIGNAL"] == "SIGTERM"


def test_hadolint_finds_nothing(folder: Path) -> None:
    linter = Path(sys.executable).with_name("hadolint")
    if not linter.exists():
        pytest.skip("hadolint has no wheel for this system")
    done = subprocess.run([linter, folder / "Containerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout


def test_the_container_s_build_gets_what_a_wheel_needs(root: Path) -> None:
    lines = [line for line in (root / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    project = (root / "pyproject.toml").read_text()
    found = re.findall(r"^(?:readme = |license-files = |only-include = )(.+)", project, re.MULTILINE)
    wanted = {"pyproject.toml", *re.findall(r'"([^"]+)"', " ".join(found))}
    assert {"README.md", "LICENSE", "caffe_sdk"} <= wanted
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == wanted


def unit(text: str) -> dict[str, list[str]]:
    """The entries of a systemd unit, by name."""
    found: dict[str, list[str]] = {}
    for line in joined(text):
        if "=" in line:
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_the_systemd_unit(folder: Path) -> None:
    entries = unit((folder / "caffe-serve.service").read_text())
    program, command, *arguments = shlex.split(entries["ExecStart"][0])
    assert (program, command) == ("/usr/local/bin/caffe", "serve")
    options = flags(arguments)
    assert is_guarded(options)
    assert not options.insecure
    assert options.files == f"/var/lib/{entries['StateDirectory'][0]}"
    assert entries["Environment"] == [f"NUMBA_CACHE_DIR=/var/cache/{entries['CacheDirectory'][0]}"]
    for name, value in {"NoNewPrivileges": "yes", "ProtectSystem": "strict", "CapabilityBoundingSet": ""}.items():
        assert entries[name] == [value]
    assert "MemoryDenyWriteExecute" not in entries, "oneDNN and Numba make machine code"


def test_systemd_takes_the_unit(folder: Path, tmp_path: Path) -> None:
    """What systemd itself says, where it is; the program and the user need not be there."""
    analyze = shutil.which("systemd-analyze")
    text = (folder / "caffe-serve.service").read_text()
    sections = re.findall(r"^\[(\w+)\]$", text, re.MULTILINE)
    assert sections == ["Unit", "Service", "Install"]
    if analyze is not None:
        (tmp_path / "caffe-serve.service").write_text(text.replace("/usr/local/bin/caffe", "/bin/true"))
        command = [analyze, "verify", "--man=no", str(tmp_path / "caffe-serve.service")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "caffe-serve.service" not in done.stderr, done.stderr


def test_systemd_finds_the_unit_safe(folder: Path) -> None:
    """What it may do, as systemd weighs it: 10 is everything, 2 is little for a server on the network."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    command = [analyze, "security", "--offline=true", "--threshold=20", str(folder / "caffe-serve.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def objects(folder: Path) -> dict[str, Any]:
    return {each["kind"]: each for each in yaml.safe_load_all((folder / "kubernetes.yaml").read_text())}


def test_kubernetes(objects: dict[str, Any]) -> None:
    assert set(objects) == {"Deployment", "Service", "NetworkPolicy"}
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    options = flags(container["args"])
    assert is_guarded(options)
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert ports == {
        "grpc": int(options.address.rpartition(":")[2]),
        "http": int(options.http.rpartition(":")[2]),
    }
    assert {each["targetPort"] for each in objects["Service"]["spec"]["ports"]} == set(ports)
    mounts = {each["mountPath"]: each for each in container["volumeMounts"]}
    assert mounts[options.models]["readOnly"]
    assert not mounts[options.files].get("readOnly")
    assert Path(options.auth).parent.as_posix() in mounts
    assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}


def test_kubernetes_knows_every_word(folder: Path) -> None:
    """As the schemas of its versions have it; the oldest that knows how to sleep before the end, and the newest."""
    text = (folder / "kubernetes.yaml").read_text()
    for version in ("1.30", kubernetes_validate.latest_version()):
        for each in yaml.safe_load_all(text):
            kubernetes_validate.validate(each, version, strict=True)


def test_the_server_ends_before_it_is_killed(folder: Path, objects: dict[str, Any]) -> None:
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert before + flags(container["args"]).grace_seconds < pod["terminationGracePeriodSeconds"]
    entries = unit((folder / "caffe-serve.service").read_text())
    _, _, *arguments = shlex.split(entries["ExecStart"][0])
    assert flags(arguments).grace_seconds < float(entries["TimeoutStopSec"][0])


def test_probes_need_no_token(objects: dict[str, Any]) -> None:
    (container,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    grpc_port = container["ports"][0]["containerPort"]
    assert container["startupProbe"]["grpc"]["port"] == container["readinessProbe"]["grpc"]["port"] == grpc_port
    assert rights.of_call("/grpc.health.v1.Health/Check") is Right.OPEN
    assert rights.of_path(container["livenessProbe"]["httpGet"]["path"]) is Right.OPEN


def test_pods_have_no_more_than_they_need(objects: dict[str, Any]) -> None:
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert objects["NetworkPolicy"]["spec"]["egress"] == []
    assert set(container["resources"]) == {"requests", "limits"}
