"""Tests networks that PyTorch exports to ONNX: they must give the same maps as PyTorch itself, and models can be trained on them."""
import json
import os
import shutil
import struct
import subprocess
import tempfile
import unittest

import numpy
import torch
from torch import nn

from harness import BUILD, SMALL_SAMPLE, run, sample_set

TRAINER = os.path.join(BUILD, "vedette-trainer")
# bf16 has 8 bits. That is an error of 0.4 % per value, which grows with the depth.
TOLERANCE = 0.05


def norm(channels):
    layer = nn.BatchNorm2d(channels)
    nn.init.uniform_(layer.weight, 0.7, 1.3)
    nn.init.normal_(layer.bias, 0, 0.1)
    nn.init.normal_(layer.running_mean, 0, 0.1)
    nn.init.uniform_(layer.running_var, 0.7, 1.3)
    return layer


def conv(inputs, outputs, kernel, stride=1, groups=1, act=nn.ReLU, **options):
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False, **options), norm(outputs)]
    return nn.Sequential(*layers, act()) if act else nn.Sequential(*layers)


class Residual(nn.Module):
    """A block of ResNet, basic or with a bottleneck."""

    def __init__(self, inputs, outputs, stride, bottleneck=False):
        super().__init__()
        if bottleneck:
            self.body = nn.Sequential(conv(inputs, outputs // 4, 1), conv(outputs // 4, outputs // 4, 3, stride), conv(outputs // 4, outputs, 1, act=None))
        else:
            self.body = nn.Sequential(conv(inputs, outputs, 3, stride), conv(outputs, outputs, 3, act=None))
        self.skip = nn.Identity() if stride == 1 and inputs == outputs else conv(inputs, outputs, 1, stride, act=None)

    def forward(self, x):
        return torch.relu(self.body(x) + self.skip(x))


class SqueezeExcite(nn.Module):
    def __init__(self, channels, gate):
        super().__init__()
        self.body = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, 8, 1), nn.ReLU(), nn.Conv2d(8, channels, 1), gate())

    def forward(self, x):
        return x * self.body(x)


class Inverted(nn.Module):
    """A block of MobileNet and EfficientNet."""

    def __init__(self, inputs, outputs, stride, act, gate=None):
        super().__init__()
        self.is_residual = stride == 1 and inputs == outputs
        middle = [SqueezeExcite(4 * inputs, gate)] if gate else []
        self.body = nn.Sequential(conv(inputs, 4 * inputs, 1, act=act), conv(4 * inputs, 4 * inputs, 5, stride, 4 * inputs, act), *middle, conv(4 * inputs, outputs, 1, act=None))

    def forward(self, x):
        return x + self.body(x) if self.is_residual else self.body(x)


class Dense(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.layers = nn.ModuleList(nn.Sequential(norm(inputs + 8 * i), nn.ReLU(), nn.Conv2d(inputs + 8 * i, 8, 3, padding=1)) for i in range(3))

    def forward(self, x):
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return x


class Staged(nn.Module):
    """A network with stages up to stride 32, whose last stage is a head that Vedette cannot read. forward() also returns the maps that
    Vedette should choose."""

    def __init__(self, stem, stages, channels):
        super().__init__()
        self.stem = stem
        self.stages = nn.ModuleList(stages)
        self.head = nn.Linear(channels, 10)

    def maps(self, x):
        found = []
        x = self.stem(x)
        for stage in self.stages[:3]:
            x = stage(x)
            found.append(x)
        return found

    def forward(self, x):
        x = self.stages[3](self.maps(x)[-1])
        return torch.softmax(self.head(x.mean((2, 3)) * torch.sqrt(x.abs().mean())), 1)


def resnet(bottleneck, widths):
    stem = nn.Sequential(nn.Conv2d(3, 32, 7, 2, 3, bias=False), norm(32), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    stages = []
    inputs = 32
    for i, width in enumerate(widths):
        stages.append(nn.Sequential(Residual(inputs, width, 1 if i == 0 else 2, bottleneck), Residual(width, width, 1, bottleneck)))
        inputs = width
    return Staged(stem, stages, inputs)


def mobilenet(act, gate):
    stages = [nn.Sequential(Inverted(8 * 2**i, 16 * 2**i, 2, act, gate), Inverted(16 * 2**i, 16 * 2**i, 1, act, gate)) for i in range(4)]
    return Staged(conv(3, 8, 3, 2, act=act), stages, 128)


def densenet():
    def stage(inputs):
        return nn.Sequential(nn.Conv2d(inputs, 16, 1), nn.AvgPool2d(2), Dense(16), norm(40), nn.ReLU())

    return Staged(nn.Sequential(nn.Conv2d(3, 16, 7, 2, 3), norm(16), nn.ReLU()), [stage(16), stage(40), stage(40), stage(40)], 40)


def squeezenet():
    class Fire(nn.Module):
        def __init__(self, inputs):
            super().__init__()
            self.squeeze, self.one, self.three = nn.Conv2d(inputs, 8, 1), nn.Conv2d(8, 16, 1), nn.Conv2d(8, 16, 3, padding=1)

        def forward(self, x):
            x = torch.relu(self.squeeze(x))
            return torch.cat([torch.relu(self.one(x)), torch.relu(self.three(x))], 1)

    stages = [nn.Sequential(nn.MaxPool2d(2, 2, ceil_mode=True), Fire(inputs)) for inputs in (16, 32, 32, 32)]
    return Staged(nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.LeakyReLU(0.1)), stages, 32)


def vgg():
    def stage(inputs, outputs):
        return nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.Conv2d(outputs, outputs, 3, padding=2, dilation=2), nn.ReLU())

    return Staged(nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU6()), [stage(16, 24), stage(24, 32), stage(32, 48), stage(48, 48)], 48)


