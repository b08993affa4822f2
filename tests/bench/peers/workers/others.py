"""Another program in a process of its own: ``others.py PEER FOLDER inference|training THREADS``.

It runs in the environment of the peers, which does not know this package.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from protocol import serve

Runner = Callable[[], Any]


def pytorch(folder: Path, train: bool, threads: int, channels_last: bool = False) -> None:
    """PyTorch as users write it: modules called one after another, SGD with its fused kernel."""
    import torch
    from eager import Eager

    torch.set_num_threads(threads)
    net = Eager(folder, channels_last)
    data = net.tensor(np.load(folder / "data.npy"))
    label = torch.from_numpy(np.load(folder / "label.npy"))
    if train:
        net.train()
        how = json.loads((folder / "net.json").read_text())["training"]
        sgd = torch.optim.SGD(
            net.parameters(), lr=how["rate"], momentum=how["momentum"], weight_decay=how["decay"], fused=True
        )

        def step() -> Any:
            sgd.zero_grad(set_to_none=True)
            loss = net(data, label)
            loss.backward()
            sgd.step()
            return loss

        serve(torch.__version__, step, lambda: [step().item() for _ in range(3)])
        return
    net.eval()

    def forward() -> Any:
        with torch.inference_mode():
            return net(data)

    forward()
    serve(torch.__version__, forward, lambda: forward().flatten().tolist())


def onnx_runtime(folder: Path, threads: int) -> tuple[str, Runner]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(folder / "net.onnx", options, providers=["CPUExecutionProvider"])
    data = np.load(folder / "data.npy")
    return onnxruntime.__version__, lambda: session.run(None, {"data": data})[0]


def openvino(folder: Path, threads: int) -> tuple[str, Runner]:
    import openvino

    core = openvino.Core()
    how = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(core.read_model(folder / "net.onnx"), "CPU", how).create_infer_request()
    data = np.load(folder / "data.npy")
    request.set_input_tensor(openvino.Tensor(data, shared_memory=True))

    def infer(data: Any = data) -> Any:  # which the tensor does not keep alive
        request.infer()
        return request.get_output_tensor().data

    return openvino.__version__, infer


def opencv(folder: Path, threads: int) -> tuple[str, Runner]:
    import cv2

    cv2.setNumThreads(threads)
    net = cv2.dnn.readNetFromONNX(str(folder / "net.onnx"))
    data = np.load(folder / "data.npy")

    def forward() -> Any:
        net.setInput(data)
        return net.forward()

    return cv2.__version__, forward


INFERENCE: dict[str, Callable[[Path, int], tuple[str, Runner]]] = {
    "onnxruntime": onnx_runtime,
    "openvino": openvino,
    "opencv": opencv,
}


def main() -> None:
    """Build what the folder holds and serve it."""
    peer, folder, train, threads = sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "training", int(sys.argv[4])
    if peer.startswith("pytorch"):
        pytorch(folder, train, threads, peer.endswith("channels_last"))
        return
    version, forward = INFERENCE[peer](folder, threads)
    forward()
    serve(version, forward, lambda: np.asarray(forward()).ravel().tolist())


if __name__ == "__main__":
    main()
