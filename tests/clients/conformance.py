"""The scenarios of scenarios.json, played in this process or by a client; other languages have such players, too.

A player makes the steps of each scenario in order and notes what each gives:

    a blob, an array          {"shape": [2, 3], "data": [...]}      float32, row-major
    outputs, gradients        {name: array, ...}
    losses, names of layers   [...]
    a mistake                 {"error": code}
    anything else             null

The notes are ``{scenario's name: [a note for each step]}``. Notes of all players are equal, number by number. Values
in a scenario are listed ("values"), or count up from "start" by "step", exact in float32. A net called "solver.net" is
the train net of the solver "solver". A scenario that "needs" what a door cannot do (MATLAB finds wrong names by itself)
is left out there, and said to be. A server is to have a folder for its clients, so that files can be missing in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffe_sdk.app.session import Session
from caffe_sdk.client import Client
from caffe_sdk.errors import CaffeError
from caffe_sdk.solver.events import Iteration

SCENARIOS = Path(__file__).with_name("scenarios.json")
Notes = dict[str, list[Any]]


def scenarios() -> Any:
    """Models and scenarios of the file."""
    return json.loads(SCENARIOS.read_text())


def play(make_player: Callable[[dict[str, list[str]]], Player], unable: tuple[str, ...] = ()) -> Notes:
    """The notes of a new player for each scenario, those left out that need what it is ``unable`` to do."""
    file = scenarios()
    played = [each for each in file["scenarios"] if each.get("needs") not in unable]
    return {each["name"]: make_player(file["models"]).play(each["steps"]) for each in played}


def without(notes: Notes, unable: tuple[str, ...]) -> Notes:
    """Notes but for those of scenarios that need what a player is unable to do."""
    left_out = {each["name"] for each in scenarios()["scenarios"] if each.get("needs") in unable}
    return {name: of_steps for name, of_steps in notes.items() if name not in left_out}


class Player:
    """Plays one scenario; the verb of a step is the name of a method."""

    def __init__(self, models: dict[str, list[str]]) -> None:
        self._models = models
        self._nets: dict[str, Any] = {}
        self._solvers: dict[str, Any] = {}
        self._weights: dict[str, bytes] = {}

    def play(self, steps: list[dict[str, Any]]) -> list[Any]:
        """What each step gives."""
        try:
            return [self._note(step) for step in steps]
        finally:
            self.close()

    def _note(self, step: dict[str, Any]) -> Any:
        arguments = {name: value for name, value in step.items() if name != "verb"}
        try:
            return getattr(self, step["verb"])(**arguments)
        except CaffeError as error:
            return {"error": error.code}

    def close(self) -> None:
        """Let everything go."""

    def _text(self, model: str, replace: tuple[str, str] | None) -> str:
        text = "\n".join(self._models[model])
        return text.replace(*replace) if replace else text


class SessionPlayer(Player):
    """Plays on the session behind every door; its notes are those that the others are held against."""

    def __init__(self, models: dict[str, list[str]]) -> None:
        super().__init__(models)
        self._session = Session()

    def close(self) -> None:
        """Let everything go."""
        self._session.reset()

    def net(self, net: str, phase: str, model: str, replace: tuple[str, str] | None = None, weights: str = "") -> None:
        """A new net; ``replace`` changes its text before."""
        kept = self._weights.get(weights)
        self._nets[net] = self._session.create_net(text=self._text(model, replace), phase=phase, weights=kept)

    def describe(self, net: str) -> Any:
        """Inputs, outputs, layers and shapes."""
        found = self._session.describe_net(self._net(net))
        return {
            "inputs": list(found.inputs),
            "outputs": list(found.outputs),
            "layers": [[layer.name, layer.type] for layer in found.layers],
            "blobs": [[name, list(shape)] for name, shape in found.blobs],
            "params": [[layer.name, [list(shape) for shape in layer.params]] for layer in found.layers if layer.params],
        }

    def set(self, net: str, blob: Any, part: str, values: dict[str, Any]) -> None:
        """Overwrite a blob's data or diff."""
        self._session.set_blob(self._net(net), _reference(blob), part, array(values))

    def get(self, net: str, blob: Any, part: str) -> Any:
        """A blob's data or diff."""
        return noted(self._session.get_blob(self._net(net), _reference(blob), part))

    def reshape(self, net: str, shapes: dict[str, list[int]]) -> None:
        """Give blobs other shapes, and carry them through the net."""
        for name, shape in shapes.items():
            self._session.reshape_blob(self._net(net), name, shape)
        self._session.reshape_net(self._net(net))

    def forward(
        self, net: str, inputs: dict[str, Any], start: str | None = None, end: str | None = None, blobs: Any = ()
    ) -> Any:
        """Outputs, and the blobs asked for."""
        given = {name: array(values) for name, values in inputs.items()}
        return _all_noted(self._session.forward(self._net(net), given, start, end, blobs))

    def backward(self, net: str, diffs: dict[str, Any]) -> Any:
        """Gradients of the inputs."""
        given = {name: array(values) for name, values in diffs.items()}
        return _all_noted(self._session.backward(self._net(net), given))

    def weights(self, net: str, weights: str) -> None:
        """Keep a net's weights, as a caffemodel's bytes, under a name."""
        self._weights[weights] = self._session.net_bytes(self._net(net))

    def copy_from(self, net: str, weights: str) -> list[str]:
        """Load weights that were kept; gives the layers they went into."""
        return self._session.copy_from(self._net(net), self._weights[weights])

    def release(self, net: str) -> None:
        """Let a net go."""
        self._session.release(self._net(net))

    def solver(self, solver: str, model: str, replace: tuple[str, str] | None = None) -> None:
        """A new solver."""
        self._solvers[solver] = self._session.create_solver(text=self._text(model, replace))

    def step(self, solver: str, iterations: int) -> list[float]:
        """Train; gives the loss of each iteration."""
        events = self._session.step(self._solvers[solver], iterations)
        return [event.loss for event in events if isinstance(event, Iteration)]

    def solve(self, solver: str) -> None:
        """Train to the end."""
        for _ in self._session.solve(self._solvers[solver]):
            pass

    def state(self, solver: str) -> Any:
        """Iterations made and to make."""
        state = self._session.solver_state(self._solvers[solver])
        return {"iter": state.iter, "max_iter": state.max_iter}

    def _net(self, name: str) -> int:
        if name.endswith(".net"):
            return self._session.solver_nets(self._solvers[name.removesuffix(".net")]).net
        return int(self._nets[name])


