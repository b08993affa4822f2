"""From a file to a report: which nets it describes, in which phases, and what the rules find in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from caffe_sdk.app.check import rules, solvers
from caffe_sdk.app.check.subject import HINT, WARNING, Finding, Subject, is_loss
from caffe_sdk.app.stand_ins import StandIn, with_stand_ins
from caffe_sdk.errors import CaffeError, ModelError, PrototxtError
from caffe_sdk.graph.splits import insert_splits
from caffe_sdk.graph.state import filter_net, net_state
from caffe_sdk.layers import create
from caffe_sdk.net import Net
from caffe_sdk.schema import prototxt, upgrade
from caffe_sdk.schema.files import PathLike, read_text
from caffe_sdk.schema.messages import TEST, TRAIN, NetParameter, SolverParameter
from caffe_sdk.solver import read_solver
from caffe_sdk.solver.nets import Source, described, testing_sources, train_source

PHASES = {"TRAIN": TRAIN, "TEST": TEST}
NAMES = {number: name for name, number in PHASES.items()}


@dataclass
class Entry:
    """A finding in a file: the line its layer begins on (0: unknown) and the phases it holds in (none: all)."""

    where: str
    line: int
    phases: list[str]
    finding: Finding


@dataclass
class Report:
    """What was found in a file, and the errors that keep it from being used."""

    entries: list[Entry] = field(default_factory=list)
    errors: list[CaffeError] = field(default_factory=list)

    @property
    def warnings(self) -> list[Entry]:
        """The findings that are probably mistakes."""
        return [entry for entry in self.entries if entry.finding.severity == WARNING]

    @property
    def exit_status(self) -> int:
        """0: nothing is wrong, though there may be hints; 1: there are warnings; with an error its own (models: 3)."""
        return self.errors[0].exit_status if self.errors else int(bool(self.warnings))

    def lines(self) -> list[str]:
        """The findings as lines; those that differ in the layer only share one, which stands where the first is."""
        alike: dict[Any, list[Entry]] = {}
        for entry in self.entries:
            key = (entry.where, bool(entry.finding.layer), tuple(entry.phases), replace(entry.finding, layer=""))
            alike.setdefault(key, []).append(entry)
        return [_line(entries) for entries in alike.values()]

    def fail(self, error: CaffeError) -> None:
        """Add an error, once."""
        if str(error) not in map(str, self.errors):
            self.errors.append(error)

    def add(self, where: str, line: int, phase: str, finding: Finding) -> None:
        """Add a finding; one that is there already gets the phase added."""
        same = next((e for e in self.entries if e.where == where and e.finding == finding), None)
        if same is None:
            self.entries.append(Entry(where, line, [phase] if phase else [], finding))
        elif phase and phase not in same.phases:
            same.phases.append(phase)


def _line(entries: Sequence[Entry]) -> str:
    """``net.prototxt:12: warning (TRAIN): layers 'a', 'b', 'c' and 5 more: what it is; what to do [rule]``."""
    first = entries[0]
    found, names = first.finding, [f"'{entry.finding.layer}'" for entry in entries if entry.finding.layer]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    layers = f"layer{'s' * (len(names) > 1)} {shown}: " if names else ""
    place = f"{first.where}:{first.line}" if first.line else first.where
    phases = f" ({', '.join(first.phases)})" if first.phases else ""
    return f"{place}: {found.severity}{phases}: {layers}{found.what}; {found.remedy} [{found.rule}]"


def check(path: PathLike, phase: str = "", level: int = 0, stages: Sequence[str] = ()) -> Report:
    """Look for mistakes in a prototxt, that of a net or of a solver with its nets.

    ``phase`` is "TRAIN" or "TEST"; by default a net is checked in those it is written for. Raises the FileErrors of
    ``path`` and PrototxtError; errors further on are part of the report.
    """
    text = read_text(path)
    message = _parse(text, str(path))
    report = Report()
    if isinstance(message, NetParameter):
        _Check(report, message, text, str(path)).in_phases(PHASES.get(phase), level, stages)
    else:
        _solver(report, message, str(path))
    return report


def _parse(text: str, where: str) -> Any:
    """The message a text holds: of what it can be the one that more of it fits."""
    errors = []
    for kind in (NetParameter, SolverParameter):
        try:
            return prototxt.parse(text, kind, where)
        except PrototxtError as error:
            errors.append(error)
    raise max(errors, key=lambda error: (error.line, error.column)) from None


def _solver(report: Report, message: Any, where: str) -> None:
    """Check a solver, then its nets in the states it gives them."""
    if upgrade.upgrade_solver(message) is not message:
        report.add(where, 0, "", _old("solver_type", "upgrade_solver_proto_text"))
    try:
        solver = _with_nets(read_solver(where), Path(where))
        for finding in solvers.apply(solver):
            report.add(where, 0, "", finding)
        sources = [(train_source(solver), TRAIN, solver.train_state)]
        for i, source in enumerate(testing_sources(solver)):
            sources.append((source, TEST, solver.test_state[i] if solver.test_state else NetParameter().state))
    except CaffeError as error:
        report.fail(error.at(where))
        return
    for source, phase, state in sources:
        try:
            _solver_net(report, source, phase, state, bool(solver.weights))
        except CaffeError as error:
            report.fail(error)


def _with_nets(solver: Any, path: Path) -> Any:
    """A solver whose nets are found: paths often count from a folder above the solver's, the one to train in."""
    for name in ("net", "train_net"):
        if solver.HasField(name):
            setattr(solver, name, _above(getattr(solver, name), path))
    solver.test_net[:] = [_above(net, path) for net in solver.test_net]
    return solver


