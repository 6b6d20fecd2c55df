"""Options of training are stated once: fields make the command line, its checks and its documentation."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from layoutrt.cli.option_table import page
from layoutrt.errors import LayoutRTError
from layoutrt.train.config import TrainingConfig
from layoutrt.train.config_fields import field_values, limits_of, options_of
from layoutrt.train.segmenter.config import SegmenterTrainingConfig

CONFIGS = (TrainingConfig, SegmenterTrainingConfig)
WITHOUT_OPTION = {
    "perceptual_sha256",
    "processes",
    "teacher_sha256",
    "teacher_discriminator_sha256",
    "weight_decay",
}
"""Fields that the trainer fills in, or that have one value so far."""


def test_the_documented_table_of_options_is_the_one_that_the_fields_make() -> None:
    document = Path(__file__).parents[2] / "docs" / "training-options.md"
    assert document.read_text() == page(), (
        "run: python -m layoutrt.cli.option_table > docs/training-options.md"
    )


@pytest.mark.parametrize("config", CONFIGS)
def test_every_field_of_a_configuration_is_set_by_one_option_or_by_the_trainer(config) -> None:
    set_fields = [name for option in options_of(config) for name in option.fields]
    assert len(set_fields) == len(set(set_fields))
    assert {field.name for field in fields(config)} - set(set_fields) <= WITHOUT_OPTION


@pytest.mark.parametrize("config", CONFIGS)
def test_every_option_is_explained_by_a_full_phrase(config) -> None:
    for option in options_of(config):
        assert len(option.help.split()) >= 4, option.name
        assert option.help.endswith("."), option.name
        assert option.help.split()[0] not in {"Of", "What", "Whether", "In"}, option.name


@pytest.mark.parametrize("config", CONFIGS)
def test_options_that_are_not_given_leave_the_configuration_at_its_defaults(config) -> None:
    shown = {option.name: option.default for option in options_of(config)}
    assert config(**field_values(config, shown)) == config()


def test_options_without_a_value_of_their_own_follow_the_others() -> None:
    shown = {option.name: option.default for option in options_of(TrainingConfig)}
    values = field_values(
        TrainingConfig,
        shown
        | {
            "architecture": "edge",
            "label_set": "coco-stuff",
            "steps": 7,
            "size": (64, 96),
            "perceptual": "vgg:a.pth",
        },
    )
    assert (values["predictor_kernel"], values["feature_weight"], values["decay_steps"]) == (1, 20.0, 3)
    assert (values["height"], values["width"]) == (64, 96)
    assert (values["perceptual"], values["perceptual_file"]) == ("vgg", "a.pth")


@pytest.mark.parametrize("config", CONFIGS)
def test_a_value_beyond_a_fields_limits_is_refused_with_the_limits(config) -> None:
    checked = 0
    for field in fields(config):
        limits = limits_of(field)
        for bad, stated in (
            (None if limits.at_least is None else limits.at_least - 1, limits.at_least),
            (limits.above, limits.above),
            (limits.below, limits.below),
            (float("nan"), isinstance(field.default, float) or None),
        ):
            if stated is not None and bad is not None and not limits.choices:
                with pytest.raises(
                    LayoutRTError, match=f"{field.name} = .*it must be {re.escape(str(limits))}"
                ):
                    config(**{field.name: bad})
                checked += 1
    assert checked > 10


def test_help_of_training_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from layoutrt.cli import main\n"
        "try:\n    main(['train', '--help'])\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'torch', 'numpy', 'onnx', 'cv2', 'safetensors'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "--predictor-kernel" in done.stdout
    assert done.stderr.strip() == "[]"
