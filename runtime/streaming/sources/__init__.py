"""Sources of a demo's frames: cameras, streams, videos, folders, and the procedural drive."""

from layoutrt.runtime.streaming.sources.source import Captured, Source
from layoutrt.runtime.streaming.sources.uri import open_source

__all__ = ["Captured", "Source", "open_source"]
