"""Measured choices: taken, remembered, bounded, and none the worse for files that are damaged or cannot be written."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
import time

import pytest

from caffe_sdk.engine.cpu import tuning
from caffe_sdk.engine.cpu.library import Unsupported
from caffe_sdk.engine.work import Work
from caffe_sdk.memory import new_tensor
from caffe_sdk.threads import set_num_threads
from tests.engine.cpu.twins import agree, geometry

SAME = geometry((3, 3), pad=1)
SHAPES = {"x": (1, 16, 8, 8), "weight": (16, 16, 3, 3), "y": (1, 16, 8, 8)}
KEY = "convolution (1,16,8,8) (1,16,8,8) 3 (1,1) 1"


@pytest.fixture(autouse=True)
def _tuning(tmp_path, monkeypatch):
    """Measuring is on, with nothing known and nothing spent."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(tuning, "_state", tuning._State())
    tuning.set_tuning(True)


def fresh(monkeypatch):
    """As another process would begin."""
    monkeypatch.setattr(tuning, "_state", tuning._State())
    tuning.set_tuning(True)


def convolve():
    """The steps of a program that convolves."""
    return agree(SHAPES, lambda e, t: e.convolution(t["x"], t["weight"], None, t["y"], SAME)).names()


def stored():
    return json.loads(tuning.file_of_choices().read_text())["seconds"]


def sleeping(seconds):
    """A way that takes so long."""

    def planner(plan, work):
        plan.step("sleep", time.sleep, seconds)

    return planner


def impossible(plan, work):
    raise Unsupported("test", "no such way")


def work_of(shape=(2, 3)):
    return Work("nothing", {"x": new_tensor(shape)}, ())


# -- choosing ----------------------------------------------------------------------------------------------------------


def test_all_ways_are_measured_and_the_quickest_is_taken():
    names = convolve()
    seconds = stored()[KEY]
    assert set(seconds) == {"direct", "winograd", "loop"}
    quickest = min(seconds, key=seconds.get)
    assert any(name.endswith(("winograd", "forward loop")[quickest == "loop"]) for name in names) == (
        quickest != "direct"
    )


@pytest.mark.parametrize("way", ["direct", "winograd"])
def test_what_is_remembered_is_not_measured_again(way, monkeypatch):
    path = tuning.file_of_choices()
    tuning.save(path, {KEY: {"direct": 1.0, "winograd": 1.0, way: 0.5}})
    monkeypatch.setattr(tuning, "measured", lambda *_: pytest.fail("measured again"))
    assert any("winograd" in name for name in convolve()) == (way == "winograd")


def test_gradients_have_choices_of_their_own():
    shapes = {"dy": (1, 16, 8, 8), "weight": (16, 16, 3, 3), "dx": (1, 16, 8, 8)}
    agree(shapes, lambda e, t: e.convolution_grad_data(t["dy"], t["weight"], t["dx"], SAME))
    assert list(stored()) == [KEY.replace("convolution", "convolution_grad_data")]


def test_off_nothing_is_measured_and_the_rule_decides(monkeypatch):
    tuning.set_tuning(False)
    assert not tuning.tuning()
    convolve()
    assert not tuning.file_of_choices().exists()


@pytest.mark.parametrize(("value", "on"), [("1", True), ("0", False), ("", False)])
def test_the_environment_switches_it_on(value, on, monkeypatch):
    monkeypatch.setenv("CAFFE_TUNE", value)
    monkeypatch.setattr(tuning, "_state", tuning._State())
    assert tuning.tuning() is on


def test_ways_that_are_gone_are_measured_anew():
    tuning.save(tuning.file_of_choices(), {"k": {"gone": 1e-9, "quick": 1.0}})
    assert tuning.quickest("k", {"quick": sleeping(0), "slow": sleeping(0.01)}, work_of()) == "quick"
    assert set(stored()["k"]) == {"quick", "slow"}


def test_ways_that_cannot_be_planned_are_left_out():
    assert tuning.quickest("k", {"no": impossible, "yes": sleeping(0)}, work_of()) == "yes"
    assert tuning.quickest("none", {"no": impossible}, work_of()) is None


# -- bounds ------------------------------------------------------------------------------------------------------------


