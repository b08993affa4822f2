"""PyTorch on a GPU, in a process of its own: ``pytorch.py FOLDER inference|training PRECISION``.

As its documentation advises: channels_last, cudnn.benchmark, fused SGD; called step by step (``eager``), and captured
as a CUDA graph that is replayed (``graph``). It runs in an environment that does not know this package.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "peers" / "workers"))

from eager import Eager
from protocol import serve_many

Way = tuple[Callable[[], object], Callable[[], list[float]]]
HALVES = {"float16": torch.float16, "bfloat16": torch.bfloat16}
WARM = 3


class Runner:
    """A net on the GPU, and what runs it on batches of any size."""

    def __init__(self, folder: Path, train: bool, precision: str, device: str = "cuda") -> None:
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        self.device, self.half, self.train = device, HALVES.get(precision), train
        self.net = Eager(folder, channels_last=True).to(device, memory_format=torch.channels_last)
        self.net.train(train)
        if self.half is not None and not train:
            self.net.to(self.half)
        self.shape = np.load(folder / "data.npy", mmap_mode="r").shape[1:]
        how = json.loads((folder / "net.json").read_text())["training"]
        self.sgd = torch.optim.SGD(
            self.net.parameters(), lr=how["rate"], momentum=how["momentum"], weight_decay=how["decay"], fused=True
        )
        self.scaler = torch.amp.GradScaler(device, enabled=train and self.half is torch.float16)

    def batch(self, count: int) -> tuple[Any, Any]:
        """Images and labels, the same for everybody."""
        rng = np.random.default_rng(1)
        data = torch.from_numpy(rng.standard_normal((count, *self.shape), np.float32)).to(self.device)
        data = data.contiguous(memory_format=torch.channels_last)
        label = torch.from_numpy(rng.integers(0, 10, count)).to(self.device) if self.train else None
        return data.to(self.half) if self.half is not None and not self.train else data, label

    def step(self, data: Any, label: Any) -> Any:
        """Forward, in training with backward and update; the result or the loss, which is not waited for."""
        if not self.train:
            with torch.inference_mode():
                return self.net(data)
        self.sgd.zero_grad(set_to_none=True)
        mixed = torch.autocast(self.device, dtype=self.half) if self.half is not None else nullcontext()
        with mixed:
            loss = self.net(data, label)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.sgd)
        self.scaler.update()
        return loss

    def build(self, count: int) -> dict[str, Way]:
        """The ways to compute a batch."""
        gc.collect()
        torch.cuda.empty_cache()
        data, label = self.batch(count)
        ways = {"eager": self.way(lambda: self.step(data, label))}
        if not self.scaler.is_enabled():  # a scaler looks at numbers, which no graph can
            ways["graph"] = self.way(self.captured(data, label))
        return ways

    def captured(self, data: Any, label: Any) -> Callable[[], Any]:
        """A step as a graph."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM):
                self.step(data, label)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = self.step(data, label)

        def replay() -> Any:
            graph.replay()
            return result

        return replay

    def way(self, run: Callable[[], Any]) -> Way:
        """A step that is waited for, and what checks it."""

        def step() -> Any:
            result = run()
            torch.cuda.synchronize()
            return result

        def check() -> list[float]:
            if self.train:
                return [float(step()) for _ in range(3)]
            numbers: list[float] = step().float().flatten().tolist()
            return numbers

        return step, check


if __name__ == "__main__":
    runner = Runner(Path(sys.argv[1]), sys.argv[2] == "training", sys.argv[3])
    serve_many(torch.__version__, runner.build)