def write_picture(path, picture):
    data = picture.astype("<f4").tobytes()
    header = json.dumps({"picture": {"dtype": "F32", "shape": list(picture.shape), "data_offsets": [0, len(data)]}}).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(header)) + header + data)


def read_tensors(path):
    with open(path, "rb") as f:
        blob = f.read()
    size = struct.unpack("<Q", blob[:8])[0]
    tensors = {}
    for name, entry in json.loads(blob[8 : 8 + size]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            kind = {"F32": "<f4", "F16": "<f2"}[entry["dtype"]]
            tensors[name] = numpy.frombuffer(blob[8 + size + begin : 8 + size + end], kind).reshape(entry["shape"]).astype(numpy.float32)
    return tensors


class Backbones(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="vedette-backbones-")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def export(self, network, name, **options):
        torch.onnx.export(network, torch.zeros(1, 3, 128, 128), self.path(name), opset_version=14, **options)
        return self.path(name)

    def compare(self, network, seed, **options):
        torch.manual_seed(seed)
        network = network().eval()
        file = self.export(network, f"{seed}.onnx", **options)
        picture = numpy.random.default_rng(seed).normal(size=(3, 96, 160)).astype(numpy.float32)
        write_picture(self.path("picture.safetensors"), picture)
        subprocess.run([TRAINER, "backbone", file, "--picture", self.path("picture.safetensors"), "--out", self.path("maps.safetensors")], check=True, stdout=subprocess.DEVNULL)
        with torch.no_grad():
            expected = network.maps(torch.from_numpy(picture)[None])
        maps = read_tensors(self.path("maps.safetensors"))
        for stride, wanted in zip((4, 8, 16), expected):
            wanted, got = wanted[0].numpy(), maps[f"stride{stride}"]
            self.assertEqual(got.shape, wanted.shape)
            error = numpy.sqrt(numpy.mean((got - wanted) ** 2)) / wanted.std()
            self.assertLess(error, TOLERANCE, f"stride {stride}")

    def test_residual_networks(self):
        self.compare(lambda: resnet(False, (32, 48, 64, 96)), 1)
        self.compare(lambda: resnet(True, (64, 96, 128, 160)), 2)

    def test_batch_norms_that_were_not_folded(self):
        self.compare(lambda: resnet(False, (16, 24, 32, 32)), 3, do_constant_folding=False, training=torch.onnx.TrainingMode.PRESERVE)

    def test_mobile_networks(self):
        self.compare(lambda: mobilenet(nn.ReLU6, None), 4)
        self.compare(lambda: mobilenet(nn.Hardswish, nn.Hardsigmoid), 5)

    def test_efficient_networks(self):
        self.compare(lambda: mobilenet(nn.SiLU, nn.Sigmoid), 6)

    def test_networks_without_residuals(self):
        self.compare(densenet, 7)
        self.compare(squeezenet, 8)
        self.compare(vgg, 9)

    def test_wide_maps_are_projected(self):
        file = self.export(resnet(True, (64, 256, 512, 512)).eval(), "wide.onnx")
        said = subprocess.run([TRAINER, "backbone", file], check=True, capture_output=True, text=True).stdout
        self.assertIn("stride4: 64 channels\nstride8: 192 channels\nstride16: 192 channels\n", said)

    def test_a_network_that_cannot_be_used_is_refused_by_name(self):
        class Other(nn.Module):
            def forward(self, x):
                return torch.fmod(nn.functional.avg_pool2d(x, 4), 2)

        file = self.export(Other(), "other.onnx")
        for command in ([TRAINER, "backbone", file], [TRAINER, "backbone", __file__]):
            done = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, "no map at stride 8.*it needs operator Mod" if file in command else "no ONNX network")

    def test_a_model_is_trained_on_an_onnx_backbone_and_serves_without_its_file(self):
        torch.manual_seed(10)
        file = self.export(resnet(False, (32, 48, 64, 96)).eval(), "own.onnx")
        sample, model = sample_set(*SMALL_SAMPLE, shrink=4), self.path("model")
        run("train", "--manifest", sample + "/manifests/train.manifest", "--out", model, "--steps", "20", "--backbone", file, "--json")
        os.remove(file)
        summary = json.loads(run("evaluate", model, "--manifest", sample + "/manifests/test.manifest", "--json").splitlines()[-1])
        self.assertGreater(summary["image_auroc"], 0.7)


if __name__ == "__main__":
    unittest.main()
