"""A folder of models, kept ready: versions come and go without disturbing requests under way."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from caffe_sdk.errors import CaffeError, HandleError, InternalError, NotReadyError
from caffe_sdk.serving import config, folder
from caffe_sdk.serving.config import ModelConfig
from caffe_sdk.serving.deploy import deploy
from caffe_sdk.serving.folder import Signature
from caffe_sdk.serving.model import ServedModel
from caffe_sdk.serving.processors import Processors

log = logging.getLogger(__name__)

LOADING, READY, UNLOADING, UNAVAILABLE = "LOADING", "READY", "UNLOADING", "UNAVAILABLE"

LINGER = 0.5
"""Seconds that a version which another has replaced still takes requests: somebody may just have got it."""


@dataclass(frozen=True)
class Options:
    """How a repository behaves."""

    poll_seconds: float = 0
    """How often the folder is looked at for changes; 0: when `Repository.poll` is called only."""
    allow_code: bool = False
    """Whether nets may have layers written in Python, and name files outside their folder."""
    parallel: int = 1
    """Batches that are computed at a time, of all models; they divide the threads (`caffe_sdk.threads`)."""
    grace: float = 30.0
    """Seconds that requests under way are given when a version is unloaded."""


@dataclass(frozen=True)
class ModelState:
    """A line of the repository's index, in the words of the Open Inference Protocol."""

    name: str
    version: str
    state: str
    """``READY``, ``LOADING``, ``UNLOADING`` or ``UNAVAILABLE``."""
    reason: str = ""
    """Why it is not ready."""


@dataclass
class _Version:
    """What is known of one version."""

    state: str
    signature: Signature
    reason: str = ""
    model: ServedModel | None = None


