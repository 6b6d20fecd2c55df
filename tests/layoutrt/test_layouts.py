"""Label sets, and layouts as arrays and as files."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layoutrt.errors import LayoutRTError
from layoutrt.inputs import find_layouts
from layoutrt.layouts import (
    LABEL_SETS,
    Label,
    LabelSet,
    colorize,
    decolorize,
    label_set,
    read_layout,
    resize_layout,
    write_layout,
)

CAMVID = label_set("camvid")
TWO = (Label("a", (1, 2, 3), False), Label("b", (4, 5, 6), True))


def every_class(labels: LabelSet) -> np.ndarray:
    """A layout with each class index, and neighbors that differ."""
    return np.resize(np.arange(labels.num_classes, dtype=np.uint8), (23, 17))


def png(header: bytes, rows: bytes, *, extra: bytes = b"") -> bytes:
    """A PNG file made by hand: the 13 bytes of its header, and its unfiltered rows."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("name", "labels", "num_classes", "dont_care", "file_dont_care"),
    [
        ("camvid", 12, 12, 11, 11),
        ("cityscapes", 35, 35, 0, 0),
        ("ade20k", 150, 151, 150, 0),
        ("coco-stuff", 182, 183, 182, 255),
    ],
)
def test_a_shipped_label_set_has_its_published_size(name, labels, num_classes, dont_care, file_dont_care):
    found = label_set(name)
    assert found.name == name
    assert len(found.labels) == labels
    assert found.num_classes == num_classes
    assert found.dont_care == dont_care
    assert found.file_dont_care == file_dont_care
    assert found.palette.shape == (num_classes, 3)


@pytest.mark.parametrize("name", LABEL_SETS)
def test_names_colors_and_file_values_name_one_class_each(name):
    found = label_set(name)
    for items in (found.names, found.colors, found.file_values):
        assert len(set(items)) == len(items) == found.num_classes


@pytest.mark.parametrize(
    ("name", "index", "label", "color", "thing"),
    [
        ("camvid", 0, "sky", (128, 128, 128), False),
        ("camvid", 4, "pavement", (60, 40, 222), False),
        ("camvid", 10, "bicyclist", (0, 128, 192), True),
        ("cityscapes", 7, "road", (128, 64, 128), False),
        ("cityscapes", 26, "car", (0, 0, 142), True),
        ("cityscapes", 33, "bicycle", (119, 11, 32), True),
        ("ade20k", 0, "wall", (120, 120, 120), False),
        ("ade20k", 12, "person", (150, 5, 61), True),
        ("ade20k", 149, "flag", (92, 0, 255), True),
    ],
)
def test_a_label_is_the_published_one(name, index, label, color, thing):
    assert label_set(name).labels[index] == Label(label, color, thing)


def test_coco_stuff_counts_ids_from_one_and_keeps_the_gaps():
    names = label_set("coco-stuff").names
    ids = {
        1: "person",
        12: "street sign",
        26: "hat",
        90: "toothbrush",
        92: "banner",
        157: "sky-other",
        182: "wood",
    }
    assert {k: names[k - 1] for k in ids} == ids
    things = [label.thing for label in label_set("coco-stuff").labels]
    assert all(things[:91])
    assert not any(things[91:])


def test_an_underscore_in_a_name_is_a_hyphen():
    assert label_set("coco_stuff") is label_set("COCO-Stuff")


@pytest.mark.parametrize(
    ("name", "values", "indices"),
    [
        ("camvid", [0, 11], [0, 11]),
        ("cityscapes", [0, 33, 255], [0, 33, 34]),
        ("ade20k", [0, 1, 150], [150, 0, 149]),
        ("coco-stuff", [0, 181, 255], [0, 181, 182]),
    ],
)
def test_bytes_in_files_become_class_indices_and_back(name, values, indices):
    found = label_set(name)
    labels = found.from_file_values(np.array([values], np.uint8))
    assert labels.dtype == np.uint8
    assert labels.tolist() == [indices]
    assert found.to_file_values(labels).tolist() == [values]


