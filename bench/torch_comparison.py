#!/usr/bin/python3
"""Measures how long the same network takes in PyTorch, as a Python user would run it, beside `vedette bench`.

    bench/torch_comparison.py MODEL_DIR IMAGE_DIR [--vedette build/release/vedette] [--threads N] [--seconds S]

It needs Debian's python3-torch, python3-pil and python3-numpy. The model's graph with its weights becomes a module that is traced,
frozen and optimised for inference (torch.jit), in fp32 and, where PyTorch can, in bf16. Pillow decodes the pictures, and the same number
of threads works. PyTorch is spared some work: the part is not registered, no map is warped back, no mask is drawn, and nothing goes over
HTTP. The script prints milliseconds and ratios; the last line is JSON.
"""
import argparse
import io
import json
import os
import pathlib
import struct
import subprocess
import sys
import time

import numpy
import PIL.Image
import torch
from torch.nn import functional as F


def read_safetensors(path):
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    tensors = {}
    for name, entry in json.loads(content[8 : 8 + length]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        kind = {"F32": numpy.float32, "F16": numpy.float16}[entry["dtype"]]
        values = numpy.frombuffer(content[begin:end], kind).astype(numpy.float32)
        tensors[name] = torch.from_numpy(values.reshape(entry["shape"]).copy())
    return tensors


def gaussian(x, sigma):
    """Returns the maps [1, C, H, W] blurred, with replicated edges."""
    radius = int(3 * sigma + 0.5)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).repeat(int(x.shape[1]), 1)
    x = F.conv2d(F.pad(x, (radius, radius, 0, 0), mode="replicate"), kernel[:, None, None, :], groups=int(x.shape[1]))
    return F.conv2d(F.pad(x, (0, 0, radius, radius), mode="replicate"), kernel[:, None, :, None], groups=int(x.shape[1]))


