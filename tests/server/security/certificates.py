"""Certificates for tests, made by openssl: an authority, a server's and a client's that it signed."""

from __future__ import annotations

import subprocess
from pathlib import Path


def make(folder: Path, name: str = "authority") -> Path:
    """An authority's certificate; server.pem, server.key, client.pem, client.key beside it. Gives the folder."""
    folder.mkdir(exist_ok=True)
    _run(folder, "req", "-x509", *_new("ca"), "-subj", f"/CN={name}", "-days", "2", "-out", "ca.pem")
    for who, subject in (("server", "localhost"), ("client", "camera-7")):
        _run(folder, "req", *_new(who), "-subj", f"/CN={subject}", "-out", f"{who}.csr")
        (folder / f"{who}.ext").write_text(f"subjectAltName=DNS:{subject},IP:127.0.0.1\n")
        signs = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", f"{who}.ext"]
        _run(folder, "x509", "-req", "-in", f"{who}.csr", *signs, "-out", f"{who}.pem")
    return folder


def _new(name: str) -> list[str]:
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key"]


def _run(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
