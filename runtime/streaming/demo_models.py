"""The models of a demo: a generator, and a segmenter for sources that give frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from layoutrt.errors import LayoutRTError
from layoutrt.models import resolve_model, shipped_models
from layoutrt.runtime.processors import usable_processors
from layoutrt.runtime.session import Session
from layoutrt.runtime.streaming.label_mapping import label_table
from layoutrt.runtime.streaming.layout_feed import LayoutFeed
from layoutrt.runtime.streaming.layout_smoother import LayoutSmoother
from layoutrt.runtime.streaming.playback import Images, one_by_one, pipelined
from layoutrt.runtime.streaming.sources import Source
from layoutrt.runtime.synthesizer import Synthesizer, latent_from_seed


class DemoModels:
    """Models of a demo, connected to a source.

    Args:
        generator: shipped name, ONNX file or engine.
        size: (height, width); the generator's own by default.
        seed: seed of the latent, if the generator has one.
        threads: threads of each model; None to share out the processors.
        browser: leave a processor for the browser that shows the demo.

    Attributes:
        name: name of the generator.
        segmenter_name: None until a feed needed one.
        label_set: label set of the generator's layouts.
        size: (height, width) in pixels.
        backend: description of the generator's backend.

    Raises:
        LayoutRTError: the generator cannot be loaded, makes other sizes, or reads instance ids.
    """

    def __init__(
        self,
        generator: str | Path,
        *,
        size: tuple[int, int] | None = None,
        seed: int = 0,
        threads: int | None = None,
        browser: bool = False,
    ) -> None:
        self._path = resolve_model(generator)
        self._seed = seed
        self._threads = threads
        self._browser = browser
        self._segmenter: Session | None = None
        self._generator: Session | None = None
        self.segmenter_name: str | None = None
        self._synthesizer = Synthesizer(self._path, threads=threads)
        try:
            self.name = self._synthesizer.name
            self.label_set = self._synthesizer.label_set
            self.backend = self._synthesizer.backend
            self.size = size or self._synthesizer.size or self._synthesizer.trained_size
            if self._synthesizer.needs_instances:
                raise LayoutRTError(
                    f"model {self.name} reads instance ids, which neither a drive nor a segmenter gives; "
                    "choose another generator, or use layoutrt synthesize"
                )
            self._check_size()
        except LayoutRTError:
            self.close()
            raise

    def _check_size(self) -> None:
        height, width = self.size
        fitting = self._synthesizer.fitting_size(height, width)
        if fitting != self.size:
            advice = (
                f"it makes {fitting[0]}x{fitting[1]}: leave --size out"
                if self._synthesizer.size
                else f"give a --size of multiples of {self._synthesizer.size_multiple}"
            )
            raise LayoutRTError(f"model {self.name} cannot make {height}x{width}; {advice}")

    def feed(
        self,
        source: Source,
        segmenter: str | Path | None = None,
        *,
        mapping: Path | None = None,
        smooth: int = 1,
        limit: int | None = None,
    ) -> LayoutFeed:
        """Layouts of a source's frames, as the generator takes them.

        Args:
            source: source of frames or layouts.
            segmenter: shipped name, ONNX file or engine; by default the shipped one of the generator's
                classes.
            mapping: file that maps each class, if the label sets differ.
            smooth: number of layouts that vote on each pixel.
            limit: number of frames; None for all.

        Raises:
            LayoutRTError: no segmenter is given or shipped, or its classes differ and no mapping is given.
        """
        smoother = LayoutSmoother(smooth) if smooth != 1 else None
        given = source.label_set
        if given is None:
            self._open_segmenter(segmenter)
            assert self._segmenter is not None
            given = self._segmenter.label_set or self.label_set
        table = label_table(given, self.label_set, mapping, source=self.segmenter_name or source.name)
        return LayoutFeed(
            source, self.size, segmenter=self._segmenter, table=table, smoother=smoother, limit=limit
        )

    def images(self, feed: LayoutFeed, source: Source) -> Images:
        """Images of the feed's layouts, made while the next layout is captured and segmented."""
        blank = np.zeros(self.size, np.uint8)
        # The first run of a session allocates its memory: part of loading, not of the demo.
        if self._synthesizer.latent:
            z = latent_from_seed(self._seed, self._synthesizer.latent)
            self._synthesizer.render(blank, z=z)
            return one_by_one(feed, self._synthesizer, z)
        if not self._synthesizer.is_native:
            self._synthesizer.render(blank)
            return one_by_one(feed, self._synthesizer)
        self._synthesizer.close()
        self._generator = Session(self._path, threads=self._threads or self._share())
        self.backend = self._generator.backend
        self._generator.run(labels=blank[None])
        return pipelined(feed, self._generator, self.size, source.live)

    def close(self) -> None:
        """Free the models. Allowed more than once."""
        self._synthesizer.close()
        for session in (self._segmenter, self._generator):
            if session is not None:
                session.close()

    def __enter__(self) -> DemoModels:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _open_segmenter(self, segmenter: str | Path | None) -> None:
        if segmenter is None:
            if self.label_set.name != "camvid":
                raise LayoutRTError(
                    f"no shipped segmenter has the classes '{self.label_set.name}' of {self.name}; "
                    "name one with --segmenter"
                )
            # An 8-bit generator is paired with the 8-bit segmenter.
            ours = "camvid-seg-int8" if "int8" in self.name else "camvid-seg"
            segmenter = ours if ours in shipped_models() else "camvid-seg"
        path = resolve_model(segmenter)
        self.segmenter_name = path.stem
        self._segmenter = Session(path, threads=self._threads or 1)
        inputs = [tensor.name for tensor in self._segmenter.inputs]
        outputs = [tensor.name for tensor in self._segmenter.outputs]
        if inputs != ["frame"] or outputs != ["labels"]:
            raise LayoutRTError(
                f"{path} is not a segmenter: it turns {', '.join(inputs)} into {', '.join(outputs)}; "
                "export one with: layoutrt export SEGMENTER.safetensors --out SEGMENTER.onnx"
            )
        self._segmenter.run(frame=np.zeros((1, *self.size, 3), np.uint8))

    def _share(self) -> int:
        """Threads of the generator: it gets the processors that segmentation and a browser leave."""
        processors = usable_processors()
        return max(1, processors - (self._browser or self._segmenter is not None))
