from __future__ import annotations

import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from caffe_sdk.bridge import __main__, door, process
from caffe_sdk.bridge.frames import Flags, Frame, Kind, encode, read
from tests.doors.bridge_client import ROOT, Answered, Client, wait_for

Start = Callable[..., Client]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts bridges and leaves none behind."""
    clients: list[Client] = []

    def start(*arguments: str, pipe: bool = False, name: str = "bridge") -> Client:
        clients.append(Client(tmp_path / name / "dir", *arguments, pipe=pipe))
        return clients[-1]

    yield start
    for client in clients:
        client.close()


@pytest.fixture(params=["tcp", "pipe"])
def client(request: pytest.FixtureRequest, start: Start) -> Client:
    """A client that is connected."""
    return start(pipe=True) if request.param == "pipe" else start().connect()


def test_values_there_and_back(client: Client) -> None:
    assert client.call("echo", "été 図 'quoted' \"too\"") == "été 図 'quoted' \"too\""
    assert client.call("echo", ["a", "b"]) == ["a", "b"]
    assert client.call("echo", 3.5).tolist() == [[3.5]]


def test_20_megabytes_there_and_back(client: Client, rng: np.random.Generator) -> None:
    image = rng.standard_normal((5, 1000, 1000)).astype("f4")
    assert np.array_equal(client.call("echo", image), image)
    assert list(client.folder.glob("*.mat")) == []


def test_arrays_travel_in_frames_and_files_at_once(client: Client) -> None:
    small, large = np.arange(6, dtype="f4").reshape(2, 3), np.ones((200, 300))
    first, second, third = client.call("echo", [small, large, large])
    assert np.array_equal(first, small)
    assert np.array_equal(second, large)
    assert np.array_equal(third, large)


def test_files_are_for_the_user_alone_but_only_ours(client: Client, tmp_path: Path) -> None:
    client.answer(client.ask("touch", str(tmp_path / "users")))
    number = client.ask("zeros", 1e6)
    wait_for((client.folder / "r.mat").exists)
    assert stat.S_IMODE(client.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((client.folder / "r.mat").stat().st_mode) == 0o600
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "users").stat().st_mode) == 0o666 & ~umask
    client.answer(number)


def test_errors_have_identifier_and_words(client: Client) -> None:
    with pytest.raises(Answered) as error:
        client.call("missing", "x y.prototxt")
    assert error.value.identifier == "caffe:missingFile"
    assert error.value.words == "Could not open file x y.prototxt: it does not exist; check the path"


def test_a_fault_of_ours_is_answered_and_survived(client: Client) -> None:
    for request in (["nonsense"], [], ["echo"], ["zeros", "many"]):
        with pytest.raises(Answered) as error:
            client.call(*request)
        assert error.value.identifier == "caffe:internal"
    assert client.call("echo", "alive") == "alive"
    assert "Traceback" in client.errors.read_text()


def test_requests_that_are_no_values_are_answered(client: Client) -> None:
    for number, payload in enumerate([b"", b"\xff" * 30, b"\x22\x01\x01\0\0\0" * 90], 1):
        client.write(Frame(Kind.REQUEST, number, payload))
        with pytest.raises(Answered, match="caffe:bridge"):
            client.answer(number)
    client.write(Frame(Kind.REQUEST, 4, b"", Flags.IN_FILE))
    with pytest.raises(Answered, match=r"q4\.mat"):
        client.answer(4)
    client.sequence = 4
    assert client.call("echo", "alive") == "alive"


def test_log_text_comes_while_the_work_goes_on(client: Client) -> None:
    client.call("say", "Iteration 0, loss = 2.3\n")
    assert client.logs == ["Iteration 0, loss = 2.3\n"]


def test_what_is_printed_does_not_disturb(client: Client) -> None:
    client.call("print", "a Python layer says hello")
    assert client.call("echo", "alive") == "alive"


def test_a_pulse_while_the_work_goes_on(client: Client) -> None:
    client.call("work", 1.5)
    assert client.logs == [""]


def test_cancel(client: Client) -> None:
    number = client.ask("work", 60)
    client.write(Frame(Kind.CANCEL, number))
    with pytest.raises(Answered, match="caffe:cancelled\nwork: was stopped"):
        client.answer(number)
    client.write(Frame(Kind.CANCEL, number))  # too late: nothing happens
    assert client.call("work", 0.1) is not None


def test_requests_without_a_reply(client: Client) -> None:
    client.ask("echo", "unheard", flags=Flags.NO_REPLY)
    client.ask("nonsense", flags=Flags.NO_REPLY)
    client.ask("zeros", 1e5, flags=Flags.NO_REPLY)
    assert client.call("echo", "heard") == "heard"
    assert list(client.folder.glob("*.mat")) == []


def test_it_ends_with_the_client_and_leaves_nothing(client: Client) -> None:
    client.ask("work", 60)
    client.hang_up()
    assert client.ended() == 0
    assert not client.folder.exists()


def test_a_computation_that_does_not_stop_is_ended(start: Start) -> None:
    client = start().connect()
    client.ask("stubborn", 60)
    client.hang_up()
    assert client.ended(process.LAST_WORDS + 10) == 9
    assert not client.folder.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n".ljust(64),
        encode(Frame(Kind.RESULT, 1)),
        b"C1Q\0" + struct.pack("<IQ", 1, 2**62).ljust(60, b"\0"),
    ],
    ids=["not a frame", "a frame of the bridge's", "an endless payload"],
)
def test_a_client_that_talks_nonsense_is_hung_up_on(client: Client, data: bytes) -> None:
    client.writer.write(data)
    client.writer.flush()
    with pytest.raises(Answered, match="caffe:bridge\nframe"):
        client.answer(0)
    assert read(client.reader) is None
    assert client.ended() == 0
    assert not client.folder.exists()


def test_random_bytes_never_hang_it(start: Start, rng: np.random.Generator) -> None:
    client = start().connect()
    for number in range(1, 200):
        client.write(Frame(Kind.REQUEST, number, rng.bytes(int(rng.integers(0, 200)))))
        with pytest.raises(Answered):
            client.answer(number)
    client.sequence = 200
    assert client.call("echo", "alive") == "alive"


def test_sigterm_leaves_nothing(client: Client) -> None:
    client.process.send_signal(signal.SIGTERM)
    assert client.ended() == 128 + signal.SIGTERM
    assert not client.folder.exists()


def test_ctrl_c_is_for_the_client(client: Client) -> None:
    client.process.send_signal(signal.SIGINT)
    assert client.call("echo", "alive") == "alive"


def test_when_it_dies_the_client_sees_it_at_once(client: Client) -> None:
    client.ask("die")
    started = time.monotonic()
    assert read(client.reader) is None
    assert time.monotonic() - started < 1
    assert client.ended() == 3


# ------------------------------------------------------------------------------------------------ the way in


def test_strangers_are_refused_and_the_client_still_gets_in(start: Start) -> None:
    client = start()
    port, token = client.ready()
    silent = socket.create_connection(("127.0.0.1", port))
    slow = socket.create_connection(("127.0.0.1", port))
    slow.sendall(b"C1H")
    for hello in (b"0" * 64, token[:-1].encode() + b"!", b"", token.encode() + b"0"):
        stranger = socket.create_connection(("127.0.0.1", port), timeout=20)
        stranger.sendall(encode(Frame(Kind.HELLO, 0, hello)).ljust(80, b"\0"))
        assert hung_up(stranger)
        stranger.close()
    client.connect()
    assert client.call("echo", "in") == "in"
    silent.close()
    slow.close()


def test_many_strangers_at_once(start: Start) -> None:
    client = start()
    port, _ = client.ready()
    crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(3 * door.MAX_STRANGERS)]
    client.connect()
    for stranger in crowd:
        stranger.close()


def test_a_silent_stranger_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "HELLO_TIME", 0.1)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as stranger,
    ):
        assert door.admit(listener, "token", 0.5) is None
        stranger.settimeout(5)
        assert hung_up(stranger)


def hung_up(connection: socket.socket) -> bool:
    """Whether the other side hangs up without a word."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:  # with our words unread
        return True


