"""Net surgery: filters set by hand, and a classifier made fully convolutional, which then looks at whole pages.

After pycaffe's notebook net_surgery.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import digits
import numpy as np

import caffe_sdk as caffe
from caffe_sdk import layers as L
from caffe_sdk import params as P

KERNEL = 4
"""The side of what ip1 sees of pool2."""


def main() -> None:
    """Set filters by hand, then turn inner products into convolutions."""
    given = digits.options(__doc__, iterations=300)
    page, where = page_of_digits()
    filters_by_hand(given.output, page)

    model, weights = digits.trained(given.output, given.iterations)
    net = caffe.Net(model, weights, caffe.TEST)
    whole = fully_convolutional(given.output, net, page.shape)
    probabilities = whole.forward(data=page[None, None])["prob"][0]
    print(f"page      {page.shape} becomes a map of {probabilities.shape[1:]} for each of {len(probabilities)} classes")

    # The map has a value for each four points of the page: those whose window is a digit's.
    found = [probabilities[:, top // 4, left // 4].argmax() for top, left, _ in where]
    right = np.mean(np.array(found) == [label for *_, label in where])
    print(f"accuracy  {right:.3f} of {len(where)} digits on the page, all in one pass")

    # In a window the net gives what it gave before the surgery.
    top, left, _ = where[0]
    window = page[top : top + 28, left : left + 28]
    before = net.forward(data=window[None, None])["prob"][0]
    print(f"before    differs by {np.abs(before - probabilities[:, top // 4, left // 4]).max():.1e}")
    digits.figure(given.output / "page.png", ("page", page), ("most probable", probabilities.argmax(axis=0)))


def filters_by_hand(folder: Path, image: Any) -> None:
    """A convolution that blurs and finds edges, because its weights are set so."""
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [1, 1, *image.shape]})
    n.conv = L.Convolution(n.data, num_output=3, kernel_size=5, pad=2, weight_filler={"type": "gaussian", "std": 0.01})
    net = caffe.Net(n.to_proto(), caffe.TEST)
    print(f"blobs     {list(net.blobs)}, params {list(net.params)}")
    net.params["conv"][1].data[0] = 1  # before the others: a bias shifts the output
    shifted = net.forward(data=image[None, None])["conv"][0, 0].mean()
    net.params["conv"][1].data[0] = 0
    plain = net.forward(data=image[None, None])["conv"][0, 0].mean()
    print(f"bias      of 1 shifts the mean by {shifted - plain:.3f}")

    y, x = np.mgrid[-2:3, -2:3]
    gaussian = np.exp(-(x**2 + y**2) / 4)
    sobel = np.outer([1, 4, 6, 4, 1], [-1, -2, 0, 2, 1])
    net.params["conv"][0].data[:, 0] = [gaussian / gaussian.sum(), sobel / 48, sobel.T / 48]
    blurred, across, down = net.forward(data=image[None, None])["conv"][0]
    digits.figure(folder / "filters.png", ("blurred", blurred), ("across", across), ("down", down))


def fully_convolutional(folder: Path, net: caffe.Net, shape: tuple[int, ...]) -> caffe.Net:
    """LeNet for images of any size: ip1 and ip2 are convolutions, with the same weights."""
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [1, 1, *shape]})
    n.conv1 = L.Convolution(n.data, kernel_size=5, num_output=20)
    n.pool1 = L.Pooling(n.conv1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.conv2 = L.Convolution(n.pool1, kernel_size=5, num_output=50)
    n.pool2 = L.Pooling(n.conv2, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n["ip1-conv"] = L.Convolution(n.pool2, kernel_size=KERNEL, num_output=500)
    n.relu1 = L.ReLU(n["ip1-conv"], in_place=True)
    n["ip2-conv"] = L.Convolution(n.relu1, kernel_size=1, num_output=10)
    n.prob = L.Softmax(n["ip2-conv"])
    weights = folder / "before.caffemodel"
    net.save(str(weights))
    whole = caffe.Net(digits.save(folder / "fully_convolutional.prototxt", n.to_proto()), str(weights), caffe.TEST)
    for name in ("ip1", "ip2"):
        for theirs, mine in zip(net.params[name], whole.params[f"{name}-conv"], strict=True):
            print(f"surgery   {name} {theirs.data.shape} -> {mine.data.shape}")
            mine.data.flat = theirs.data.flat  # the same numbers in another shape
    return whole


def page_of_digits() -> tuple[Any, list[tuple[int, int, int]]]:
    """A page with digits on it, and where each is (top, left) and which."""
    images, labels = digits.test_digits()
    page = np.zeros((140, 188), np.float32)
    where = []
    for i, (top, left) in enumerate((top, left) for top in range(0, 112, 36) for left in range(0, 160, 40)):
        page[top : top + 28, left : left + 28] = images[i, 0]
        where.append((top, left, int(labels[i])))
    return page, where


if __name__ == "__main__":
    main()
