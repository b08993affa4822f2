"""Scripts as they were written for pycaffe run with ``import caffe``, and no other caffe is disturbed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import caffe_sdk
from caffe_sdk.cli import pythonpath
from caffe_sdk.cli.main import main
from caffe_sdk.compat import caffe as compat
from caffe_sdk.compat.caffe import _caffe
from caffe_sdk.data.databases import write_arrays


def run(script: str, folder: Path, path: str = "", fails: bool = False) -> str:
    """What a script prints in a process of its own; its stderr too where it is to fail."""
    root = str(Path(caffe_sdk.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [path, root]))}
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == fails, done.stderr
    return done.stdout + (done.stderr if fails else "")


@pytest.fixture
def path(capsys: pytest.CaptureFixture[str]) -> str:
    """What ``caffe-sdk pythonpath`` prints."""
    assert callable(pythonpath.run)
    assert main(["pythonpath"]) == 0
    return capsys.readouterr().out.strip()


LENET_SOLVER = """
import caffe
from caffe import layers as L, params as P
from caffe.proto import caffe_pb2

def lenet(lmdb, batch_size):
    n = caffe.NetSpec()
    n.data, n.label = L.Data(batch_size=batch_size, backend=P.Data.LMDB, source=lmdb,
                             transform_param=dict(scale=1./255), ntop=2)
    n.ip = L.InnerProduct(n.data, num_output=3, weight_filler=dict(type='xavier'))
    n.loss = L.SoftmaxWithLoss(n.ip, n.label)
    return n.to_proto()

with open('auto_train.prototxt', 'w') as f:
    f.write(str(lenet('db', 8)))

s = caffe_pb2.SolverParameter()
s.train_net = 'auto_train.prototxt'
s.test_net.append('auto_train.prototxt')
s.test_interval = 500
s.test_iter.append(1)
s.max_iter = 100
s.base_lr = 0.5
s.lr_policy = 'fixed'
s.snapshot_prefix = 'auto'
with open('solver.prototxt', 'w') as f:
    f.write(str(s))

caffe.set_device(0) if caffe.has_nccl() else caffe.set_mode_cpu()
caffe.set_random_seed(1)
solver = caffe.SGDSolver('solver.prototxt')
for k, v in solver.net.blobs.items():
    print(k, v.data.shape)
first = None
for it in range(40):
    solver.step(1)
    first = first or float(solver.net.blobs['loss'].data)
print('learns', solver.net.blobs['loss'].data < first / 4)
solver.net.save('auto.caffemodel')
net = caffe.Net('auto_train.prototxt', 'auto.caffemodel', caffe.TEST)
print('same', (net.params['ip'][0].data == solver.net.params['ip'][0].data).all())
"""

CLASSIFICATION = """
import os
os.environ['GLOG_minloglevel'] = '2'
import numpy as np
import caffe
import caffe.io
from caffe.io import load_image
from caffe.classifier import Classifier
import caffe.proto.caffe_pb2 as pb
import caffe.net_spec, caffe.coord_map
from caffe.pycaffe import Net
from google.protobuf import text_format

net_proto = text_format.Parse(open('deploy.prototxt').read(), pb.NetParameter())
net = Net('deploy.prototxt', caffe.TEST)
transformer = caffe.io.Transformer({'data': net.blobs['data'].data.shape})
transformer.set_transpose('data', (2, 0, 1))
transformer.set_mean('data', np.array([104., 117., 123.]))
transformer.set_raw_scale('data', 255)
transformer.set_channel_swap('data', (2, 1, 0))
net.blobs['data'].reshape(1, 3, 4, 4)
image = load_image('photo.png')
net.blobs['data'].data[...] = transformer.preprocess('data', image)
out = net.forward()
print([(k, v[0].data.shape) for k, v in net.params.items()])
print(out['prob'][0].argmax(), round(float(out['prob'].sum()), 5))
c = caffe.Classifier('deploy.prototxt', None, image_dims=(6, 6), raw_scale=255)
print(c.predict([image]).shape, isinstance(c, Classifier), isinstance(net_proto, type(pb.NetParameter())))
"""

PYTHON_LAYER = """
import sys
sys.path.insert(0, '.')
open('pyloss.py', 'w').write('''
import caffe
import numpy as np

class EuclideanLossLayer(caffe.Layer):
    def setup(self, bottom, top):
        if len(bottom) != 2:
            raise Exception("Need two inputs to compute distance.")

    def reshape(self, bottom, top):
        self.diff = np.zeros_like(bottom[0].data, dtype=np.float32)
        top[0].reshape(1)

    def forward(self, bottom, top):
        self.diff[...] = bottom[0].data - bottom[1].data
        top[0].data[...] = np.sum(self.diff**2) / bottom[0].num / 2.

    def backward(self, top, propagate_down, bottom):
        for i in range(2):
            if not propagate_down[i]:
                continue
            bottom[i].diff[...] = (1 if i == 0 else -1) * self.diff / bottom[i].num
''')
import caffe
from caffe import layers as L
n = caffe.NetSpec()
n.a, n.b = L.DummyData(shape=dict(dim=[2, 3]), data_filler=[dict(value=2), dict(value=1)], ntop=2)
n.ip = L.InnerProduct(n.a, num_output=3, weight_filler=dict(type='constant', value=0.5))
n.loss = L.Python(n.ip, n.b, module='pyloss', layer='EuclideanLossLayer', loss_weight=1)
open('net.prototxt', 'w').write('force_backward: true ' + str(n.to_proto()))
net = caffe.Net('net.prototxt', caffe.TRAIN)
print(net.forward()['loss'])
net.backward()
print(net.blobs['ip'].diff.tolist())
"""

DREAM = """
import caffe
import numpy as np
from google.protobuf import text_format
from caffe._caffe import BlobVec, RawBlobVec, layer_type_list

