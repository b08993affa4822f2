"""Learning LeNet: a net written in Python, a solver that is stepped in Python, and plots of how it learns.

After pycaffe's notebook 01-learning-lenet.
"""

from __future__ import annotations

import digits
import numpy as np

WATCHED = 8
"""How many digits are watched while the net learns."""


def main() -> None:
    """Train, measure on the way, plot."""
    given = digits.options(__doc__, iterations=200)

    # 1. Nets and solver. A test batch has all the digits to be tested with.
    train, test = digits.databases(given.output)
    _, labels = digits.test_digits()
    nets = digits.classifying(train, 64), digits.classifying(test, len(labels))
    solver = digits.solver(given.output, *nets, weight_decay=5e-4)
    for name, blob in solver.net.blobs.items():
        print(f"blob      {name:8s} {blob.data.shape}")

    # 2. One step, and its gradients.
    solver.net.forward()
    solver.test_nets[0].forward()
    solver.step(1)
    gradients = solver.net.params["conv1"][0].diff[:, 0].copy()

    # 3. A loop of our own: note the loss of each step, and test now and then.
    interval = max(1, given.iterations // 10)
    losses, accuracies, outputs = [], [], []
    for iteration in range(given.iterations):
        solver.step(1)
        losses.append(float(solver.net.blobs["loss"].data))
        solver.test_nets[0].forward(start="conv1")
        outputs.append(solver.test_nets[0].blobs["ip2"].data[:WATCHED].copy())
        if iteration % interval == 0:
            solver.test_nets[0].forward()
            accuracies.append(float(solver.test_nets[0].blobs["accuracy"].data))
            print(f"iteration {iteration:4d}: loss {losses[-1]:.3f}, accuracy {accuracies[-1]:.3f}")

    # 4. Pictures: the course of the training, and how the scores of some digits became what they are.
    right = np.mean(solver.test_nets[0].blobs["ip2"].data.argmax(axis=1) == solver.test_nets[0].blobs["label"].data)
    print(f"accuracy  {right:.3f} of {len(labels)} digits")
    digits.figure(
        given.output / "learning.png",
        ("first gradients of conv1", digits.tiles(gradients)),
        ("loss in training", {"loss": losses}),
        ("accuracy in tests", {"accuracy": accuracies}),
    )
    watched = solver.test_nets[0].blobs["data"].data[:WATCHED, 0]
    course = np.stack(outputs, axis=1)  # (digit, iteration, class)
    panels = [(f"digit {i}", picture) for i, picture in enumerate(watched[:3])]
    for i in range(3):
        panels.append((f"its scores, digit {i}", {str(c): course[i, :, c] for c in range(10)}))
    digits.figure(given.output / "scores.png", *panels)


if __name__ == "__main__":
    main()