@given(st.sampled_from(LABEL_SETS), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_colors_and_file_values_lead_back_to_the_same_layout(name, height, width, seed):
    found = label_set(name)
    labels = np.random.default_rng(seed).integers(0, found.num_classes, (height, width), dtype=np.uint8)
    assert (decolorize(colorize(labels, found), found) == labels).all()
    assert (found.from_file_values(found.to_file_values(labels)) == labels).all()


@pytest.mark.parametrize("name", LABEL_SETS)
def test_json_leads_back_to_the_same_label_set(name):
    found = label_set(name)
    text = found.to_json()
    assert LabelSet.from_json(text) == found
    assert "\n" not in text


@pytest.mark.parametrize("color", [True, False])
@pytest.mark.parametrize("name", LABEL_SETS)
def test_a_written_layout_reads_back(tmp_path, name, color):
    found = label_set(name)
    write_layout(tmp_path / "layout.png", every_class(found), found, color=color)
    assert (read_layout(tmp_path / "layout.png", found) == every_class(found)).all()
    assert [p.name for p in tmp_path.iterdir()] == ["layout.png"]


def test_a_paletted_png_is_read_by_its_colors(tmp_path):
    palette = np.array([CAMVID.colors[3], CAMVID.colors[8]], np.uint8).tobytes()  # index 0 is road, 1 is car
    plte = struct.pack(">I", 6) + b"PLTE" + palette + struct.pack(">I", zlib.crc32(b"PLTE" + palette))
    path = tmp_path / "paletted.png"
    path.write_bytes(png(struct.pack(">IIBBBBB", 2, 1, 8, 3, 0, 0, 0), b"\0\1\0", extra=plte))
    assert read_layout(path, CAMVID).tolist() == [[8, 3]]


def test_alpha_is_ignored(tmp_path):
    bgra = np.dstack([colorize(every_class(CAMVID), CAMVID)[..., ::-1], np.full((23, 17), 200, np.uint8)])
    cv2.imwrite(str(tmp_path / "alpha.png"), bgra)
    assert (read_layout(tmp_path / "alpha.png", CAMVID) == every_class(CAMVID)).all()


def test_bytes_saved_with_three_equal_channels_are_taken_for_bytes(tmp_path):
    cv2.imwrite(str(tmp_path / "gray.png"), cv2.merge([every_class(CAMVID)] * 3))
    assert (read_layout(tmp_path / "gray.png", CAMVID) == every_class(CAMVID)).all()


def test_colors_win_where_three_equal_channels_could_be_either(tmp_path):
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((2, 2, 3), np.uint8))
    assert read_layout(tmp_path / "black.png", CAMVID).tolist() == [[11, 11], [11, 11]]  # void, not sky


