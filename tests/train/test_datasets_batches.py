"""Batches: the order of samples, the share of each rank, and workers that change nothing."""

from itertools import islice

import cv2
import numpy as np
import pytest
import torch

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import label_set
from layoutrt.train.datasets import PairDataset, Sample, batch_keys, load_batches, open_dataset
from tests.support.pairs_on_disk import write_array, write_pairs

CAMVID = label_set("camvid")


def dataset(root, **options) -> PairDataset:
    return PairDataset(open_dataset("auto", root, "train"), CAMVID, (32, 32), **options)


def assert_same(first: list[Sample], second: list[Sample]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_batches_cover_an_epoch_and_can_start_anywhere() -> None:
    batches = list(islice(batch_keys(7, 2, seed=5, first_step=0), 9))
    epoch_0 = [index for batch in batches[:3] for _, index in batch]
    assert len(set(epoch_0)) == 6
    assert {epoch for batch in batches[3:6] for epoch, _ in batch} == {1}
    assert list(islice(batch_keys(7, 2, seed=5, first_step=4), 5)) == batches[4:]


@pytest.mark.parametrize("first_step", [0, 5])
def test_two_ranks_share_what_one_process_sees_at_twice_the_batch(first_step) -> None:
    alone = batch_keys(17, 4, 3, first_step)
    ranks = [batch_keys(17, 2, 3, first_step, rank, 2) for rank in range(2)]
    for _ in range(10):
        assert next(alone) == next(ranks[0]) + next(ranks[1])


def test_fewer_pairs_than_a_batch_of_all_ranks_are_refused() -> None:
    with pytest.raises(LayoutRTError, match="holds 6 pairs, fewer than one batch of 8; lower --batch"):
        batch_keys(6, 4, 0, 0, rank=1, world_size=2)


def test_batches_hold_the_samples_that_their_keys_name(pairs) -> None:
    samples = dataset(pairs, seed=3)
    batch = next(load_batches(samples, iter([[(2, 5), (0, 1)]])))
    assert (batch.image.shape, batch.image.dtype) == ((2, 3, 32, 32), torch.float32)
    assert (batch.labels.shape, batch.labels.dtype) == ((2, 32, 32), torch.uint8)
    assert (batch.instances.shape, batch.instances.dtype) == ((2, 32, 32), torch.int32)
    for k, key in enumerate([(2, 5), (0, 1)]):
        assert all(torch.equal(a[k], b) for a, b in zip(batch, samples[key], strict=True))


def test_the_number_of_workers_and_a_resume_change_no_sample(pairs) -> None:
    samples = dataset(pairs, seed=3)
    run = {
        workers: list(islice(load_batches(samples, batch_keys(6, 2, 3, 0), workers=workers), 7))
        for workers in (0, 1, 2)
    }
    assert_same(run[0], run[1])
    assert_same(run[0], run[2])
    assert_same(run[0][4:], list(islice(load_batches(samples, batch_keys(6, 2, 3, 4), workers=1), 3)))


@pytest.mark.parametrize("workers", [0, 2])
def test_loading_draws_no_random_numbers_of_the_process(pairs, workers) -> None:
    state = torch.get_rng_state(), np.random.get_state()[1].copy()
    list(islice(load_batches(dataset(pairs), batch_keys(6, 2, 0, 0), workers=workers), 2))
    assert torch.equal(torch.get_rng_state(), state[0])
    assert np.array_equal(np.random.get_state()[1], state[1])


class Probe(PairDataset):
    """Tells about the process that loads: threads of OpenCV, and numbers that its global generators draw."""

    def load(self, key):
        drawn = [cv2.getNumThreads(), np.random.randint(2**31), torch.randint(2**31, ()).item()]
        return Sample(*(torch.tensor(value) for value in drawn)), []


def test_workers_use_one_thread_each_and_share_no_random_state(pairs) -> None:
    probe = Probe(open_dataset("auto", pairs, "train"), CAMVID, (32, 32))
    first, second = islice(load_batches(probe, iter([[(0, 0)], [(0, 0)]]), workers=2), 2)
    assert (first.image.item(), second.image.item()) == (1, 1)
    assert first.labels != second.labels
    assert first.instances != second.instances


def test_an_error_in_a_worker_keeps_its_words(pairs) -> None:
    write_array(pairs / "train" / "labels" / "frame_001.png", np.full((48, 64), 77, np.uint8))
    messages = []
    for workers in (0, 2):
        with pytest.raises(LayoutRTError) as caught:
            list(islice(load_batches(dataset(pairs), batch_keys(6, 2, 0, 0), workers=workers), 3))
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert "frame_001.png has the value 77" in messages[0]
    assert "Traceback" not in messages[0]


def test_damage_is_warned_of_and_stops_at_the_same_step_with_any_number_of_workers(tmp_path, caplog) -> None:
    write_pairs(tmp_path, 6, (32, 32))
    for i in (1, 4):
        path = tmp_path / "images" / f"frame_{i:03d}.png"
        path.write_bytes(path.read_bytes()[:100])
    entries = open_dataset("auto", tmp_path, "train")
    entries = [*entries, *([entries[0]] * 134)]
    runs, warnings = [], []
    for workers in (0, 1, 2):
        samples = PairDataset(entries, CAMVID, (32, 32))
        batches: list[Sample] = []
        caplog.clear()
        loading = islice(load_batches(samples, batch_keys(140, 4, 0, 0), workers=workers), 40)
        with pytest.raises(LayoutRTError, match=r"^2 of 140 pairs cannot be read.*more than 1 % stops"):
            batches.extend(loading)
        runs.append(batches)
        warnings.append(caplog.messages)
    assert len(runs[0]) > 1
    assert_same(runs[0], runs[1])
    assert_same(runs[0], runs[2])
    assert len(warnings[0]) == 2
    assert warnings[0] == warnings[1] == warnings[2]


def test_training_goes_on_past_a_damaged_pair_and_says_so(subprocess_cli, tmp_path) -> None:
    write_pairs(tmp_path / "data", 110, (32, 64))
    ((_, index), *_) = next(batch_keys(110, 2, seed=0, first_step=0))
    path = tmp_path / "data" / "images" / f"frame_{index:03d}.png"
    path.write_bytes(path.read_bytes()[:100])
    options = ("--size", "32x64", "--batch", 2, "--steps", 1, "--width", 2, "--hidden", 4, "--device", "cpu")
    options = (*options, "--discriminator-width", 4, "--predictor-kernel", 1, "--workers", 1)
    outcome = subprocess_cli("train", "--data", tmp_path / "data", "--out", tmp_path / "run", *options)
    assert outcome.returncode == 0, outcome.stderr
    assert "skipping a pair that cannot be read (1 of 110): " in outcome.stderr
    assert path.name in outcome.stderr
    assert (tmp_path / "run" / "generator.safetensors").is_file()
