"""The names that ``layoutrt`` itself offers."""

import doctest
import importlib
import pydoc
import subprocess
import sys

import pytest

import layoutrt

NAMES = ("Drive", "LabelSet", "LayoutRTError", "Pipeline", "Policy", "Session", "Synthesizer", "label_set")


def loaded_after(program: str) -> set[str]:
    """The modules that a new interpreter has after a program, beside those that it starts with."""
    report = "import sys; before = set(sys.modules)\n{}\nprint(*sorted(set(sys.modules) - before))"
    command = [sys.executable, "-c", report.format(program)]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_the_public_names_are_those_that_are_documented() -> None:
    assert tuple(layoutrt.__all__) == NAMES
    assert set(NAMES) <= set(dir(layoutrt))
    for name in NAMES:
        assert f"`{name}`" in layoutrt.__doc__


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_what_its_module_defines(name) -> None:
    public = getattr(layoutrt, name)
    assert public is getattr(importlib.import_module(public.__module__), name)
    assert public is getattr(layoutrt, name)


def test_importing_the_package_imports_no_other_package() -> None:
    loaded = loaded_after("import layoutrt")
    assert {module for module in loaded if module.startswith("layoutrt")} == {"layoutrt"}
    assert not loaded & {"numpy", "typing", "cv2", "onnx", "torch"}


def test_public_names_come_without_the_packages_that_they_do_not_need_yet() -> None:
    loaded = loaded_after(f"from layoutrt import {', '.join(NAMES)}")
    assert "numpy" in loaded
    assert not loaded & {"cv2", "onnx", "onnxruntime", "torch", "rich", "typer", "fastapi", "tensorrt"}


def test_an_unknown_name_is_refused_as_by_any_module() -> None:
    assert not hasattr(layoutrt, "Renderer")
    with pytest.raises(AttributeError, match="module 'layoutrt' has no attribute 'Renderer'"):
        layoutrt.Renderer  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Renderer' from 'layoutrt'"):
        exec("from layoutrt import Renderer")


@pytest.mark.parametrize("name", ["", "Drive", "LabelSet", "Pipeline", "Session", "Synthesizer"])
def test_examples_in_the_help_do_what_they_show(name) -> None:
    documented = getattr(layoutrt, name) if name else layoutrt
    module = sys.modules[documented.__module__] if name else layoutrt
    parser = doctest.DocTestParser()
    examples = parser.get_doctest(documented.__doc__, dict(vars(module)), name, None, None)
    assert examples.examples
    assert doctest.DocTestRunner(verbose=False).run(examples).failed == 0


@pytest.mark.parametrize("name", ["Synthesizer", "Session", "Pipeline", "Drive", "LabelSet"])
def test_the_help_of_a_class_tells_arguments_errors_and_methods(name) -> None:
    text = pydoc.plain(pydoc.render_doc(getattr(layoutrt, name)))
    assert text.startswith(f"Python Library Documentation: class {name} in module layoutrt.")
    assert "Args:" in text or "Attributes:" in text
    assert "Raises:" in text
    for method, value in vars(getattr(layoutrt, name)).items():
        if callable(value) and not method.startswith("_"):
            assert pydoc.getdoc(value), f"{name}.{method} has no docstring"
            assert f"{method}(" in text