def test_nobody_else_gets_in_after_the_client(start: Start) -> None:
    client = start()
    port, _ = client.ready()
    client.connect()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_the_ready_file_is_for_the_user_alone(start: Start) -> None:
    client = start()
    _, token = client.ready()
    assert len(token) == 64
    assert stat.S_IMODE((client.folder / "ready").stat().st_mode) == 0o600


def test_two_bridges_at_once(start: Start) -> None:
    first, second = start(name="one").connect(), start(name="two").connect()
    assert first.ready()[1] != second.ready()[1]
    number = first.ask("work", 0.5)
    assert second.call("echo", "meanwhile") == "meanwhile"
    first.answer(number)


def test_without_a_client_it_ends(start: Start) -> None:
    client = start("--accept-timeout", "0.3")
    assert client.ended() == 9
    assert not client.folder.exists()


def test_odd_folder_names(start: Start) -> None:
    client = start(name='it\'s a "folder" $HOME é 図').connect()
    assert client.call("zeros", 1e5).shape == (1, 100000)


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    os.symlink(tmp_path, tmp_path / "link")
    for folder, words in ((tmp_path / "file", "File exists"), (tmp_path / "link", "is not a folder of this user")):
        command = [sys.executable, "-m", "caffe_sdk.bridge", "--dir", str(folder)]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert result.returncode == 5
        assert words in result.stderr
    assert (tmp_path / "file").exists()


def test_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        __main__.main(["--help"])
    assert "--accept-timeout" in capsys.readouterr().out
