"""Signals stop a run with a checkpoint; checkpoints by the clock; those that are kept; lines of progress."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from layoutrt.errors import LayoutRTError
from layoutrt.train.checkpoint import load_generator, load_tensors
from layoutrt.train.config import TrainingConfig
from layoutrt.train.loop.run import train
from layoutrt.train.loop.snapshots import keep_snapshot

OPTIONS = (
    "--size 32x64 --width 2 --hidden 4 --predictor-kernel 1 --discriminator-width 4 --batch 2 --device cpu"
)
TINY = TrainingConfig(
    data="",
    label_set="camvid",
    height=32,
    width=64,
    steps=6,
    decay_steps=0,
    batch_size=2,
    generator_width=2,
    hidden=4,
    predictor_kernel=1,
    discriminator_width=4,
)
# A signal that arrives in the middle of step 4.
SIGNALED = """
import os, signal, sys
from layoutrt.cli import main
from layoutrt.train.loop.trainer import Trainer
step = Trainer.train_step
def signaled(self, batch):
    if self.step == 3:
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    return step(self, batch)
Trainer.train_step = signaled
main(sys.argv[2:])
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_stops_a_run_with_a_checkpoint_from_which_it_resumes_exactly(pairs, tmp_path, name) -> None:
    run = tmp_path / "run"
    command = ["train", "--data", str(pairs), "--out", str(run), *OPTIONS.split(), "--steps", "6"]
    command += ["--decay-steps", "0", "--workers", "1"]
    outcome = subprocess.run(
        [sys.executable, "-c", SIGNALED, name, *command], capture_output=True, text=True, timeout=300
    )
    assert outcome.returncode == 1, outcome.stderr
    assert outcome.stderr.splitlines() == [
        f"error: stopped by {name} at step 4 of 6, with a checkpoint; continue with: "
        f"layoutrt train --out {run} --resume"
    ]
    state = load_tensors(run / "training.safetensors", "training")[1]
    assert state["step"] == 4
    train(TrainingConfig.stored(state["config"]), run, resume=True)
    config = replace(TINY, data=str(pairs))
    train(config, tmp_path / "whole")
    assert (run / "losses.jsonl").read_text() == (tmp_path / "whole" / "losses.jsonl").read_text()


def test_progress_is_told_in_lines_where_there_is_no_terminal(pairs, tmp_path) -> None:
    command = f"train --data {pairs} --out {tmp_path / 'run'} {OPTIONS} --steps 2"
    outcome = subprocess.run(
        [sys.executable, "-m", "layoutrt", *command.split()], capture_output=True, text=True, timeout=300
    )
    first, *_, last = outcome.stdout.splitlines()
    pattern = r"step 1/2  generator -?[\d.]+  discriminator [\d.]+  [\d.]+ images/s  \d+:\d\d:\d\d left"
    assert re.fullmatch(pattern, first), outcome.stdout
    assert last.startswith("wrote ")


def test_signals_are_as_they_were_after_a_run(pairs, tmp_path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    train(replace(TINY, data=str(pairs), steps=1), tmp_path / "run")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_run_in_another_thread_than_the_first_trains_too(pairs, tmp_path) -> None:
    config = replace(TINY, data=str(pairs), steps=1)
    thread = threading.Thread(target=train, args=(config, tmp_path / "run"))
    thread.start()
    thread.join()
    assert (tmp_path / "run" / "generator.safetensors").is_file()


def test_a_checkpoint_is_written_after_so_many_minutes(pairs, tmp_path, monkeypatch) -> None:
    saved = []
    monkeypatch.setattr("layoutrt.train.loop.run.save_run", lambda trainer, run: saved.append(trainer.step))
    config = replace(TINY, data=str(pairs))
    train(config, tmp_path / "run", checkpoint_minutes=0.0)
    assert saved == [1, 2, 3, 4, 5, 6]


def test_the_last_checkpoints_are_kept_whole(pairs, tmp_path) -> None:
    config = replace(TINY, data=str(pairs), latent=4, encoder_width=2)
    train(config, tmp_path / "run", checkpoint_every=2, keep=2)
    folders = sorted((tmp_path / "run" / "checkpoints").iterdir())
    assert [folder.name for folder in folders] == ["00000004", "00000006"]
    for folder, step in zip(folders, (4, 6), strict=True):
        names = sorted(path.name for path in folder.iterdir())
        assert names == ["encoder.safetensors", "generator.safetensors", "training.safetensors"]
        assert load_tensors(folder / "training.safetensors", "training")[1]["step"] == step
        assert load_generator(folder / "generator.safetensors")[2]["step"] == step


def test_a_kept_checkpoint_is_a_copy_where_there_are_no_links(tmp_path, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "training.safetensors").write_bytes(b"state")
    keep_snapshot(tmp_path, 7, 1)
    assert (tmp_path / "checkpoints" / "00000007" / "training.safetensors").read_bytes() == b"state"


def test_a_folder_that_cannot_be_written_is_named(tmp_path) -> None:
    (tmp_path / "checkpoints").write_text("a file in the way")
    with pytest.raises(LayoutRTError, match=r"cannot keep the checkpoint .*checkpoints/00000001"):
        keep_snapshot(tmp_path, 1, 1)


def test_a_run_of_before_an_option_existed_resumes_as_it_was(pairs, tmp_path) -> None:
    stored = replace(TINY, data=str(pairs), fakes="shared").to_dict()
    for name in ("fakes", "discriminator", "augment", "encoder_colors", "flip", "upsampling"):
        del stored[name]
    config = TrainingConfig.stored(json.loads(json.dumps(stored)))
    assert config == replace(TINY, data=str(pairs), fakes="shared")
    assert not config.differences(stored)
