"""A folder of models: loaded, followed, unloaded, without disturbing what is under way."""

from __future__ import annotations

import gc
import json
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffe_sdk.errors import CaffeError, HandleError, MissingFileError, NotReadyError
from caffe_sdk.serving import InferRequest, Options, Repository
from caffe_sdk.serving import repository as repository_module
from caffe_sdk.serving.deploy import Deployed
from caffe_sdk.serving.folder import VersionFiles
from tests.serving.models import SMALL, put
from tests.waiting import until

ITEM = {"data": np.ones((1, 3, 8, 8), np.float32)}


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    with Repository(tmp_path) as repository:
        yield repository


def states(repository: Repository) -> dict[str, str]:
    return {f"{each.name}:{each.version}": each.state for each in repository.index()}


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="the folder of models cannot be read"):
        Repository(tmp_path / "nowhere")


def test_the_newest_version_is_served(tmp_path: Path, repository: Repository) -> None:
    put(tmp_path, version=2)
    put(tmp_path, version=10)
    assert not repository.ready()
    repository.poll()
    assert states(repository) == {"small:10": "READY"}
    assert repository.get("small").version == "10"
    assert repository.ready()
    assert repository.ready("small")
    assert not repository.ready("small", "2")


def test_several_versions_at_once(tmp_path: Path, repository: Repository) -> None:
    put(tmp_path, version=1)
    put(tmp_path, version=2, versions="all")
    repository.poll()
    assert states(repository) == {"small:1": "READY", "small:2": "READY"}
    one, two = (repository.get("small", version).infer(InferRequest(ITEM)) for version in ("1", "2"))
    assert (one.version, two.version) == ("1", "2")
    assert not np.allclose(one.outputs["prob"], two.outputs["prob"])


def test_names_that_are_none(tmp_path: Path, repository: Repository) -> None:
    put(tmp_path)
    repository.poll()
    with pytest.raises(HandleError, match="model 'big': there is none of this name"):
        repository.get("big")
    for version in ("2", "x", "-1", "١"):
        with pytest.raises(HandleError, match=r"there is no version .*; there are: 1"):
            repository.get("small", version)
    with pytest.raises(HandleError, match="there is no such folder"):
        repository.load("../small")
    with pytest.raises(HandleError, match="there is none of this name"):
        repository.unload("big")


def test_one_broken_model_hurts_no_other(tmp_path: Path, repository: Repository) -> None:
    put(tmp_path)
    broken = put(tmp_path, "broken")
    (broken / "deploy.prototxt").write_text("layer { nonsense }")
    (put(tmp_path, "unclear", None) / "config.json").write_text("{")
    repository.poll()
    assert states(repository) == {"broken:1": "UNAVAILABLE", "small:1": "READY", "unclear:1": "UNAVAILABLE"}
    reasons = {each.name: each.reason for each in repository.index()}
    assert "deploy.prototxt:1" in reasons["broken"]
    assert "config.json: this is not JSON" in reasons["unclear"]
    assert not repository.ready()
    with pytest.raises(NotReadyError, match=r"model 'broken': is UNAVAILABLE: .*deploy\.prototxt"):
        repository.get("broken")
    with pytest.raises(NotReadyError, match=r"deploy.prototxt.*load it again"):
        repository.load("broken")
    (broken / "deploy.prototxt").write_text(SMALL)
    repository.load("broken")
    assert repository.ready("broken")


def test_what_is_being_copied_is_left_until_it_is_whole(tmp_path: Path, repository: Repository) -> None:
    repository.poll()
    folder = put(tmp_path)
    whole = (folder / "small.caffemodel").read_bytes()
    (folder / "small.caffemodel").write_bytes(whole[:100])
    repository.poll()
    assert [each.reason for each in repository.index()] == ["its files are still changing"]
    (folder / "small.caffemodel").write_bytes(whole[:200])
    repository.poll()
    assert states(repository) == {"small:1": "UNAVAILABLE"}
    repository.poll()
    assert "small.caffemodel" in repository.index()[0].reason  # it looked whole, and is not
    (folder / "small.caffemodel").write_bytes(whole)
    repository.poll()
    repository.poll()
    assert states(repository) == {"small:1": "READY"}


def test_a_new_version_takes_over_and_the_old_one_ends_in_peace(tmp_path: Path, repository: Repository) -> None:
    put(tmp_path, version=1)
    repository.poll()
    old = repository.get("small")
    pending = [old.submit(InferRequest(ITEM)) for _ in range(20)]
    put(tmp_path, version=2)
    repository.poll()
    repository.poll()
    assert states(repository) == {"small:2": "READY"}
    assert all(each.result(10).version == "1" for each in pending)
    with pytest.raises(NotReadyError, match="is being unloaded"):
        old.submit(InferRequest(ITEM))


