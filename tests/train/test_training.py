"""Training learns, stops cleanly, and resumes exactly."""

import signal
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import label_set
from layoutrt.train.checkpoint import load_generator, load_tensors
from layoutrt.train.config import TrainingConfig
from layoutrt.train.datasets import PairDataset, Sample, open_dataset
from layoutrt.train.loop.run import train
from layoutrt.train.loop.trainer import Trainer
from layoutrt.train.loop.training_state import save_run, start_from
from layoutrt.train.networks.semantics import semantic_tensor

TINY = TrainingConfig(
    data="",
    label_set="camvid",
    height=32,
    width=64,
    steps=6,
    decay_steps=3,
    batch_size=2,
    generator_width=2,
    hidden=4,
    predictor_kernel=1,
    discriminator_width=4,
    encoder_width=2,
    latent=0,
    init_gain=1.0,
)


def losses(run: Path) -> str:
    return (run / "losses.jsonl").read_text()


def blank_batch() -> Sample:
    """Two gray images of class 0."""
    labels = torch.zeros(2, 32, 64, dtype=torch.uint8)
    return Sample(torch.zeros(2, 3, 32, 64), labels, labels.to(torch.int32))


def state(run: Path) -> dict[str, torch.Tensor]:
    return load_tensors(run / "training.safetensors", "training")[0]


def assert_same_state(first: Path, second: Path) -> None:
    one, other = state(first), state(second)
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


@pytest.mark.parametrize("latent", [0, 8])
def test_a_run_leaves_a_generator_samples_and_scalars(pairs, tmp_path, latent) -> None:
    config = replace(TINY, data=str(pairs), latent=latent, steps=3)
    checkpoint = train(config, tmp_path / "run")
    generator, labels, provenance = load_generator(checkpoint)
    assert generator.config.latent == latent
    assert labels == label_set("camvid")
    assert provenance["step"] == 3
    assert provenance["training"]["generator_width"] == 2
    assert (tmp_path / "run" / "samples.png").stat().st_size > 1000
    assert list((tmp_path / "run" / "tensorboard").iterdir())


@pytest.mark.parametrize("latent", [0, 8])
def test_a_stopped_run_resumes_exactly(pairs, tmp_path, latent) -> None:
    config = replace(TINY, data=str(pairs), latent=latent)
    train(config, tmp_path / "whole")
    train(config, tmp_path / "parts", stop_after=2)
    train(config, tmp_path / "parts", resume=True, stop_after=4)
    train(config, tmp_path / "parts", resume=True)
    assert_same_state(tmp_path / "whole", tmp_path / "parts")


def test_a_resumed_run_has_every_step_in_tensorboard_once(pairs, tmp_path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = replace(TINY, data=str(pairs), steps=3, decay_steps=0)
    train(config, tmp_path / "run", stop_after=2)
    train(config, tmp_path / "run", resume=True)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("train/gan")] == [1, 2, 3]