def _above(net: str, path: Path) -> str:
    """A path that is there, if it is from here or from any folder above a file."""
    places = [Path(), *path.absolute().parents]
    return next((str(place / net) for place in places if (place / net).is_file()), net)


def _solver_net(report: Report, source: Source, phase: int, state: Any, finetunes: bool) -> None:
    text = read_text(source.net) if isinstance(source.net, str) else ""
    config, where = described(source, phase, state)
    original = prototxt.parse(text, NetParameter, where) if text else source.net
    checked = _Check(report, original, text, where, finetunes)
    checked.net = config
    checked.in_phase(config.state.phase, 0, ())


def _old(form: str, tool: str) -> Finding:
    what = f"is written for an older Caffe ({form}); it is upgraded whenever it is read"
    return Finding("old_format", "", what, f"{tool} IN OUT writes it in today's form", HINT)


class _Check:
    """Checks one net of a file."""

    def __init__(self, report: Report, original: Any, text: str, where: str, finetunes: bool = False) -> None:
        self.report, self.where, self.finetunes = report, where, finetunes
        self.lines = prototxt.layer_lines(text) if text else {}
        forms = upgrade.old_forms(original)
        if forms:
            report.add(where, 0, "", _old(", ".join(forms), "upgrade_net_proto_text"))
        self.net = upgrade.upgrade_net(original, where)

    def in_phases(self, phase: int | None, level: int, stages: Sequence[str]) -> None:
        """Check in one phase, or in those the net is written for."""
        try:
            phases = self._phases(level, stages) if phase is None else [phase]
        except ModelError as error:
            self.report.fail(error.at(self.where))
            return
        for each in phases:
            for chosen in [stages] if stages else self._stages(each):
                self.in_phase(each, level, chosen)

    def _phases(self, level: int, stages: Sequence[str]) -> list[int]:
        """TRAIN if there is a loss in it; TEST if there is none, or if some layer is for TEST alone."""
        trains = any(map(is_loss, filter_net(self.net, net_state(self.net, TRAIN, level, stages)).layer))
        tests = any(rule.phase == TEST for rule in self._rules())
        return [TRAIN] * trains + [TEST] * (tests or not trains)

    def _stages(self, phase: int) -> list[tuple[str, ...]]:
        """The sets of stages that layers for this phase ask for; an empty one if they ask for none."""
        return list(dict.fromkeys(tuple(r.stage) for r in self._rules() if r.phase == phase and r.stage)) or [()]

    def _rules(self) -> list[Any]:
        """The include rules that name a phase."""
        return [rule for layer in self.net.layer for rule in layer.include if rule.HasField("phase")]

    def in_phase(self, phase: int, level: int, stages: Sequence[str]) -> None:
        """Build the net and apply the rules; what cannot be built is an error, and is checked as far as it goes."""
        try:
            kept = filter_net(self.net, net_state(self.net, phase, level, stages))
        except ModelError as error:
            self.report.fail(error.at(self.where))
            return
        config, missing = with_stand_ins(kept)
        for stand_in in missing:
            self._add(phase, _missing(stand_in))
        built = None
        if all(stand_in.shapes is not None for stand_in in missing):
            built = self._build(config, phase)
        else:
            self._check_layers(kept)
        try:
            for finding in rules.apply(Subject(kept, phase, built, self.finetunes)):
                self._add(phase, finding)
        finally:
            if built is not None:
                built.close()

    def _build(self, config: Any, phase: int) -> Net | None:
        """The net. None and an error where it cannot be; None and a finding where its data cannot be used."""
        try:
            return Net(config, phase, where=self.where)
        except ModelError as error:
            self.report.fail(error)
        except CaffeError as error:
            place = error.where.removeprefix(self.where).lstrip(": ")
            self._add(phase, Finding("data", "", f"{place}: {error.what}".lstrip(": "), error.remedy))
        return None

    def _check_layers(self, net: Any) -> None:
        """What is wrong with layers and their connections, whatever the shapes are."""
        try:
            for layer in insert_splits(net).layer:
                create(layer, layer.phase).close()
        except ModelError as error:
            self.report.fail(error.at(self.where))

    def _add(self, phase: int, finding: Finding) -> None:
        self.report.add(self.where, self.lines.get(finding.layer, 0), NAMES[phase], finding)


def _missing(stand_in: StandIn) -> Finding:
    what = f"'{stand_in.source}' is not there"
    if stand_in.shapes is None:
        remedy = "put it there to check shapes"
        return Finding("missing_data", stand_in.layer, f"{what}, so shapes are unknown and not checked", remedy, HINT)
    images = " x ".join(map(str, stand_in.shapes[0])) if stand_in.shapes else "nothing"
    return Finding("missing_data", stand_in.layer, f"{what}; it is taken for {images}", "put it there to be sure", HINT)
