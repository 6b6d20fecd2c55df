"""Published checkpoints become ours, and everything else is refused."""

import pickle

import numpy as np
import pytest
import torch

from layoutrt.errors import LayoutRTError
from layoutrt.train.checkpoint import load_generator
from layoutrt.train.import_checkpoint import import_checkpoint
from layoutrt.train.networks.semantics import semantic_tensor
from tests.support.reference_case import Case, rule_state

OPTIONS = {"num_classes": 7, "dont_care": True, "instances": True, "size": (64, 64)}


@pytest.fixture(scope="module", params=["coco_vae", "coco_no_vae"])
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


@pytest.fixture
def published(case: Case, tmp_path):
    """A file as the release writes it, unused tensors included."""
    path = tmp_path / "latest_net_G.pth"
    torch.save(rule_state(case.facts["generator_state"], case.facts["salt"]), path)
    return path


def test_an_imported_generator_gives_the_published_image(case, published, tmp_path) -> None:
    config = import_checkpoint(published, tmp_path / "g.safetensors", **OPTIONS)
    assert config == case.config
    generator, labels, provenance = load_generator(tmp_path / "g.safetensors")
    assert labels.num_classes == 8
    assert labels.dont_care == 7
    assert provenance["imported_from"] == "latest_net_G.pth"
    z = case.tensor("z") if config.latent else None
    semantics = semantic_tensor(case.tensor("labels"), 8, case.tensor("instances"))
    with torch.no_grad():
        image = generator(semantics, z)
    np.testing.assert_allclose(image.numpy(), case.vectors["image"], atol=1e-4, rtol=0)


def test_options_that_contradict_the_channels_are_refused(published, tmp_path) -> None:
    with pytest.raises(LayoutRTError, match=r"reads 9 .*, but 5 classes \+ 1 instance edge make 6"):
        import_checkpoint(published, tmp_path / "g.safetensors", num_classes=5, instances=True)
    assert not (tmp_path / "g.safetensors").exists()


def test_a_size_that_contradicts_the_latents_layer_is_refused(case, published, tmp_path) -> None:
    if not case.config.latent:
        pytest.skip("only a latent's layer depends on the size")
    with pytest.raises(LayoutRTError, match=r"fc\.\w+ has the shape \[512.*give its training size"):
        import_checkpoint(published, tmp_path / "g.safetensors", **(OPTIONS | {"size": (128, 128)}))


def test_a_label_set_of_another_count_is_refused(published, tmp_path) -> None:
    with pytest.raises(LayoutRTError, match=r"label set 'camvid' has 12 classes .* the checkpoint 8"):
        import_checkpoint(published, tmp_path / "g.safetensors", **OPTIONS, label_set="camvid")


class Payload:
    def __reduce__(self):
        return (print, ("this must never run",))


def test_a_pickle_with_code_in_it_is_refused(tmp_path, capsys) -> None:
    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(Payload()))
    with pytest.raises(LayoutRTError, match=r"evil\.pth holds something other than tensors"):
        import_checkpoint(path, tmp_path / "g.safetensors")
    torch.save({"w": Payload()}, path)
    with pytest.raises(LayoutRTError, match=r"evil\.pth holds something other than tensors"):
        import_checkpoint(path, tmp_path / "g.safetensors")
    assert "never run" not in capsys.readouterr().out


def test_missing_truncated_and_foreign_files_are_named(published, tmp_path) -> None:
    with pytest.raises(LayoutRTError, match=r"no\.pth does not exist"):
        import_checkpoint(tmp_path / "no.pth", tmp_path / "g.safetensors")
    short = tmp_path / "short.pth"
    short.write_bytes(published.read_bytes()[:5000])
    with pytest.raises(LayoutRTError, match=r"short\.pth is truncated or not a PyTorch checkpoint"):
        import_checkpoint(short, tmp_path / "g.safetensors")
    torch.save({"enc1.0.0.weight_orig": torch.zeros(8, 3, 3, 3)}, tmp_path / "net_D.pth")
    with pytest.raises(LayoutRTError, match=r"net_D\.pth is not a CC-FPSE generator: it has no tensor"):
        import_checkpoint(tmp_path / "net_D.pth", tmp_path / "g.safetensors")


def test_an_unknown_tensor_is_named(case, published, tmp_path) -> None:
    state = torch.load(published, weights_only=True) | {"up_9.conv_1.weight": torch.zeros(1)}
    torch.save(state, tmp_path / "more.pth")
    with pytest.raises(LayoutRTError, match=r"unknown tensor up_9\.conv_1\.weight"):
        import_checkpoint(tmp_path / "more.pth", tmp_path / "g.safetensors", **OPTIONS)


def test_a_checkpoint_does_not_write_over_what_it_is_made_of(published, refuses) -> None:
    before = published.read_bytes()
    options = ("--num-classes", 7, "--dont-care", "--instances", "--size", "64x64")
    refuses(("import-checkpoint", published, "--out", published, *options), "would overwrite", "another name")
    assert published.read_bytes() == before