class Network(torch.nn.Module):
    """The artifact's graph. It turns a picture [3, H, W], 0 … 1, into the contestants' maps and the class maps."""

    def __init__(self, folder):
        super().__init__()
        self.manifest = json.loads((folder / "manifest.json").read_text())
        tensors = {}
        for blob in set(self.manifest["tensors"].values()):
            tensors.update(read_safetensors(folder / "blobs" / (blob + ".safetensors")))
        for name, tensor in tensors.items():
            self.register_buffer(name.replace(".", "/"), tensor)
        self.outputs = [name for c in self.manifest["contestants"] for name in c["maps"]]
        self.outputs += self.manifest.get("segmentation", {}).get("class_maps", [])
        needed = set(self.outputs)
        self.nodes = []
        for node in reversed(self.manifest["graph"]):
            if node["output"] in needed:
                needed.update(node["inputs"])
                self.nodes.insert(0, node)

    def forward(self, image):
        values = {"image": image}
        for node in self.nodes:
            inputs = [values[name] for name in node["inputs"]]
            tensors = {role: getattr(self, name.replace(".", "/")) for role, name in node.get("tensors", {}).items()}
            values[node["output"]] = getattr(self, node["op"])(inputs, tensors, node.get("numbers", {}))
        return tuple(values[name].float() for name in self.outputs)

    def register(self, inputs, tensors, numbers):
        return torch.zeros(3)

    def warp_to_reference(self, inputs, tensors, numbers):
        return inputs[0]

    warp_from_reference = warp_to_reference

    def light_normalize(self, inputs, tensors, numbers):
        x, cell = inputs[0][None], 4
        small = F.avg_pool2d(torch.cat([x, x * x]), cell)
        mean, square = gaussian(small.reshape(1, 6, int(small.shape[2]), int(small.shape[3])), numbers["sigma"] / cell).chunk(2, 1)
        gain = 1 / ((square - mean * mean).clamp(min=0).sqrt() + 0.05)
        mean, gain = F.interpolate(torch.cat([mean, gain]), x.shape[2:], mode="bilinear", align_corners=False)
        return (inputs[0] - mean) * gain

    def edge_energies(self, inputs, tensors, numbers):
        cell, x = int(numbers["cell"]), inputs[0]
        tap = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
        kernel = (tap[:, None] * tap[None, :])[None, None]

        def smooth(plane):
            return F.conv2d(F.pad(plane, (2, 2, 2, 2), mode="replicate"), kernel)

        picture, energies = x.mean(0)[None, None], []
        for octave in range(4):
            fine = smooth(picture)
            around = F.pad(fine, (1, 1, 1, 1), mode="replicate")
            across, down = around[..., 1:-1, 2:] - around[..., 1:-1, :-2], around[..., 2:, 1:-1] - around[..., :-2, 1:-1]
            half = 0.5**0.5
            steps = [across, down, half * (across + down), half * (across - down), picture - smooth(fine)]
            energies += [F.avg_pool2d(step.abs(), cell >> octave) for step in steps]
            picture = F.avg_pool2d(fine, 2)
        energies = torch.cat(energies, 1)
        colors = F.avg_pool2d(torch.stack([x[0] - x[1], x[2] - x[1]])[None], cell)
        numbers_of = torch.cat([energies / (energies.mean((2, 3), keepdim=True) + 1e-3), colors], 1)
        wide = F.avg_pool2d(numbers_of, 3, 1, 1, count_include_pad=False)
        return torch.cat([numbers_of, wide], 1)[0].permute(1, 2, 0).reshape(-1, 44)

    def block(self, inputs, tensors, numbers):
        weights = tensors["weights"]
        x = F.conv2d(inputs[0][None], weights, tensors["bias"], int(numbers["stride"]), int(weights.shape[2]) // 2, 1,
                     int(numbers["groups"]))[0]
        x = x + inputs[1] if len(inputs) > 1 else x
        return F.relu(x) if numbers["relu"] else x

    def upsample(self, inputs, tensors, numbers):
        return F.interpolate(inputs[0][None], scale_factor=int(numbers["factor"]), mode="bilinear", align_corners=False)[0]

    def average_pool(self, inputs, tensors, numbers):
        return F.avg_pool2d(inputs[0][None], int(numbers["size"]))[0]

    def concatenate(self, inputs, tensors, numbers):
        return torch.cat(inputs)

    def tokens(self, inputs, tensors, numbers):
        return inputs[0].permute(1, 2, 0).reshape(-1, int(inputs[0].shape[0])).float()

    def project(self, inputs, tensors, numbers):
        return torch.matmul(inputs[0], tensors["weights"]) + tensors["bias"]

    def nearest_distance(self, inputs, tensors, numbers):
        distances = torch.cdist(inputs[0], tensors["bank"])
        groups = [int(g) for g in tensors["groups"]]
        maps = [distances[:, a:b].amin(1) for a, b in zip(groups, groups[1:])]
        return torch.stack(maps).reshape(-1, int(numbers["height"]), int(numbers["width"]))

    def position_subspace(self, inputs, tensors, numbers):
        error = inputs[0] - tensors["mean"]
        explained = torch.bmm(tensors["basis"], error[:, :, None])[:, :, 0].square().sum(1)
        rest = tensors["weight"] * error.square().sum(1) - explained
        return (rest.clamp(min=0) / error.shape[1]).sqrt().reshape(int(numbers["height"]), int(numbers["width"]))

    def nearest_other_group(self, inputs, tensors, numbers):
        return torch.cat([inputs[0][: int(numbers["group"])], inputs[0][int(numbers["group"]) + 1 :]]).amin(0)

    def scale_cells(self, inputs, tensors, numbers):
        return inputs[0] * tensors["factors"]

    def blur(self, inputs, tensors, numbers):
        return gaussian(inputs[0][None, None].float(), numbers["sigma"])[0, 0]

    def summarize_rows(self, inputs, tensors, numbers):
        rows = inputs[0]
        largest = rows.topk(max(1, round(numbers["share"] * int(rows.shape[0]))), dim=0).values
        return torch.cat([rows.mean(0), rows.std(0, unbiased=False), largest.mean(0)])

    def probe(self, inputs, tensors, numbers):
        z = ((inputs[0] - tensors["center"]) * tensors["scale"]).clamp(-numbers["limit"], numbers["limit"])
        return (tensors["bias"] + (tensors["weights"] * z).sum()).clamp(-27, 27).exp().reshape(1, 1)

    def softplus(self, inputs, tensors, numbers):
        return F.softplus(inputs[0])

    def affine(self, inputs, tensors, numbers):
        return numbers["scale"] * inputs[0] + numbers["offset"]

    def logarithm(self, inputs, tensors, numbers):
        return torch.log1p(inputs[0])

    def stack(self, inputs, tensors, numbers):
        size = (int(numbers["height"]), int(numbers["width"]))
        return torch.stack([F.interpolate(x[None, None].float(), size, mode="bilinear", align_corners=False)[0, 0] for x in inputs])

    def slice(self, inputs, tensors, numbers):
        return inputs[0][int(numbers["channel"])]

    def channels(self, inputs, tensors, numbers):
        return inputs[0][int(numbers["first"]) : int(numbers["first"]) + int(numbers["count"])]


