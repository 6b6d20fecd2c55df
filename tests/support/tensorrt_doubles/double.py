"""An object that has the attributes of a real class, and whose answers are given by another object."""

from __future__ import annotations

from typing import Any

from tests.support.tensorrt_doubles.signatures import Misuse, accepts, check_call, signatures


class Double:
    """Passes on to ``answers`` what the real class has, once arguments and types are those of the real one.

    Args:
        trt: the real module.
        real: class of it that is stood in for.
        answers: has a method for each method, and an attribute for each property, that is used.
    """

    def __init__(self, trt: Any, real: type, answers: Any) -> None:
        for name, value in (("_trt", trt), ("_real", real), ("_answers", answers)):
            object.__setattr__(self, name, value)

    def stands_for(self) -> type:
        return self._real

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._real, name, None)
        what = f"{self._real.__name__}.{name}"
        if member is None:
            raise AttributeError(f"TensorRT {self._trt.__version__} has no {what}")
        if isinstance(member, property):
            value = getattr(self._answers, name)
            _check_result(self._trt, what, signatures(member.fget.__doc__, "")[0].returns, value)
            return value
        if not callable(member):
            return member

        def call(*arguments: Any, **keywords: Any) -> Any:
            overloads = signatures(member.__doc__, name)
            taken = check_call(self._trt, what, overloads, (self, *arguments), keywords)
            result = getattr(self._answers, name)(*arguments, **keywords)
            _check_result(self._trt, what, taken.returns, result)
            return result

        return call

    def __setattr__(self, name: str, value: Any) -> None:
        member = getattr(self._real, name, None)
        what = f"{self._real.__name__}.{name}"
        if not isinstance(member, property) or member.fset is None:
            raise AttributeError(f"TensorRT {self._trt.__version__} has no {what} that can be set")
        check_call(self._trt, what, signatures(member.fset.__doc__, ""), (self, value), {})
        setattr(self._answers, name, value)


class Constructor:
    """A class of which doubles are made, by calling it as the real one."""

    def __init__(self, trt: Any, real: type, make: Any) -> None:
        self._trt, self._real, self._make = trt, real, make
        self.fails: Any = None
        """Called before the real class's answer where the library gives no object."""

    def __call__(self, *arguments: Any, **keywords: Any) -> Double:
        overloads = signatures(self._real.__init__.__doc__, "__init__")
        check_call(self._trt, self._real.__name__, overloads, (None, *arguments), keywords)
        if self.fails:
            self.fails()
            raise TypeError("pybind11::init(): factory function returned nullptr")
        return Double(self._trt, self._real, self._make(*arguments, **keywords))


def answers_of(double: Double) -> Any:
    """The object that answers for a double."""
    return double._answers


def _check_result(trt: Any, what: str, kind: str, value: Any) -> None:
    # Pointers that are null.
    if value is None:
        return
    if not accepts(trt, kind, value):
        raise Misuse(f"the double's answer to {what} must be {kind}, got {value!r}")
