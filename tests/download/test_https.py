"""Certificates and tunnels, with a certificate made for the test."""

import shutil
import ssl
import subprocess

import file_server as turns
import pytest
from conftest import CONTENT, SHA256

from graphium.errors import DownloadError

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is not there to make a certificate"
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 "
        "-addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out certificate.pem"
    )
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def server(server, certificate):
    """The server of the other tests, over https."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.scheme = "https"
    return server


def test_a_certificate_that_is_named_is_trusted(server, get, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "certificate.pem"))
    server.add("/data.bin", CONTENT, turns.cut(20_000))

    assert get().file.path.read_bytes() == CONTENT
    assert server.requests[1][1]["Range"] == "bytes=20000-"


def test_a_certificate_that_nobody_vouches_for_ends_the_download(server, get, folder):
    server.add("/data.bin", CONTENT)
    with pytest.raises(
        DownloadError, match=r"certificate of 127\.0\.0\.1 is not trusted.*SSL_CERT"
    ):
        get(sha256=SHA256)
    assert server.requests == []
    assert not (folder / "data.bin").exists()


def test_https_does_not_turn_into_http(server, get, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "certificate.pem"))
    server.add("/data.bin", CONTENT, turns.redirect("http://127.0.0.1/data.bin"))
    with pytest.raises(DownloadError, match="refused: from https to http"):
        get(sha256=SHA256)


def test_a_proxy_that_does_not_let_through_is_named(server, get, monkeypatch):
    closed = turns.FileServer()  # has no CONNECT
    try:
        monkeypatch.setenv("https_proxy", closed.url("").replace("//", "//me:secret@"))
        with pytest.raises(
            DownloadError, match=r"Tunnel connection failed: 501.*proxy http"
        ) as error:
            get(sha256=SHA256)
    finally:
        closed.close()
    assert "secret" not in str(error.value)
