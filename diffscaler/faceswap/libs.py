"""OpenCV and SciPy as values of unknown type: their stubs know no dtypes, and would need a cast at every call.

Imported only by modules that the worker uses: `stage.py` and `detections.py` stay light.
"""

from __future__ import annotations

from typing import Any

import cv2 as _cv2
import scipy.ndimage as _ndimage

cv2: Any = _cv2
ndimage: Any = _ndimage