@given(st.tuples(*[st.integers(1, 40)] * 4))
def test_resizing_samples_the_floor_of_the_scaled_index(sizes):
    height, width, new_height, new_width = sizes
    labels = np.arange(height * width, dtype=np.int64).reshape(height, width)
    resized = resize_layout(labels, (new_height, new_width))
    expected = [
        [labels[i * height // new_height, j * width // new_width] for j in range(new_width)]
        for i in range(new_height)
    ]
    assert resized.tolist() == np.array(expected).tolist()


def test_resizing_agrees_with_torch():
    torch = pytest.importorskip("torch")
    labels = np.random.default_rng(0).integers(0, 12, (2, 37, 53), dtype=np.uint8)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(labels)[None].float(), (24, 96), mode="nearest"
    )
    assert (resize_layout(labels, (24, 96)) == expected[0].numpy()).all()


def test_a_folder_lists_its_png_files_in_order(tmp_path):
    for name in ("b.png", "a.PNG", "c.txt", ".b.png.part"):
        (tmp_path / name).touch()
    assert [p.name for p in find_layouts(tmp_path)] == ["a.PNG", "b.png"]
    assert find_layouts(tmp_path / "b.png") == [tmp_path / "b.png"]


def test_a_label_set_of_ones_own_is_read_from_toml(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        'name = "own"\ndont_care = 2\nfile_dont_care = 255\n'
        'labels = [{ name = "land", color = [0, 99, 0], thing = false }, '
        '{ name = "ship", color = [9, 9, 9], thing = true, file_value = 7 }]\n'
    )
    own = label_set(path)
    assert own.num_classes == 3
    assert own.from_file_values(np.array([[0, 7, 255]], np.uint8)).tolist() == [[0, 1, 2]]
    assert label_set(str(path)) == own


def test_importing_the_package_does_not_import_numpy_or_opencv():
    code = "import sys, layoutrt; assert not {'numpy', 'cv2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


# What goes wrong is told in one sentence.


def one_sentence(error: pytest.ExceptionInfo, *parts: str) -> None:
    message = str(error.value)
    assert "\n" not in message
    assert "; " in message, "what to do comes after what was wrong"
    for part in parts:
        assert part in message


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(LayoutRTError) as error:
        label_set("kitti")
    one_sentence(error, "'kitti'", *LABEL_SETS, ".toml")


def test_an_absent_toml_file_is_named(tmp_path):
    with pytest.raises(LayoutRTError) as error:
        label_set(tmp_path / "none.toml")
    one_sentence(error, "none.toml", "No such file")


ONE_LABEL = 'labels = [{ name = "a", color = [0, 0, 0], thing = false }]'


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("name = ", "not valid TOML"),
        (ONE_LABEL, "has no 'name'"),
        ('name = "x"', "has no 'labels'"),
        (f'name = "x"\ncolor = 1\n{ONE_LABEL}', "unknown key 'color'"),
        (f"name = 3\n{ONE_LABEL}", "name = 3"),
        (f'name = "x"\ndont_care = true\n{ONE_LABEL}', "dont_care = True"),
        ('name = "x"\nlabels = [1]', "label 0, is not a table"),
        ('name = "x"\nlabels = [{ name = "a", thing = true }]', "label 0, has no 'color'"),
        ('name = "x"\nlabels = [{ name = "a", color = [1, 2], thing = true }]', "[red, green, blue]"),
        ('name = "x"\nlabels = [{ name = "a", color = [1, 2, 256], thing = true }]', "bytes from 0 to 255"),
        ('name = "x"\nlabels = []', "has 0 labels"),
    ],
)
def test_a_toml_file_that_is_no_label_set_is_told_why(tmp_path, text, part):
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(LayoutRTError) as error:
        label_set(path)
    one_sentence(error, "own.toml", part)


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"labels": (TWO[0], Label("a", (7, 8, 9), True))}, "uses the name 'a' for two classes"),
        ({"labels": (TWO[0], Label("c", (1, 2, 3), True))}, "uses the color (1, 2, 3) for two classes"),
        ({"labels": (TWO[0], Label("c", (7, 8, 9), True, file_value=0))}, "uses the file value 0"),
        ({"dont_care": 3}, "dont_care = 3; use 0 to 2"),
        ({"dont_care": 2}, "without the other"),
        ({"file_dont_care": 255}, "without the other"),
        ({"dont_care": 1, "file_dont_care": 255}, "leave file_dont_care out"),
        ({"dont_care": 2, "file_dont_care": 255, "dont_care_color": (1, 2, 3)}, "uses the color (1, 2, 3)"),
        ({"file_offset": 255}, "has the file value 256"),
    ],
)
def test_a_label_set_that_contradicts_itself_is_refused(fields, part):
    with pytest.raises(LayoutRTError) as error:
        LabelSet(**{"name": "own", "labels": TWO, **fields})
    one_sentence(error, "label set 'own'", part)


def test_text_that_is_no_json_is_refused():
    with pytest.raises(LayoutRTError) as error:
        LabelSet.from_json("{")
    one_sentence(error, "not valid JSON")


def test_an_unknown_color_is_named_with_its_pixel_and_the_nearest_label(tmp_path):
    rgb = colorize(every_class(CAMVID), CAMVID)
    rgb[3, 5] = (130, 65, 126)
    cv2.imwrite(str(tmp_path / "smooth.png"), rgb[..., ::-1])
    with pytest.raises(LayoutRTError) as error:
        read_layout(tmp_path / "smooth.png", CAMVID)
    one_sentence(error, "smooth.png", "(130, 65, 126)", "(x=5, y=3)", "road (128, 64, 128)")


@pytest.mark.parametrize("channels", [1, 3])
def test_a_byte_outside_the_label_set_is_named_with_its_pixel(tmp_path, channels):
    image = every_class(CAMVID)
    image[4, 2] = 77
    cv2.imwrite(str(tmp_path / "other.png"), cv2.merge([image] * channels))
    with pytest.raises(LayoutRTError) as error:
        read_layout(tmp_path / "other.png", CAMVID)
    one_sentence(error, "other.png", "value 77", "(x=2, y=4)", "'camvid'")


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(LayoutRTError) as error:
        read_layout(tmp_path / "none.png", CAMVID)
    one_sentence(error, "none.png", "No such file")


def test_a_file_that_is_no_png_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "photo.jpg"), every_class(CAMVID))
    with pytest.raises(LayoutRTError) as error:
        read_layout(tmp_path / "photo.jpg", CAMVID)
    one_sentence(error, "photo.jpg", "not a PNG image")