model = caffe.io.caffe_pb2.NetParameter()
text_format.Merge(open('deploy.prototxt').read(), model)
model.force_backward = True
open('tmp.prototxt', 'w').write(str(model))
caffe.Net('tmp.prototxt', caffe.TEST).save('tmp.caffemodel')
net = caffe.Classifier('tmp.prototxt', 'tmp.caffemodel', mean=np.float32([104, 117, 123]), channel_swap=(2, 1, 0))

src, dst = net.blobs['data'], net.blobs['fc']
src.reshape(1, 3, 4, 4)
image = np.random.RandomState(0).rand(4, 4, 3) * 255
src.data[0] = np.float32(np.rollaxis(image, 2)[::-1]) - net.transformer.mean['data']
sizes = []
for i in range(4):
    net.forward(end='fc')
    dst.diff[:] = dst.data
    net.backward(start='fc')
    g = src.diff[0]
    src.data[:] += 1.5 / np.abs(g).mean() * g
    sizes.append(float((dst.data ** 2).sum()))
print('grows', sizes == sorted(sizes) and sizes[0] < sizes[-1])
print(all(type(net.params[key]) is BlobVec for key in net.params), 'ReLU' in layer_type_list())
print(issubclass(caffe.SGDSolver, caffe._caffe.Solver), caffe.pycaffe.Net is caffe.Net)
try:
    caffe.io.nothing
except AttributeError as error:
    print(error)
"""

DEPLOY = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 10 dim: 3 dim: 4 dim: 4 } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""


def test_learning_with_the_solver_in_python(tmp_path: Path, path: str) -> None:
    labels = np.arange(30) % 3
    images = np.zeros((30, 1, 2, 2), np.uint8)
    images.reshape(30, 4)[np.arange(30), labels] = 200
    write_arrays(tmp_path / "db", images, labels, backend="lmdb")
    assert run(LENET_SOLVER, tmp_path, path).splitlines() == [
        "data (8, 1, 2, 2)",
        "label (8,)",
        "ip (8, 3)",
        "loss ()",
        "learns True",
        "same True",
    ]


def test_classification(tmp_path: Path, path: str) -> None:
    (tmp_path / "deploy.prototxt").write_text(DEPLOY)
    Image.fromarray(np.full((7, 9, 3), 99, np.uint8)).save(tmp_path / "photo.png")
    assert run(CLASSIFICATION, tmp_path, path).splitlines() == [
        "[('fc', (5, 48))]",
        "0 1.0",
        "(1, 5) True True",
    ]


def test_a_dream_and_what_else_scripts_reach(tmp_path: Path, path: str) -> None:
    fillers = 'weight_filler { type: "xavier" } num_output'
    (tmp_path / "deploy.prototxt").write_text(DEPLOY.replace("num_output", fillers))
    assert run(DREAM, tmp_path, path).splitlines() == [
        "grows True",
        "True True",
        "True True",
        "module 'caffe_sdk.io' has no attribute 'nothing'",
    ]


def test_a_layer_in_python(tmp_path: Path, path: str) -> None:
    assert run(PYTHON_LAYER, tmp_path, path).splitlines() == ["[6.]", str([[1.0] * 3] * 2)]


def test_installed_for_one_process(tmp_path: Path) -> None:
    script = "import caffe_sdk; caffe_sdk.install_as_caffe(); import caffe, caffe.io; print(caffe.io is caffe_sdk.io)"
    assert run(script, tmp_path) == "True\n"
    twice = "import caffe_sdk as c; print(c.install_as_caffe() is c.install_as_caffe(), __import__('sys').path.count)"
    assert run(twice, tmp_path).startswith("True")


def test_another_caffe_stays_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "caffe").mkdir()
    (tmp_path / "caffe" / "__init__.py").write_text("mine = True")
    assert run("import caffe_sdk, caffe; print(caffe.mine)", tmp_path) == "True\n"
    words = run("import caffe, caffe_sdk; caffe_sdk.install_as_caffe()", tmp_path, fails=True)
    assert "ArgumentError: install_as_caffe: another caffe was imported already, from" in words
    assert run("import caffe_sdk; print(caffe_sdk.install_as_caffe().__version__)", tmp_path) == "1.0.0\n"


def test_every_name_is_there() -> None:
    for name in compat.__all__:
        assert getattr(compat, name) is not None
    assert compat.Net is caffe_sdk.Net
    assert compat.layers.Convolution is not None
    assert _caffe.Net is compat.Net
    with pytest.raises(AttributeError):
        compat.no_such_name  # noqa: B018
