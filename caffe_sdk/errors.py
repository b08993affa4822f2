"""Every error the package raises, one tree::

    CaffeError                      code            gRPC status          exit
    ├── ModelError                  model           INVALID_ARGUMENT      3    a model or solver description is wrong
    │   ├── PrototxtError           prototxt        INVALID_ARGUMENT      3    text that does not parse (line, column)
    │   ├── GraphError              graph           INVALID_ARGUMENT      3    blobs and layers that do not fit together
    │   ├── LayerError              layer           INVALID_ARGUMENT      3    a layer's parameters break its rules
    │   └── ShapeError              shape           INVALID_ARGUMENT      3    shapes that cannot be computed with
    ├── WeightsError                weights         FAILED_PRECONDITION   4    weights that do not fit the net
    ├── FileError                   file            FAILED_PRECONDITION   5    a file that cannot be used
    │   ├── MissingFileError        missing_file    NOT_FOUND             5    a file or database that is not there
    │   ├── CorruptFileError        corrupt_file    DATA_LOSS             5    a file cut short or damaged
    │   └── WriteError              write           RESOURCE_EXHAUSTED    5    a file that cannot be written
    ├── DataError                   data            FAILED_PRECONDITION   6    a record or label that cannot be used
    ├── ArgumentError               argument        INVALID_ARGUMENT      2    a call with values that make no sense
    ├── HandleError                 handle          NOT_FOUND             2    an object that was released or never made
    ├── SolverError                 solver          FAILED_PRECONDITION   7    training that cannot start or go on
    ├── AccessError                 access          PERMISSION_DENIED    10    a call that the caller has no right to
    │   └── CredentialsError        credentials     UNAUTHENTICATED      10    no token, or one that is not known
    ├── LimitError                  limit           RESOURCE_EXHAUSTED   11    more than a server gives its clients
    ├── DeadlineError               deadline        DEADLINE_EXCEEDED    12    work that was not done in the time it had
    ├── NotReadyError               not_ready       UNAVAILABLE          13    what loads, ends or is broken just now
    ├── UnsupportedError            unsupported     UNIMPLEMENTED        14    a part of a protocol that is left out
    ├── DeviceError                 device          UNAVAILABLE           8    a device or library that is not there
    ├── CancelledError              cancelled       CANCELLED           130    work stopped because somebody asked
    ├── BridgeError                 bridge          UNAVAILABLE           9    the other side of a connection is gone
    └── InternalError               internal        INTERNAL             70    a fault of ours

Each error says *where*, *what* is wrong with the values, and (where it can be said) what would be right: the *remedy*.
``str(error)`` joins the three. Code, words, gRPC status, exit status and MATLAB identifier are the same at every door.
"""

from __future__ import annotations


class CaffeError(RuntimeError):
    """Root of the tree; never raised itself. ``where`` may be empty when the words already name the place."""

    code = "error"
    status = "UNKNOWN"
    exit_status = 1

    def __init__(self, where: str, what: str, remedy: str = "") -> None:
        self.where, self.what, self.remedy = where, what, remedy
        text = f"{where}: {what}" if where else what
        RuntimeError.__init__(self, f"{text}; {remedy}" if remedy else text)

    def __str__(self) -> str:
        return str(self.args[0])

    @property
    def identifier(self) -> str:
        """The MATLAB error identifier: 'caffe:' and the code in camel case, e.g. ``caffe:missingFile``."""
        first, *rest = self.code.split("_")
        return "caffe:" + first + "".join(word.capitalize() for word in rest)

    def at(self, where: str) -> CaffeError:
        """The same error with an outer place put in front, e.g. the file a layer stands in."""
        place = f"{where}: {self.where}" if self.where else where
        error = type(self).__new__(type(self))
        error.__dict__.update(self.__dict__)
        CaffeError.__init__(error, place, self.what, self.remedy)
        return error

    def __reduce__(self) -> tuple[object, ...]:
        return (_restore, (type(self), dict(self.__dict__)))


def _restore(kind: type[CaffeError], state: dict[str, object]) -> CaffeError:
    """Rebuild an error on the other side of a process boundary."""
    error = kind.__new__(kind)
    error.__dict__.update(state)
    CaffeError.__init__(error, error.where, error.what, error.remedy)
    return error


class ModelError(CaffeError):
    """A model or solver description that cannot be used."""

    code = "model"
    status = "INVALID_ARGUMENT"
    exit_status = 3


class PrototxtError(ModelError):
    """Text that is not the message it should be. ``line`` and ``column`` count from 1; 0 means unknown."""

    code = "prototxt"

    def __init__(self, where: str, what: str, remedy: str = "", line: int = 0, column: int = 0) -> None:
        self.line, self.column = line, column
        super().__init__(f"{where}:{line}:{column}" if line else where, what, remedy)


class GraphError(ModelError):
    """Layers and blobs that do not fit together: an unknown bottom, a top made twice, a cycle."""

    code = "graph"


class LayerError(ModelError):
    """A layer of unknown type, or whose parameters break one of its rules."""

    code = "layer"