@pytest.mark.parametrize("length", [8, 20, 33, 60, -1, -12])
def test_a_truncated_png_is_refused_in_silence(tmp_path, capfd, length):
    write_layout(tmp_path / "cut.png", every_class(CAMVID), CAMVID)
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:length])
    with pytest.raises(LayoutRTError) as error:
        read_layout(tmp_path / "cut.png", CAMVID)
    one_sentence(error, "cut.png", "damaged or truncated")
    assert capfd.readouterr() == ("", "")


def test_a_png_with_a_changed_byte_is_refused(tmp_path):
    write_layout(tmp_path / "bad.png", every_class(CAMVID), CAMVID)
    data = bytearray((tmp_path / "bad.png").read_bytes())
    data[60] ^= 1
    (tmp_path / "bad.png").write_bytes(data)
    with pytest.raises(LayoutRTError) as error:
        read_layout(tmp_path / "bad.png", CAMVID)
    one_sentence(error, "bad.png", "damaged or truncated")


def test_a_16_bit_png_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "deep.png"), every_class(CAMVID).astype(np.uint16))
    with pytest.raises(LayoutRTError) as error:
        read_layout(tmp_path / "deep.png", CAMVID)
    one_sentence(error, "deep.png", "16 bits", "8-bit PNG")


def test_a_4_bit_png_is_refused_because_decoders_stretch_its_values(tmp_path):
    (tmp_path / "small.png").write_bytes(png(struct.pack(">IIBBBBB", 2, 1, 4, 0, 0, 0, 0), b"\0\x31"))
    with pytest.raises(LayoutRTError) as error:
        read_layout(tmp_path / "small.png", CAMVID)
    one_sentence(error, "small.png", "4 bits", "8-bit PNG")


def test_a_class_index_outside_the_label_set_is_not_painted_or_written(tmp_path):
    labels = np.full((2, 2), 12, np.uint8)
    with pytest.raises(LayoutRTError) as error:
        colorize(labels, CAMVID)
    one_sentence(error, "class index 12", "'camvid' ends at 11")
    with pytest.raises(LayoutRTError):
        write_layout(tmp_path / "layout.png", labels, CAMVID, color=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("labels", [np.zeros((2, 2), np.int64), np.zeros(4, np.uint8)])
def test_an_array_that_is_no_layout_is_refused(labels):
    with pytest.raises(LayoutRTError) as error:
        colorize(labels, CAMVID)
    one_sentence(error, str(labels.dtype), "uint8 [H,W]")


def test_an_array_that_is_no_rgb_image_is_refused():
    with pytest.raises(LayoutRTError) as error:
        decolorize(np.zeros((2, 2), np.uint8), CAMVID)
    one_sentence(error, "uint8 [2, 2]", "[H,W,3]")


def test_a_folder_without_images_or_no_folder_at_all_is_refused(tmp_path):
    with pytest.raises(LayoutRTError) as error:
        find_layouts(tmp_path)
    one_sentence(error, str(tmp_path), "no PNG images")
    with pytest.raises(LayoutRTError) as error:
        find_layouts(tmp_path / "none")
    one_sentence(error, "none", "no file or folder")


def test_a_failed_write_leaves_what_was_there_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "layout.png"
    write_layout(path, every_class(CAMVID), CAMVID)
    before = path.read_bytes()

    def disk_full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", disk_full)
    with pytest.raises(LayoutRTError) as error:
        write_layout(path, np.zeros((2, 2), np.uint8), CAMVID)
    one_sentence(error, "layout.png", "No space left")
    assert [p.name for p in tmp_path.iterdir()] == ["layout.png"]
    assert path.read_bytes() == before


def test_writing_makes_the_folder(tmp_path):
    write_layout(tmp_path / "new" / "layout.png", every_class(CAMVID), CAMVID)
    assert (read_layout(tmp_path / "new" / "layout.png", CAMVID) == every_class(CAMVID)).all()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LayoutRTError) as error:
        write_layout(tmp_path / "file" / "layout.png", every_class(CAMVID), CAMVID)
    one_sentence(error, "layout.png", "file")


def test_real_layouts_are_read(data_folder):
    for name, part in (("camvid", "camvid/val/labels"), ("coco-stuff", "coco_stuff_sample/val_label")):
        for path in find_layouts(data_folder / part)[:5]:
            labels = read_layout(path, label_set(name))
            assert labels.max() < label_set(name).num_classes
