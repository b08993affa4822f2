"""How fast this package is beside others: PyTorch, ONNX Runtime, OpenVINO and OpenCV on the same nets and cores.

::

    python -m tests.bench.peers                         # everything: about an hour
    python -m tests.bench.peers --only caffenet --rounds 5

In the order data flows: `cases` says what is measured, `description` puts a net in words that every program can
follow, `onnx_file` writes it for those that read ONNX, `environment` makes a virtual environment with the others,
`workers/` run one net in one process each, `rounds` lets them take turns, `tables` shows what came out.
"""
