"""Layers that bring data into a net. They work on the host, between the engine's programs."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from caffe_sdk import fillers, ranks, rng
from caffe_sdk.blob import Blob
from caffe_sdk.data.loader import Batches, Loader
from caffe_sdk.data.source import DatabaseSource, Source
from caffe_sdk.data.transform import Transform
from caffe_sdk.engine import Engine
from caffe_sdk.errors import CaffeError
from caffe_sdk.layers.base import Arity, Layer, exactly, layer
from caffe_sdk.memory import HOST, Array, Shape, SyncedMemory
from caffe_sdk.schema.messages import FillerParameter


class Fed(Layer):
    """What layers share that a stream of batches feeds. The stream is opened when somebody asks for shapes."""

    bottoms = exactly(0)
    tops = Arity(1, 2)
    on_host = True

    def __init__(self, config: Any, phase: int, generator: rng.Generator | None = None) -> None:
        super().__init__(config, phase, generator)
        self.seed = int(self.rng.integers(2**63))
        self._batches: Batches | None = None

    def open(self) -> Batches:
        """The stream from its beginning, by the layer's parameters and ``seed``. Raises FileErrors and DataErrors."""
        raise NotImplementedError

    def share(self) -> dict[str, int]:
        """``rank`` and ``ranks`` for the stream: solvers that train together read records of their own, in TRAIN."""
        rank, count = (ranks.solver_rank(), ranks.solver_count()) if self.training else (0, 1)
        return {"rank": rank, "ranks": count}

    def load(self, source: Source, transform: Transform, batch_size: int) -> Loader:
        """Batches of a source's records, read ahead as ``data_param`` says, whatever the type of the layer."""
        param = self.config.data_param
        return Loader(
            source,
            transform,
            batch_size,
            param.prefetch,
            self.seed,
            threads=param.threads,
            skip_bad=param.skip_bad,
        )

    @property
    def skipped(self) -> int:
        """How many bad records have been passed over so far, with ``skip_bad``."""
        return self._batches.skipped if self._batches is not None else 0

    def batches(self) -> Batches:
        """The stream, opened on first use."""
        if self._batches is None:
            self._batches = self.open()
        return self._batches

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        with self._named():
            return self.batches().shapes

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        with self._named():
            batches = self.batches()
            sink = None
            if engine.carrier is None and not batches.ahead:
                sink = top[0].data_memory.write(HOST).reshape(top[0].shape)
            batch = batches.next_batch(engine.carrier, sink)
            for i, (blob, shape) in enumerate(zip(top, batch.shapes, strict=False)):
                blob.reshape(*shape)
                batch.deliver(i, blob.data_memory)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        pass

    def state(self) -> dict[str, Any]:
        return {"position": self.batches().position, "seed": self.seed}

    def restore_state(self, state: dict[str, Any]) -> None:
        if state["seed"] != self.seed:
            self.close()
            self.seed = state["seed"]
        self.batches().seek(state["position"])

    def close(self) -> None:
        if self._batches is not None:
            self._batches.close()
            self._batches = None

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Errors of the source and of the transform say which layer they happened in."""
        try:
            yield
        except CaffeError as error:
            raise error.at(self.where) from None


@layer("Data")
class Data(Fed):
    """Records of a LevelDB or LMDB, transformed.  () -> (batch_size, c, h, w), [labels (batch_size, ...)]

    After the last record comes the first again. The shape follows the first record of every batch. Where several
    solvers train together each reads records of its own; see `caffe_sdk.ranks`.
    """

    def setup(self, config: Any) -> None:
        self.param = config.data_param
        with self._named():
            self.transform = Transform(config.transform_param, self.phase, "")
        self.check(bool(self.param.source), "has no source", "give the folder of a database in data_param")
        self.check(self.param.batch_size > 0, "batch_size: 0", "give batch_size: 1 or more")

    def open(self) -> Batches:
        param = self.param
        source = DatabaseSource(param.source, param.backend, rand_skip=param.rand_skip, seed=self.seed, **self.share())
        return self.load(source, self.transform, param.batch_size)


@layer("DummyData")
class DummyData(Layer):
    """Blobs filled by ``data_filler``, one for all tops or one each (0 if there is none).  () -> ``shape``, ...

    Constants stay what they are, or what somebody writes into them; all else is drawn anew for every forward pass.
    """

    bottoms = exactly(0)
    tops = Arity(1, None)
    on_host = True

    def setup(self, config: Any) -> None:
        self.param = config.dummy_data_param
        self.fillers = self._each("data_filler", list(self.param.data_filler) or [FillerParameter(type="constant")])
        self._begun: list[SyncedMemory] = []

    def _each(self, name: str, given: list[Any]) -> list[Any]:
        """What is given, once per top."""
        tops = len(self.config.top)
        self.check(len(given) in (1, tops), f"{name} is given {len(given)} times for {tops} tops", "give one each")
        return given if len(given) == tops else given * tops

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        legacy = {name: list(getattr(self.param, name)) for name in ("num", "channels", "height", "width")}
        if any(legacy.values()):
            self.check(not self.param.shape, "has shape and num, channels, height, width", "give shape only")
            return list(zip(*(self._each(name, given) for name, given in legacy.items()), strict=True))
        return [tuple(shape.dim) for shape in self._each("shape", list(self.param.shape))]

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        begun, self._begun = self._begun, [blob.data_memory for blob in top]
        for i, blob in enumerate(top):
            fillers.check(self.fillers[i], blob.shape, self.where)
            if blob.data_memory not in begun:
                blob.data_memory.begin_with(functools.partial(self._fill, i, blob.shape))

    def _fill(self, top: int, shape: Shape, flat: Array) -> None:
        fillers.fill(flat.reshape(shape), self.fillers[top], self.rng, self.where)

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        for i, blob in enumerate(top):
            if self.fillers[i].type != "constant":
                self._fill(i, blob.shape, blob.data_memory.write(HOST))

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        pass