class ShapeError(ModelError):
    """Shapes a layer or call cannot compute with."""

    code = "shape"


class WeightsError(CaffeError):
    """Weights that do not fit the net they are loaded into."""

    code = "weights"
    status = "FAILED_PRECONDITION"
    exit_status = 4


class FileError(CaffeError):
    """A file that cannot be used."""

    code = "file"
    status = "FAILED_PRECONDITION"
    exit_status = 5


class MissingFileError(FileError):
    """A file, folder or database that is not there."""

    code = "missing_file"
    status = "NOT_FOUND"


class CorruptFileError(FileError):
    """A file that is cut short or damaged."""

    code = "corrupt_file"
    status = "DATA_LOSS"


class WriteError(FileError):
    """A file that cannot be written: no permission, no space, no such folder."""

    code = "write"
    status = "RESOURCE_EXHAUSTED"


class DataError(CaffeError):
    """A record, image or label that cannot be used."""

    code = "data"
    status = "FAILED_PRECONDITION"
    exit_status = 6


class ArgumentError(CaffeError):
    """A call with values that make no sense."""

    code = "argument"
    status = "INVALID_ARGUMENT"
    exit_status = 2


class HandleError(CaffeError):
    """An object that was released, or that never was."""

    code = "handle"
    status = "NOT_FOUND"
    exit_status = 2


class SolverError(CaffeError):
    """Training that cannot start or cannot go on."""

    code = "solver"
    status = "FAILED_PRECONDITION"
    exit_status = 7


class AccessError(CaffeError):
    """A call that the caller has no right to make."""

    code = "access"
    status = "PERMISSION_DENIED"
    exit_status = 10


class CredentialsError(AccessError):
    """A call without a token, or with one that is not known."""

    code = "credentials"
    status = "UNAUTHENTICATED"


class LimitError(CaffeError):
    """More than a server gives its clients: bytes, objects, calls at a time, room in a queue."""

    code = "limit"
    status = "RESOURCE_EXHAUSTED"
    exit_status = 11


class DeadlineError(CaffeError):
    """Work that was not done in the time it had."""

    code = "deadline"
    status = "DEADLINE_EXCEEDED"
    exit_status = 12


class NotReadyError(CaffeError):
    """Something that is there, but loading, ending or broken just now."""

    code = "not_ready"
    status = "UNAVAILABLE"
    exit_status = 13


class UnsupportedError(CaffeError):
    """A part of a protocol that this server leaves out."""

    code = "unsupported"
    status = "UNIMPLEMENTED"
    exit_status = 14


class DeviceError(CaffeError):
    """A device, driver or library that is not there."""

    code = "device"
    status = "UNAVAILABLE"
    exit_status = 8


class CancelledError(CaffeError):
    """Work that stopped because somebody asked for it."""

    code = "cancelled"
    status = "CANCELLED"
    exit_status = 130


class BridgeError(CaffeError):
    """The other side of a connection is gone or speaks another protocol."""

    code = "bridge"
    status = "UNAVAILABLE"
    exit_status = 9


class InternalError(CaffeError):
    """A fault of ours: an exception that should have been one of the others."""

    code = "internal"
    status = "INTERNAL"
    exit_status = 70


def also(error: CaffeError, original: Exception) -> CaffeError:
    """An error that is of the type of an exception of the user's code as well, so that ``except`` finds it by either.

    What the user's exception carries it carries too, unless errors of the tree have something of that name.
    """
    if isinstance(original, CaffeError):
        return error
    kind = _both(type(error), type(original))
    try:
        both = kind.__new__(kind)
    except TypeError:  # a group of exceptions cannot be without its parts
        return error
    both.__dict__.update({name: value for name, value in vars(original).items() if not hasattr(error, name)})
    both.__dict__.update(error.__dict__)
    CaffeError.__init__(both, error.where, error.what, error.remedy)
    return both


def _both(ours: type[CaffeError], theirs: type[Exception]) -> type[CaffeError]:
    """A class of the tree that derives from another exception too; tracebacks call it by the other's name."""
    members = {
        "__module__": theirs.__module__,
        "__new__": lambda cls, *_: theirs.__new__(cls),
        "__str__": CaffeError.__str__,
        "__reduce__": lambda self: (
            _restore,
            (ours, {name: getattr(self, name) for name in ("where", "what", "remedy")}),
        ),
    }
    try:
        return type(theirs.__name__, (ours, theirs), members)
    except TypeError:  # two layouts in memory that do not go together
        return ours


def tree(root: type[CaffeError] = CaffeError) -> list[type[CaffeError]]:
    """Every class of the tree, root first, in the order of the docstring. Classes that others derive do not count."""
    found = [root]
    for child in root.__subclasses__():
        if child.__module__ == __name__:
            found += tree(child)
    return found


def of_code(code: str) -> type[CaffeError]:
    """The class of a code, for clients that rebuild an error from its code; unknown codes give InternalError."""
    return next((kind for kind in tree() if kind.code == code), InternalError)