def score(manifest, maps):
    """Returns the fused logit."""
    fused, position = manifest["fusion_bias"], 0
    for contestant in manifest["contestants"]:
        own = maps[position : position + len(contestant["maps"])]
        position += len(own)
        for values in own:
            values = values.flatten()
            level = torch.log(values.mean().clamp(min=1e-12))
            for pool in contestant["pools"]:
                largest = values.topk(max(1, round(pool["fraction"] * len(values)))).values.mean()
                number = torch.log(largest.clamp(min=1e-12)) - pool["level_exponent"] * level
                fused += pool["weight"] * (float(number) - pool["location"]) / pool["scale"] / len(own)
    return fused


def median_of(work, seconds):
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        work(len(times))
        times.append(1000 * (time.perf_counter() - start))
    return sorted(times)[len(times) // 2]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("images", type=pathlib.Path)
    parser.add_argument("--vedette", default="build/release/vedette")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seconds", type=float, default=6)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    network = Network(options.model).eval()
    manifest = network.manifest
    size = (manifest["input"]["width"], manifest["input"]["height"])
    files = sorted(p for p in options.images.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    pictures = [p.read_bytes() for p in files[:16]]
    if not pictures:
        sys.exit("The folder holds no JPEG or PNG pictures.")

    def prepare(content):
        image = PIL.Image.open(io.BytesIO(content))
        image.draft("RGB", size)  # This uses a smaller inverse DCT where the file allows it.
        image = image.convert("RGB").resize(size, PIL.Image.BOX if image.width >= 2 * size[0] else PIL.Image.BILINEAR)
        return torch.from_numpy(numpy.asarray(image).copy()).permute(2, 0, 1).float() / 255

    example = prepare(pictures[0])
    results = {}
    for precision in ("fp32", "bf16"):
        try:
            with torch.cpu.amp.autocast(enabled=precision == "bf16", cache_enabled=False):
                frozen = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(network, example)))
                for _ in range(3):
                    frozen(example)
                results[precision] = (
                    median_of(lambda i: frozen(example), options.seconds),
                    median_of(lambda i: score(manifest, frozen(prepare(pictures[i % len(pictures)]))), options.seconds),
                )
        except (RuntimeError, NotImplementedError) as error:  # Some operations lack bf16.
            print(f"torch {precision}: {' '.join(str(error).split())[:200]}")
    bench = subprocess.run(
        [options.vedette, "bench", options.model, options.images, "--cores", str(options.threads), "--seconds",
         str(options.seconds), "--json"], stdout=subprocess.PIPE, check=True, text=True)
    ours = json.loads(bench.stdout.splitlines()[-1])
    network_ms, call_ms = ours["stages"]["network"]["p50_ms"], ours["p50_ms"]
    print(f"{'':<24}{'network':>10}{'picture':>10}   milliseconds, {options.threads} threads")
    print(f"{'vedette, over HTTP':<24}{network_ms:10.1f}{call_ms:10.1f}")
    summary = {"threads": options.threads, "vedette": {"network_ms": network_ms, "picture_ms": call_ms}}
    for precision, (alone, whole) in results.items():
        print(f"{'torch.jit ' + precision:<24}{alone:10.1f}{whole:10.1f}   {alone / network_ms:.2f} and {whole / call_ms:.2f} times as long")
        summary["torch_" + precision] = {"network_ms": alone, "picture_ms": whole, "network_ratio": alone / network_ms,
                                         "picture_ratio": whole / call_ms}
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
