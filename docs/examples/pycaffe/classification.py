"""Instant recognition: a trained net classifies an image, and shows what its layers see.

After pycaffe's notebook 00-classification, with LeNet and digits instead of CaffeNet and a cat.
"""

from __future__ import annotations

import digits
import numpy as np

import caffe_sdk as caffe


def main() -> None:
    """Train a net if that is needed, classify an image, look inside."""
    given = digits.options(__doc__, iterations=300)
    model, weights = digits.trained(given.output, given.iterations)

    # 1. Load the net, and say how images become its input.
    caffe.set_mode_cpu()
    net = caffe.Net(model, weights, caffe.TEST)
    transformer = caffe.io.Transformer({"data": net.blobs["data"].data.shape})
    transformer.set_transpose("data", (2, 0, 1))  # channels come first
    transformer.set_raw_scale("data", 1.0)  # pixels from 0 to 1, as in training

    # 2. Classify an image.
    images, labels = digits.test_digits()
    path = digits.photo(given.output / "digit.png", images[0, 0])
    image = caffe.io.load_image(path, color=False)
    net.blobs["data"].reshape(1, 1, 28, 28)
    net.blobs["data"].data[...] = transformer.preprocess("data", image)
    output = net.forward()
    prob = output["prob"][0]
    top = prob.argsort()[::-1][:3]
    print(f"classes   {', '.join(f'{i} ({prob[i]:.3f})' for i in top)}; it is a {labels[0]}")

    # 3. Look at what the layers have computed, and at what they have learned.
    for name, blob in net.blobs.iteritems():
        print(f"blob      {name:8s} {blob.data.shape}")
    for name, params in net.params.iteritems():
        print(f"params    {name:8s} {params[0].data.shape} {params[1].data.shape}")
    filters = net.params["conv1"][0].data
    digits.figure(
        given.output / "features.png",
        ("input", net.blobs["data"].data[0, 0]),
        ("conv1, weights", digits.tiles(filters[:, 0])),
        ("conv1, output", digits.tiles(net.blobs["conv1"].data[0])),
        ("pool2, output", digits.tiles(net.blobs["pool2"].data[0])),
    )
    digits.figure(
        given.output / "scores.png",
        ("ip1, output", {"value": net.blobs["ip1"].data[0]}),
        ("probabilities", {"prob": prob}),
    )

    # 4. The same with Classifier, which looks at ten crops of each image.
    classifier = caffe.Classifier(model, weights, image_dims=(30, 30))
    answers = classifier.predict([image, *(each[0, :, :, None] for each in images[1:20])])
    print(f"accuracy  {np.mean(answers.argmax(axis=1) == labels[:20]):.2f} of 20 digits, by ten crops of each")


if __name__ == "__main__":
    main()