class Repository:
    """The models in a folder. All of it may be used from any thread. Nothing is loaded before the first `poll`."""

    def __init__(self, root: Path | str, options: Options = Options(), processors: Processors | None = None) -> None:
        """``processors`` compute, and others' work besides; without any there are ``options.parallel`` of its own."""
        self.root, self.options = Path(root), options
        folder.model_names(self.root)
        self._processors, self._lent = processors or Processors(options.parallel), processors is not None
        self._lock = threading.RLock()
        """Of the table, never held while something loads."""
        self._changing = threading.RLock()
        """Of whoever loads or unloads."""
        self._versions: dict[str, dict[int, _Version]] = {}
        self._unloaded: set[str] = set()
        self._seen: dict[tuple[str, int], Signature] = {}
        self._polled = False
        self._listeners: list[Callable[[], None]] = []
        self._ends = threading.Event()
        self._watcher: threading.Thread | None = None

    # -- looking -------------------------------------------------------------------------------------------------------

    def index(self) -> list[ModelState]:
        """Every version that is served or should be, by name and number."""
        with self._lock:
            return [
                ModelState(name, str(number), version.state, version.reason)
                for name, versions in sorted(self._versions.items())
                for number, version in sorted(versions.items())
            ]

    def get(self, name: str, version: str = "") -> ServedModel:
        """A version that is ready, the newest if none is named.

        Raises HandleError (NOT_FOUND) for names that are none, NotReadyError (UNAVAILABLE) with the reason.
        """
        with self._lock:
            versions = self._versions.get(name)
            if versions is None:
                raise HandleError(f"model '{name}'", "there is none of this name", "see the repository's index")
            if version:
                found = versions.get(int(version)) if version.isascii() and version.isdecimal() else None
                if found is None:
                    there = ", ".join(map(str, sorted(versions))) or "none"
                    raise HandleError(f"model '{name}'", f"there is no version {version}", f"there are: {there}")
                chosen = found
            else:
                ready = [each for _, each in sorted(versions.items()) if each.state == READY]
                chosen = ready[-1] if ready else versions[max(versions)]
            if chosen.model is None or chosen.state != READY:
                where = f"model '{name}'" + (f" version {version}" if version else "")
                raise NotReadyError(where, f"is {chosen.state}: {chosen.reason}", "see the repository's index")
            return chosen.model

    def ready(self, name: str = "", version: str = "") -> bool:
        """Whether a version is ready (the newest if none is named); without a name, whether requests are welcome.

        That is once the folder was polled and every version it should serve is ready.
        """
        if name:
            try:
                self.get(name, version)
            except CaffeError:
                return False
            return True
        return self._polled and not self._ends.is_set() and all(each.state == READY for each in self.index())

    def listen(self, action: Callable[[], None]) -> None:
        """Do something quick, in whatever thread it is, whenever `index` or `ready` may have changed."""
        self._listeners.append(action)

    # -- changing ------------------------------------------------------------------------------------------------------

    def poll(self) -> None:
        """Look at the folder and follow it: load what is new or changed, unload what is gone.

        What is being copied (its files are not as they were a moment ago) is left for the next time. Never raises for
        what is wrong with a model; the index tells.
        """
        with self._changing:
            names = folder.model_names(self.root)
            for name in [name for name in self._versions if name not in names]:
                self._drop(name)
            for name in names:
                if name not in self._unloaded:
                    self._follow(name, settle=self._polled)
            self._polled = True
            self._tell()

    def watch(self) -> None:
        """Poll from a thread of its own now, and again every ``poll_seconds`` if there are any."""
        self._watcher = threading.Thread(target=self._watch, name="caffe-repository", daemon=True)
        self._watcher.start()

    def load(self, name: str) -> None:
        """Load a model's versions, or load anew those whose files changed; the first error is raised.

        Raises HandleError where there is no such folder.
        """
        with self._changing:
            if name not in folder.model_names(self.root):
                raise HandleError(f"model '{name}'", "there is no such folder in the repository", "see its index")
            self._unloaded.discard(name)
            self._follow(name, settle=False, again=True)
            reasons = [each.reason for each in self._versions[name].values() if each.state != READY]
            if reasons:
                raise NotReadyError(f"model '{name}'", reasons[0], "correct it and load it again")

    def unload(self, name: str) -> None:
        """Take a model out of service once its requests are done; polling leaves it out. HandleError if unknown."""
        with self._changing:
            if name not in self._versions:
                raise HandleError(f"model '{name}'", "there is none of this name", "see the repository's index")
            self._unloaded.add(name)
            for number in list(self._versions[name]):
                self._retire(name, number, "unloaded")

    def drain(self, grace: float) -> bool:
        """Take no more requests and wait ``grace`` seconds at most for those under way; says whether all are done."""
        self._ends.set()
        self._tell()
        until = time.monotonic() + grace
        models = [each.model for versions in self._versions.values() for each in versions.values() if each.model]
        return min([model.drain(max(0, until - time.monotonic())) for model in models], default=True)

    def close(self) -> None:
        """End everything: requests under way fail, weights are let go."""
        self._ends.set()
        if self._watcher is not None:
            self._watcher.join()
        with self._changing:
            for name in list(self._versions):
                for version in self._versions[name].values():
                    if version.model is not None:
                        version.model.close()
                        version.model = None
                    version.state = UNAVAILABLE
        if not self._lent:
            self._processors.close()

    def __enter__(self) -> Repository:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- one model -----------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        while True:
            try:
                self.poll()
            except CaffeError as error:
                log.error("%s", error)
            if not self.options.poll_seconds or self._ends.wait(self.options.poll_seconds):
                return

    def _follow(self, name: str, settle: bool, again: bool = False) -> None:
        """Load the versions of a model that its configuration wants, unload the others.

        With ``settle`` files have to be as they were the last time; with ``again`` what failed is tried again.
        """
        path = self.root / name
        try:
            there = folder.version_folders(path)
            settings = config.read(path)
        except CaffeError as error:
            self._set(name, 1, _Version(UNAVAILABLE, frozenset(), str(error)))
            return
        wanted = settings.versions.choose(list(there))
        for number in wanted:
            self._follow_version(name, number, there[number], settings, settle, again)
        for number in [number for number in self._versions.get(name, {}) if number not in wanted]:
            self._retire(name, number, "", LINGER)
            with self._lock:
                del self._versions[name][number]
            self._tell()

    def _follow_version(
        self, name: str, number: int, path: Path, settings: ModelConfig, settle: bool, again: bool
    ) -> None:
        signature = folder.signature(self.root / name, path)
        known = self._versions.get(name, {}).get(number)
        unsettled = settle and self._seen.get((name, number)) != signature
        self._seen[name, number] = signature
        if known is not None and known.signature == signature and (known.state == READY or not again):
            return
        if unsettled:
            if known is None:
                self._set(name, number, _Version(UNAVAILABLE, frozenset(), "its files are still changing"))
            return
        old = known.model if known is not None else None
        if old is None:
            self._set(name, number, _Version(LOADING, signature, "is being loaded"))
        try:
            model = self._make(name, number, path, settings)
        except Exception as unexpected:  # noqa: BLE001 - whatever it is, the index tells and other models are not hurt
            error = _known(unexpected, f"model '{name}' version {number}")
            log.warning("model '%s' version %d is not loaded: %s", name, number, error)
            if old is None:
                self._set(name, number, _Version(UNAVAILABLE, signature, str(error)))
            else:
                self._set(name, number, _Version(READY, signature, f"its changed files are left out: {error}", old))
            return
        self._set(name, number, _Version(READY, signature, "", model))
        log.info("model '%s' version %d is ready", name, number)
        if old is not None:
            self._end(old, LINGER)

    def _make(self, name: str, number: int, path: Path, settings: ModelConfig) -> ServedModel:
        deployed = deploy(folder.files_of(path), settings.shapes, self.options.allow_code)
        try:
            return ServedModel(name, str(number), deployed, settings, self._processors)
        except BaseException:
            deployed.net.close()
            raise

    def _drop(self, name: str) -> None:
        for number in list(self._versions[name]):
            self._retire(name, number, "")
        with self._lock:
            del self._versions[name]
        self._unloaded.discard(name)
        self._tell()

    def _retire(self, name: str, number: int, reason: str, linger: float = 0) -> None:
        """Let a version's requests end and its weights go."""
        with self._lock:
            version = self._versions[name][number]
            model, version.model = version.model, None
            version.state, version.reason = UNLOADING, "is being unloaded"
        self._tell()
        if model is not None:
            self._end(model, linger)
        version.state, version.reason = UNAVAILABLE, reason
        self._tell()

    def _end(self, model: ServedModel, linger: float) -> None:
        self._ends.wait(linger)
        model.drain(self.options.grace)
        model.close()

    def _set(self, name: str, number: int, version: _Version) -> None:
        with self._lock:
            self._versions.setdefault(name, {})[number] = version
        self._tell()

    def _tell(self) -> None:
        """Something changed. Never called while the table is locked: who is told will look at it."""
        for action in self._listeners:
            action()


def _known(error: Exception, where: str) -> CaffeError:
    """The error, or what stands for one that should have been another."""
    if isinstance(error, CaffeError):
        return error
    log.error("%s does not load in a way it should not", where, exc_info=error)
    return InternalError(where, f"{type(error).__name__}: {error}", "see the server's log")
