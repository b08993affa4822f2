"""Files of older formats made into files of today's: what Caffe's three upgrade tools do, in their words.

Each function writes the output even when something had to be left out, and says with True that nothing was.
"""

from __future__ import annotations

import logging
from typing import Any

from caffe_sdk.schema import prototxt, upgrade, wire
from caffe_sdk.schema.files import PathLike
from caffe_sdk.schema.messages import NetParameter, SolverParameter

log = logging.getLogger(__name__)


def upgrade_net_text(source: PathLike, target: PathLike) -> bool:
    """Upgrade a net's prototxt of any age. Raises FileErrors, ModelErrors and WriteError."""
    net, whole = _upgraded(prototxt.read(source, NetParameter), source)
    prototxt.write(net, target)
    log.info("Wrote upgraded NetParameter text proto to %s", target)
    return whole


def upgrade_net_binary(source: PathLike, target: PathLike) -> bool:
    """Upgrade a caffemodel of any age, its weights as they are. Raises FileErrors, ModelErrors and WriteError."""
    old = wire.read_net(source)
    net, whole = _upgraded(old.net, source)
    kept = {layer.name for layer in net.layer}
    wire.write_net(target, net, [weights for weights in old.layers if weights.name in kept])
    log.info("Wrote upgraded NetParameter binary proto to %s", target)
    return whole


def upgrade_solver_text(source: PathLike, target: PathLike) -> bool:
    """Upgrade a solver's prototxt of any age. Raises FileErrors, ModelErrors and WriteError."""
    old = prototxt.read(source, SolverParameter)
    solver = upgrade.upgrade_solver(old, str(source))
    if solver is old:
        log.error("File already in latest proto format: %s", source)
    else:
        log.info("Attempting to upgrade input file specified using deprecated 'solver_type' field (enum): %s", source)
        log.info("Successfully upgraded file specified using deprecated 'solver_type' field (enum) to 'type' field.")
    prototxt.write(solver, target)
    log.info("Wrote upgraded SolverParameter text proto to %s", target)
    return True


def _upgraded(net: Any, source: PathLike) -> tuple[Any, bool]:
    """A net in today's format, and whether nothing of it was left out."""
    forms = upgrade.old_forms(net)
    if not forms:
        log.error("File already in latest proto format: %s", source)
        return net, True
    for form in forms:
        log.info("Attempting to upgrade input file specified using deprecated %s: %s", form, source)
    left_out: list[str] = []
    new = upgrade.upgrade_net(net, str(source), left_out.append)
    for words in left_out:
        log.error("%s", words)
    if left_out:
        log.error("Encountered error(s) while upgrading prototxt; see details above.")
    else:
        log.info("Successfully upgraded file specified using deprecated %s", ", ".join(forms))
    return new, not left_out
