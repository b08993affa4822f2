"""Speed, numbers and transfers on a GPU, beside PyTorch on the same: ``python -m tests.bench.gpu --help``."""
