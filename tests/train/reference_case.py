"""The published networks' reference vectors, and our networks loaded with the weights they were made with."""

import json
import zlib
from pathlib import Path

import numpy as np
import torch

from layoutrt.train.networks.discriminator import Discriminator
from layoutrt.train.networks.generator import Generator
from layoutrt.train.networks.generator_config import GeneratorConfig
from layoutrt.train.networks.semantics import semantic_tensor

REFERENCE = Path(__file__).parents[1] / "data" / "reference"
UNUSED = ("conv_0.norm_layer", "conv_2.norm_layer", "norm_0")


def rule_state(shapes: dict[str, list[int]], salt: int) -> dict[str, torch.Tensor]:
    """Fill a state dict by the rule that the vectors were made with: a seeded draw per tensor name."""

    def draw(name: str) -> np.ndarray:
        random = np.random.RandomState((zlib.crc32(name.encode()) + salt) % 2**32)
        return random.standard_normal(shapes[name]).astype(np.float32)

    state = {}
    for name in sorted(shapes):
        last = name.rsplit(".", 1)[-1]
        if last == "num_batches_tracked":
            continue
        a = draw(name)
        if last == "running_var":
            a = 0.5 + np.abs(a)
        elif last in ("running_mean", "bias"):
            a = np.float32(0.1) * a
        elif a.ndim == 1:
            a = 1 + np.float32(0.1) * a
        else:
            a = a / np.sqrt(np.prod(a.shape[1:]), dtype=np.float32)
        state[name] = a
    for name in [name for name in state if name.endswith(".weight_u")]:
        stem = name.removesuffix("_u")
        matrix = state[f"{stem}_orig"].reshape(shapes[name][0], -1)
        u0 = draw(name)
        v = matrix.T @ (u0 / np.linalg.norm(u0))
        v /= np.linalg.norm(v)
        u = matrix @ v
        state[name], state[f"{stem}_v"] = u / np.linalg.norm(u), v
    return {name: torch.from_numpy(np.asarray(a, np.float32)) for name, a in state.items()}


class Case:
    """One reference case with our networks loaded from the published state dicts."""

    def __init__(self, name: str) -> None:
        self.facts = json.loads((REFERENCE / f"{name}.json").read_text())
        self.vectors = np.load(REFERENCE / f"{name}.npz")
        options, salt = self.facts["options"], self.facts["salt"]
        size = options["crop_size"]
        self.config = GeneratorConfig(
            num_classes=options["label_nc"] + int(options["contain_dontcare_label"]),
            instance_edges=not options["no_instance"],
            width=options["ngf"],
            latent=options["z_dim"] if options["use_vae"] else 0,
            image_height=size,
            image_width=size,
        )
        self.generator = Generator(self.config).eval()
        loaded = self.generator.load_state_dict(rule_state(self.facts["generator_state"], salt), strict=False)
        assert all(name.endswith("num_batches_tracked") for name in loaded.missing_keys)
        assert all(name.split(".", 1)[1].startswith(UNUSED) for name in loaded.unexpected_keys)
        self.discriminator = Discriminator(self.config.semantic_channels, options["ndf"]).eval()
        self.discriminator.load_state_dict(rule_state(self.facts["discriminator_state"], salt + 1))
        self.semantics = semantic_tensor(
            self.tensor("labels"), self.config.num_classes, self.tensor("instances")
        )

    def tensor(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self.vectors[name])
