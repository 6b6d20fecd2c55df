"""The published networks' reference vectors, and our networks loaded with the weights they were made with."""

import json
from pathlib import Path

import numpy as np
import torch

from benchmarks.reference_weights import rule_state
from layoutrt.train.networks.discriminator import Discriminator
from layoutrt.train.networks.generator import Generator
from layoutrt.train.networks.generator_config import GeneratorConfig
from layoutrt.train.networks.semantics import semantic_tensor

REFERENCE = Path(__file__).parents[1] / "data" / "reference"
UNUSED = ("conv_0.norm_layer", "conv_2.norm_layer", "norm_0")


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