def test_a_run_killed_at_any_moment_resumes_exactly(pairs, tmp_path) -> None:
    config = replace(TINY, data=str(pairs), steps=12, decay_steps=0)
    train(config, tmp_path / "whole")
    run = tmp_path / "killed"
    # Killed from within, so that a busy machine holds up both alike.
    code = (
        "import os, signal, sys, threading, time\n"
        "from pathlib import Path\n"
        "from layoutrt.train.config import TrainingConfig\n"
        "from layoutrt.train.loop.run import train\n"
        "run = Path(sys.argv[1])\n"
        "def kill():\n"
        "    while not (run / 'training.safetensors').exists():\n"
        "        time.sleep(0.001)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "threading.Thread(target=kill, daemon=True).start()\n"
        f"train(TrainingConfig(**{config.to_dict()!r}), run, checkpoint_every=1)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(run)], stdout=subprocess.DEVNULL, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert load_tensors(run / "training.safetensors", "training")[1]["step"] < 12, "killed too late to show"
    train(config, run, resume=True)
    assert_same_state(tmp_path / "whole", run)
    assert losses(run) == losses(tmp_path / "whole"), "every loss is logged once, to the last bit"


def test_losses_fall_on_data_that_can_be_learnt(pairs, tmp_path) -> None:
    torch.manual_seed(0)
    # Feature matching leads: an adversary as small as this one alone would lead anywhere.
    config = replace(
        TINY,
        data=str(pairs),
        learning_rate=2e-3,
        generator_width=4,
        discriminator_width=8,
        feature_weight=100.0,
        decay_steps=0,
        steps=40,
    )
    trainer = Trainer(config, label_set("camvid"))
    batch = blank_batch()
    images, labels = batch.image, batch.labels
    images[:, :, :16] = 0.8
    images[:, 0, 16:] = -0.8
    labels[:, 16:] = 3
    errors = []
    for _ in range(40):
        trainer.train_step(batch)
        with torch.no_grad():
            fake = trainer.generator(semantic_tensor(labels, 12))
        errors.append((fake - images).abs().mean().item())
    assert min(errors[-10:]) < 0.75 * errors[0]


def test_two_time_scales_and_linear_decay() -> None:
    trainer = Trainer(TINY, label_set("camvid"))
    rates = []
    for _ in range(6):
        trainer.train_step(blank_batch())
        pair = (trainer.generator_optimizer, trainer.discriminator_optimizer)
        rates.append([optimizer.param_groups[0]["lr"] for optimizer in pair])
    assert rates[0] == pytest.approx([1e-4, 4e-4])
    assert rates[3] == pytest.approx([1e-4, 4e-4])
    assert rates[5] == pytest.approx([1e-4 / 3, 4e-4 / 3])


def test_a_run_is_not_overwritten(pairs, tmp_path) -> None:
    config = replace(TINY, data=str(pairs), steps=1, decay_steps=0)
    train(config, tmp_path / "run")
    with pytest.raises(LayoutRTError, match=r"holds a run already; continue it with --resume"):
        train(config, tmp_path / "run")


def test_resuming_with_another_configuration_names_the_fields(pairs, tmp_path) -> None:
    config = replace(TINY, data=str(pairs), steps=1, decay_steps=0)
    train(config, tmp_path / "run")
    with pytest.raises(LayoutRTError, match=r"another configuration \(hidden: 4 -> 5\)"):
        train(replace(config, hidden=5), tmp_path / "run", resume=True)


def test_a_run_resumes_after_its_data_has_moved(pairs, tmp_path) -> None:
    config = replace(TINY, data=str(pairs), steps=2, decay_steps=0)
    train(config, tmp_path / "run", stop_after=1)
    moved = pairs.rename(tmp_path / "elsewhere")
    train(replace(config, data=str(moved)), tmp_path / "run", resume=True)
    assert load_tensors(tmp_path / "run" / "training.safetensors", "training")[1]["step"] == 2


def test_a_run_resumes_after_its_label_set_has_moved(pairs, tmp_path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text((files("layoutrt") / "label_sets" / "camvid.toml").read_text())
    config = replace(TINY, data=str(pairs), label_set=str(file), steps=2, decay_steps=0)
    train(config, tmp_path / "run", stop_after=1)
    (tmp_path / "elsewhere").mkdir()
    moved = file.rename(tmp_path / "elsewhere" / "mine.toml")
    checkpoint = train(replace(config, label_set=str(moved)), tmp_path / "run", resume=True)
    assert load_generator(checkpoint)[2]["training"]["label_set"] == "mine.toml", "no folder of the machine"


@pytest.mark.parametrize("name", ["cityscapes", "camvid"])
def test_a_run_is_not_resumed_with_another_label_set_of_the_same_name(pairs, tmp_path, name) -> None:
    sets = files("layoutrt") / "label_sets"
    file = tmp_path / "mine.toml"
    file.write_text((sets / "camvid.toml").read_text())
    config = replace(TINY, data=str(pairs), label_set=str(file), steps=2, decay_steps=0)
    train(config, tmp_path / "run", stop_after=1)
    other = tmp_path / "elsewhere" / "mine.toml"
    other.parent.mkdir()
    other.write_text((sets / f"{name}.toml").read_text().replace('"sky"', '"heaven"'))
    with pytest.raises(LayoutRTError, match="other classes in the label set"):
        train(replace(config, label_set=str(other)), tmp_path / "run", resume=True)


def test_a_generator_trained_on_crops_is_made_for_the_whole_picture(pairs, tmp_path) -> None:
    config = replace(TINY, data=str(pairs), load_height=64, load_width=96, steps=1, decay_steps=0)
    generator, _, provenance = load_generator(train(config, tmp_path / "run"))
    assert (generator.config.image_height, generator.config.image_width) == (64, 96)
    assert provenance["training"]["data"] == "data", "a checkpoint names no folder of the machine it is from"


def test_a_run_with_a_latent_shows_samples_of_its_crops_size(pairs, tmp_path) -> None:
    # As the paper's recipe for COCO-Stuff has it: crops of 256x256 from pictures of 286x286.
    config = replace(TINY, data=str(pairs), latent=8, load_height=36, load_width=72, steps=1, decay_steps=0)
    generator = load_generator(train(config, tmp_path / "run"))[0]
    assert (generator.config.image_height, generator.config.image_width) == (32, 64)
    # Layout, real image, that in the encoded style, at z = 0 and at three others, of two validation pairs.
    assert cv2.imread(str(tmp_path / "run" / "samples.png")).shape == (2 * 32, 7 * 64, 3)


def test_a_finished_run_measures_its_norms_on_whole_pictures(pairs, tmp_path) -> None:
    config = replace(TINY, data=str(pairs), load_height=64, load_width=96, steps=2, decay_steps=0)
    config = replace(config, fakes="shared")
    train(config, tmp_path / "run", stop_after=1)
    unfinished = load_generator(tmp_path / "run" / "generator.safetensors")[0]
    finished = load_generator(train(config, tmp_path / "run", resume=True))[0]
    assert unfinished.head_0.norm_1.num_batches_tracked == 1
    entries = open_dataset("auto", pairs, "train")
    whole = PairDataset(entries, label_set("camvid"), (64, 96), enlarge=(1.0, 1.0))
    order = np.random.default_rng(config.seed).permutation(6)
    batches = [torch.stack([whole[0, int(i)].labels for i in part]) for part in (order[:4], order[4:])]
    inputs: list[torch.Tensor] = []
    handle = finished.labelenc1[0][1].register_forward_pre_hook(lambda _, x: inputs.append(x[0]))
    with torch.no_grad():
        for batch in batches:
            finished(semantic_tensor(batch, 12))
    handle.remove()
    expected = torch.stack([x.mean((0, 2, 3)) for x in inputs]).mean(0)
    torch.testing.assert_close(finished.labelenc1[0][1].running_mean, expected, atol=1e-5, rtol=1e-4)


def test_a_run_can_start_from_anothers_networks(pairs, tmp_path) -> None:
    config = replace(TINY, data=str(pairs), steps=2, decay_steps=0)
    train(config, tmp_path / "small")
    larger = Trainer(replace(config, height=64, width=96), label_set("camvid"))
    start_from(larger, tmp_path / "small")
    stored = state(tmp_path / "small")
    for name, tensor in larger.generator.state_dict().items():
        assert torch.equal(tensor, stored[f"generator.{name}"])
    other = Trainer(replace(config, generator_width=3), label_set("camvid"))
    with pytest.raises(LayoutRTError, match=r"another architecture \(generator_width: 2 -> 3\)"):
        start_from(other, tmp_path / "small")


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(pairs, tmp_path) -> None:
    config = replace(TINY, data=str(pairs), steps=1, decay_steps=0)
    train(config, tmp_path / "run")
    before = (tmp_path / "run" / "training.safetensors").read_bytes()
    trainer = Trainer(config, label_set("camvid"))
    batch = blank_batch()._replace(image=torch.full((2, 3, 32, 64), float("nan")))
    with pytest.raises(LayoutRTError, match=r"loss is nan at step 0; the last checkpoint is kept"):
        trainer.train_step(batch)
    assert (tmp_path / "run" / "training.safetensors").read_bytes() == before


def test_weights_that_are_not_finite_are_not_saved(pairs, tmp_path) -> None:
    config = replace(TINY, data=str(pairs), steps=1, decay_steps=0)
    train(config, tmp_path / "run")
    before = (tmp_path / "run" / "training.safetensors").read_bytes()
    trainer = Trainer(config, label_set("camvid"))
    with torch.no_grad():
        trainer.generator.conv_img.weight[0, 0, 0, 0] = float("inf")
    with pytest.raises(LayoutRTError, match=r"generator\.conv_img\.weight is not finite at step 0; the last"):
        save_run(trainer, tmp_path / "run")
    assert (tmp_path / "run" / "training.safetensors").read_bytes() == before


def test_a_full_disk_leaves_the_last_checkpoint(pairs, tmp_path, subprocess_cli) -> None:
    config = replace(TINY, data=str(pairs), steps=2, decay_steps=0)
    run = tmp_path / "run"
    train(config, run, stop_after=1)
    before = {path: path.read_bytes() for path in run.glob("*.safetensors")}
    # A limit on the size of files is what a process meets on a full disk: a write that fails half way.
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (60000, 60000))\n"
        "from layoutrt.cli import main\n"
        f"main(['train', '--out', {str(run)!r}, '--resume', '--device', 'cpu', '--sample-every', '9'])\n"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert outcome.returncode == 1, outcome.stderr
    assert outcome.stderr.startswith("error: at step 2 training cannot write ")
    assert outcome.stderr.count("\n") == 1
    assert "make room; the checkpoint that was there is kept" in outcome.stderr
    assert {path: path.read_bytes() for path in run.glob("*.safetensors")} == before
    assert not list(run.glob(".*")), "no half-written file is left behind"


def test_instances_without_instance_maps_are_refused(pairs, tmp_path) -> None:
    with pytest.raises(LayoutRTError, match="has no instance maps, which --instances reads; leave it out"):
        train(replace(TINY, data=str(pairs), instances=True), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_fewer_pairs_than_a_batch_are_refused(pairs, tmp_path) -> None:
    with pytest.raises(LayoutRTError, match=r"holds 6 pairs, fewer than one batch of 7; lower --batch"):
        train(replace(TINY, data=str(pairs), batch_size=7), tmp_path / "run")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", -1),
        ("batch_size", -1),
        ("learning_rate", -1),
        ("learning_rate", float("inf")),
        ("enlarge", float("inf")),
        ("kl_weight", float("inf")),
        ("seed", -1),
        ("seed", 1 << 63),
    ],
)
def test_configurations_out_of_range_are_refused(field, value) -> None:
    with pytest.raises(LayoutRTError, match=f"training configuration: {field} = {value} is out of range"):
        replace(TINY, **{field: value})


@pytest.mark.parametrize(("side", "levels"), [(32, 6), (64, 7)])
def test_a_size_without_statistics_is_refused(side, levels) -> None:
    with pytest.raises(LayoutRTError, match=f"size {side}x{side} is too small.*; use {side}x{2 * side} or"):
        replace(TINY, height=side, width=side, pyramid_levels=levels)