def test_a_shape_takes_no_more_than_its_time(monkeypatch):
    monkeypatch.setattr(tuning, "SECONDS_OF_SHAPE", 0.05)
    start = time.perf_counter()
    assert tuning.quickest("k", {"a": sleeping(0.002), "b": sleeping(0.004)}, work_of()) == "a"
    assert tuning.quickest("slow", {"a": sleeping(0.06), "b": sleeping(10)}, work_of()) is None
    assert time.perf_counter() - start < 0.5
    assert "slow" not in stored()


def test_all_shapes_together_take_no_more_than_theirs(monkeypatch):
    monkeypatch.setattr(tuning, "SECONDS_IN_ALL", 0.01)
    assert tuning.quickest("first", {"a": sleeping(0.002)}, work_of()) == "a"
    assert tuning.quickest("second", {"a": sleeping(0.002)}, work_of()) is None
    assert tuning.quickest("first", {"a": sleeping(0.002)}, work_of()) == "a", "known"


def test_a_shape_there_is_no_memory_for():
    assert tuning.quickest("k", {"a": sleeping(0)}, work_of((1 << 30, 1 << 30))) is None


# -- the file ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", "[" * 100_000, "\0\xff"),
        *('{"seconds": 5}', '{"seconds": {"k": 5}}', '{"seconds": {"k": {}}}'),
        *('{"seconds": {"k": {"a": "b"}}}', '{"seconds": {"k": {"a": -1.0}}}', '{"seconds": {"k": {"a": NaN}}}'),
    ],
)
def test_damaged_files_are_as_good_as_none(text):
    path = tuning.file_of_choices()
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="latin1")
    assert tuning.load(path) == {}
    assert tuning.quickest("k", {"a": sleeping(0)}, work_of()) == "a"
    assert set(stored()) == {"k"}


def test_a_folder_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "caffe_sdk").write_text("a file where the folder should be")
    assert tuning.quickest("k", {"a": sleeping(0)}, work_of()) == "a"
    assert tuning.quickest("k", {"a": sleeping(0)}, work_of()) == "a"


def test_files_are_of_a_number_of_threads(monkeypatch):
    paths = set()
    for count in (1, 2):
        set_num_threads(count)
        paths.add(tuning.file_of_choices())
    assert len(paths) == 2


def test_without_a_cache_home_it_is_in_the_users_own(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in (None, "", "relative"):
        monkeypatch.delenv("XDG_CACHE_HOME") if value is None else monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert tuning.file_of_choices().is_relative_to(tmp_path / ".cache" / "caffe_sdk")


def test_processes_add_to_what_others_found(monkeypatch):
    tuning.quickest("mine", {"a": sleeping(0)}, work_of())
    path = tuning.file_of_choices()
    tuning.save(path, {"theirs": {"a": 0.5}})
    tuning.quickest("mine too", {"a": sleeping(0)}, work_of())
    assert set(stored()) == {"mine", "theirs", "mine too"}
    assert os.listdir(path.parent) == [path.name], "no temporary file is left"
    assert stat.S_ISREG(path.stat().st_mode)
    fresh(monkeypatch)
    assert tuning.quickest("theirs", {"a": impossible}, work_of()) == "a"


def test_many_writers_leave_a_whole_file():
    path = tuning.file_of_choices()
    stop = time.perf_counter() + 0.3
    problems = []

    def write(number):
        count = 0
        while time.perf_counter() < stop:
            tuning.save(path, {f"{number} {count % 5}": {"a": 0.5}})
            count += 1

    def read():
        while time.perf_counter() < stop:
            if path.exists():
                try:
                    json.loads(path.read_bytes())
                except ValueError as error:
                    problems.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(3)] + [threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert tuning.load(path)


def test_a_new_process_knows(tmp_path, root):
    code = (
        "from caffe_sdk.engine.cpu import tuning; from tests.engine.cpu.test_tuning import convolve, stored\n"
        "convolve(); print(tuning._state.spent, len(stored()))"
    )
    environment = {**os.environ, "CAFFE_TUNE": "1", "PYTHONPATH": str(root)}
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], env=environment, cwd=root, capture_output=True, text=True, check=True
        )
        for _ in range(2)
    ]
    spent = [float(run.stdout.split()[0]) for run in runs]
    assert spent[0] > 0
    assert spent[1] == 0
