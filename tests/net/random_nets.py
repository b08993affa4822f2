"""Random nets of images, for tests that hold engines against each other."""

from __future__ import annotations

import numpy as np

SIZE = 9  # pixels a side; no layer changes it, so any two blobs can be joined
FILLER = 'weight_filler { type: "gaussian" std: 0.3 } bias_filler { type: "uniform" min: -0.2 max: 0.2 }'
MOMENTS = 'filler { type: "uniform" min: 0.5 max: 1.5 }'

SINGLE = {
    "Convolution": f"convolution_param {{ num_output: OUT kernel_size: 3 pad: 1 {FILLER} }}",
    "Pooling": "pooling_param { pool: POOL kernel_size: 3 stride: 1 pad: 1 }",
    "LRN": "lrn_param { local_size: 3 alpha: 0.5 }",
    "ReLU": "",
    "TanH": "",
    "Power": "power_param { power: 2 scale: 0.5 shift: 0.1 }",
    "Scale": f"scale_param {{ bias_term: true {MOMENTS} }}",
    "BatchNorm": "",
    "Dropout": "",
    "PReLU": "",
    "MVN": "",
}
IN_PLACE = ("ReLU", "TanH", "Scale", "BatchNorm", "Dropout", "PReLU")
KINDS = [*SINGLE, "Convolution", "ReLU", "Concat", "Sum", "Slice", "Flatten"]


def random_net(generator: np.random.Generator, layers: int, host: str = "") -> str:
    """A net for the phase TEST with one input; a layer of type ``host``, if given, is somewhere in the middle."""
    channels = {"data": 3}
    used = {"data"}
    text = (
        f'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 2 dim: 3 {_sides()} }} }} }}\n'
    )
    for i in range(layers):
        kind = str(generator.choice(KINDS)) if not host or i != layers // 2 else host
        x = str(generator.choice(list(channels)[-2:]))
        other, top = x, f"b{i}"
        if kind == "Concat":
            other = str(generator.choice(list(channels)[-2:]))
            text += f'layer {{ name: "l{i}" type: "Concat" bottom: "{x}" bottom: "{other}" top: "{top}" }}\n'
            channels[top] = channels[x] + channels[other]
        elif kind == "Sum":
            others = [name for name in channels if channels[name] == channels[x]]
            other = str(generator.choice(others))
            text += f'layer {{ name: "l{i}" type: "Eltwise" bottom: "{x}" bottom: "{other}" top: "{top}" }}\n'
            channels[top] = channels[x]
        elif kind == "Slice" and channels[x] > 1:
            cut = int(generator.integers(1, channels[x]))
            text += f'layer {{ name: "l{i}" type: "Slice" bottom: "{x}" top: "{top}" top: "r{i}" '
            text += f"slice_param {{ slice_point: {cut} }} }}\n"
            channels[top], channels[f"r{i}"] = cut, channels[x] - cut
        elif kind == "Flatten":
            text += f'layer {{ name: "f{i}" type: "Flatten" bottom: "{x}" top: "f{i}" }}\n'
            text += f'layer {{ name: "l{i}" type: "Reshape" bottom: "f{i}" top: "{top}" reshape_param {{ shape {{ '
            text += f"dim: 0 dim: {channels[x]} {_sides()} }} }} }}\n"
            channels[top] = channels[x]
        else:
            kind = kind if kind in SINGLE or kind == host else "ReLU"
            top = x if kind in IN_PLACE and x not in used and generator.random() < 0.7 else top
            out, pool = int(generator.integers(1, 20)), str(generator.choice(["MAX", "AVE"]))
            options = SINGLE.get(kind, "").replace("OUT", str(out)).replace("POOL", pool)
            text += f'layer {{ name: "l{i}" type: "{kind}" bottom: "{x}" top: "{top}" {options} }}\n'
            channels[top] = out if kind == "Convolution" else channels[x]
        used |= {x, other} - {top}
    return text


def _sides() -> str:
    return f"dim: {SIZE} dim: {SIZE}"