class ClientPlayer(Player):
    """Plays on a server through the Python client, whose tables of blobs find wrong names by themselves."""

    UNABLE = ("names that go as they are", "released nets that can be asked")

    def __init__(self, models: dict[str, list[str]], server: Client) -> None:
        super().__init__(models)
        self._server = server

    def close(self) -> None:
        """Let everything go."""
        for made in (*self._solvers.values(), *self._nets.values()):
            made.close()

    def net(self, net: str, phase: str, model: str, replace: tuple[str, str] | None = None, weights: str = "") -> None:
        """A new net; ``replace`` changes its text before."""
        self._nets[net] = self._server.net(self._text(model, replace), phase, self._weights.get(weights))

    def describe(self, net: str) -> Any:
        """Inputs, outputs, layers and shapes."""
        found = self._net(net)
        return {
            "inputs": list(found.inputs),
            "outputs": list(found.outputs),
            "layers": [[name, layer.type] for name, layer in found.layer_dict.items()],
            "blobs": [[name, list(blob.shape)] for name, blob in found.blobs.items()],
            "params": [[name, [list(blob.shape) for blob in blobs]] for name, blobs in found.params.items()],
        }

    def set(self, net: str, blob: Any, part: str, values: dict[str, Any]) -> None:
        """Overwrite a blob's data or diff."""
        setattr(self._blob(net, blob), part, array(values))

    def get(self, net: str, blob: Any, part: str) -> Any:
        """A blob's data or diff."""
        return noted(getattr(self._blob(net, blob), part))

    def reshape(self, net: str, shapes: dict[str, list[int]]) -> None:
        """Give blobs other shapes, and carry them through the net."""
        for name, shape in shapes.items():
            self._blob(net, name).reshape(*shape)
        self._net(net).reshape()

    def forward(
        self, net: str, inputs: dict[str, Any], start: str | None = None, end: str | None = None, blobs: Any = ()
    ) -> Any:
        """Outputs, and the blobs asked for."""
        given = {name: array(values) for name, values in inputs.items()}
        return _all_noted(self._net(net).forward(list(blobs), start, end, **given))

    def backward(self, net: str, diffs: dict[str, Any]) -> Any:
        """Gradients of the inputs."""
        given = {name: array(values) for name, values in diffs.items()}
        return _all_noted(self._net(net).backward(**given))

    def weights(self, net: str, weights: str) -> None:
        """Keep a net's weights, as a caffemodel's bytes, under a name."""
        self._weights[weights] = self._net(net).to_bytes()

    def copy_from(self, net: str, weights: str) -> list[str]:
        """Load weights that were kept; gives the layers they went into."""
        return list(self._net(net).copy_from(self._weights[weights]))

    def solver(self, solver: str, model: str, replace: tuple[str, str] | None = None) -> None:
        """A new solver."""
        self._solvers[solver] = self._server.solver(self._text(model, replace))

    def step(self, solver: str, iterations: int) -> list[float]:
        """Train; gives the loss of each iteration."""
        return [event.loss for event in self._solvers[solver].events(iterations) if hasattr(event, "loss")]

    def solve(self, solver: str) -> None:
        """Train to the end."""
        self._solvers[solver].solve()

    def state(self, solver: str) -> Any:
        """Iterations made and to make."""
        found = self._solvers[solver]
        return {"iter": found.iter, "max_iter": found.max_iter}

    def _net(self, name: str) -> Any:
        return self._solvers[name.removesuffix(".net")].net if name.endswith(".net") else self._nets[name]

    def _blob(self, net: str, blob: Any) -> Any:
        found = self._net(net)
        return found.blobs[blob] if isinstance(blob, str) else found.params[blob[0]][blob[1]]


def array(values: dict[str, Any]) -> NDArray[np.float32]:
    """The array that a scenario writes down."""
    shape = values["shape"]
    if "values" in values:
        return np.array(values["values"], np.float32).reshape(shape)
    return (values["start"] + values["step"] * np.arange(np.prod(shape))).astype(np.float32).reshape(shape)


def _reference(blob: Any) -> Any:
    return blob if isinstance(blob, str) else tuple(blob)


def _all_noted(blobs: dict[str, Any]) -> Any:
    return {name: noted(blob) for name, blob in blobs.items()}


def noted(blob: Any) -> Any:
    """An array as it is noted."""
    values = np.asarray(blob, np.float32)
    return {"shape": list(values.shape), "data": values.ravel().tolist()}
