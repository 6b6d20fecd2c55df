"""layoutrt turns semantic layouts into images in real time on edge devices.

Importing this package is cheap: the parts are subpackages (``train``, ``export``, ``calib``, ``runtime``),
each imported when used.
"""

__version__ = "0.1.0"