def test_changed_files_are_loaded_anew_and_broken_ones_left_out(tmp_path: Path, repository: Repository) -> None:
    folder = put(tmp_path)
    repository.poll()
    before = repository.get("small").infer(InferRequest(ITEM)).outputs["prob"]
    put(tmp_path)
    repository.load("small")
    after = repository.get("small").infer(InferRequest(ITEM)).outputs["prob"]
    assert not np.allclose(before, after)
    (folder / "small.caffemodel").write_bytes(b"")
    repository.poll()
    repository.poll()
    assert repository.index()[0].reason.startswith("its changed files are left out")
    np.testing.assert_allclose(repository.get("small").infer(InferRequest(ITEM)).outputs["prob"], after, rtol=1e-5)


def test_unloading_and_loading(tmp_path: Path, repository: Repository) -> None:
    put(tmp_path)
    repository.poll()
    repository.unload("small")
    repository.poll()
    assert [(each.state, each.reason) for each in repository.index()] == [("UNAVAILABLE", "unloaded")]
    with pytest.raises(NotReadyError, match="UNAVAILABLE: unloaded"):
        repository.get("small")
    repository.load("small")
    assert repository.ready("small")


def test_a_folder_that_goes(tmp_path: Path, repository: Repository) -> None:
    put(tmp_path)
    repository.poll()
    (tmp_path / "small").rename(tmp_path / ".small")
    repository.poll()
    assert repository.index() == []
    with pytest.raises(HandleError):
        repository.get("small")


def test_watching(tmp_path: Path) -> None:
    with Repository(tmp_path, Options(poll_seconds=0.01)) as repository:
        repository.poll()
        repository.watch()
        put(tmp_path)
        until(lambda: repository.ready("small"))
        assert repository.get("small").version == "1"


def test_a_graceful_end(tmp_path: Path) -> None:
    put(tmp_path)
    with Repository(tmp_path) as repository:
        repository.poll()
        pending = [repository.get("small").submit(InferRequest(ITEM)) for _ in range(10)]
        assert repository.drain(10)
        assert all(each.done() for each in pending)
        assert not repository.ready()


def test_configuration_is_part_of_what_is_followed(tmp_path: Path, repository: Repository) -> None:
    put(tmp_path)
    repository.poll()
    (tmp_path / "small" / "config.json").write_text(json.dumps({"max_batch_size": 3}))
    repository.poll()
    repository.poll()
    assert repository.get("small").config.max_batch_size == 3


def test_versions_change_and_no_client_notices(tmp_path: Path, repository: Repository) -> None:
    put(tmp_path, version=1)
    repository.poll()
    ends, seen, failed = threading.Event(), set(), []

    def client() -> None:
        while not ends.is_set():
            try:
                seen.add(repository.get("small").infer(InferRequest(ITEM)).version)
            except CaffeError as error:
                failed.append(error)

    clients = [threading.Thread(target=client) for _ in range(4)]
    for each in clients:
        each.start()
    until(lambda: "1" in seen)
    for version in ("2", "3"):
        put(tmp_path, version=int(version))
        repository.load("small")
        until(lambda version=version: version in seen)
    put(tmp_path, version=3)  # the same version with other weights
    repository.load("small")
    ends.set()
    for each in clients:
        each.join(30)
    assert failed == []
    assert seen == {"1", "2", "3"}


def test_what_nobody_thought_of_hurts_no_other(
    tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a")
    put(tmp_path, "b")
    real = repository_module.deploy

    def deploy(files: VersionFiles, *more: Any) -> Deployed:
        if files.folder.parent.name == "a":
            raise RecursionError("too deep")
        return real(files, *more)

    monkeypatch.setattr(repository_module, "deploy", deploy)
    repository.poll()
    assert states(repository) == {"a:1": "UNAVAILABLE", "b:1": "READY"}
    assert "RecursionError: too deep" in repository.index()[0].reason


def test_a_model_too_large_is_told_before_memory_is_taken(tmp_path: Path, repository: Repository) -> None:
    put(tmp_path, max_batch_size=10**7)
    repository.poll()
    assert "10000000 items take" in repository.index()[0].reason


def test_what_is_unloaded_is_freed(tmp_path: Path, repository: Repository) -> None:
    put(tmp_path)
    repository.poll()
    model = repository.get("small")
    model.infer(InferRequest(ITEM))
    weights = weakref.ref(model._deployed.net.params["fc"][0].data_memory)
    del model
    repository.unload("small")
    gc.collect()
    assert weights() is None
