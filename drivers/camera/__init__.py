"""Cameras: codes that are held up, a picture to hold them by, and photos of cards.

``camera``        the device: a capture process, watched, killed and started again
``capture``       that process: it alone has OpenCV and the decoders
``source``        where its pictures come from: Video4Linux, films, folders, a picture that is exchanged
``watch``         from pictures to codes, by ``trigger``, ``quad``, ``guidance`` and ``presentation``, all pure
``shared``        the memory between the two processes
``virtual``       a simulated camera: hold a picture up, take it away

::

    [[device]]
    name = "entrance-camera"
    driver = "camera"
    source = "/dev/v4l/by-id/usb-046d_HD_Pro_Webcam_C920_5A9E7D0F-video-index0"

Nothing of a picture is ever on a disk: frames are in the memory of two processes and gone with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from drivers.codes import DEFAULT_SYMBOLOGIES, Symbology
from kioskd.errors import DeviceUnavailable
from kioskd.ports import CardKind, Device, DriverConfig

_LIBRARIES = {"cv2": "opencv-python-headless", "numpy": "numpy", "zxingcpp": "zxing-cpp"}


def _source(value: str) -> str:
    if not value.startswith(("/dev/", "file:/")):
        raise ValueError("expected a device such as /dev/v4l/by-id/usb-...-video-index0, or file:/path")
    return value


class CameraConfig(DriverConfig):
    """The keys of a ``camera`` device."""

    source: Annotated[str, AfterValidator(_source)]
    """A device file, best the one in ``/dev/v4l/by-id``, whose name stays the same on every plug; or ``file:`` and the
    path of a film, of a folder of pictures, or of one picture, which may be exchanged while it is looked at."""
    size: tuple[Annotated[int, Field(ge=640, le=4096)], Annotated[int, Field(ge=480, le=2304)]] = (1280, 720)
    """Width and height in pixels that the camera is asked for."""
    symbologies: tuple[Symbology, ...] = Field(tuple(sorted(DEFAULT_SYMBOLOGIES)), min_length=1)
    loop: bool = False
    """Films and folders start again when they are over; without it, the end is like a camera that is pulled out."""
    frozen_after_s: float = Field(10.0, ge=0, le=600)
    """The very same pixels for so long are a camera that hangs; 0: never."""


class CameraDriver:
    """A ``ports.Driver`` for cameras."""

    title: ClassVar[str] = "Camera for codes and cards"
    kind: ClassVar[str] = "scanner"
    config: ClassVar[type[DriverConfig]] = CameraConfig

    def create(self, name: str, config: Any, card_kinds: Sequence[CardKind]) -> Device:
        """The camera, not yet open. Raises DeviceUnavailable (a library is not installed)."""
        missing = [package for module, package in _LIBRARIES.items() if find_spec(module) is None]
        if missing:
            raise DeviceUnavailable(name, f"the camera needs {' and '.join(missing)}; install {' '.join(missing)}")
        from drivers.camera.camera import CaptureCamera

        settings = {
            "source": config.source,
            "size": list(config.size),
            "symbologies": [str(symbology) for symbology in config.symbologies],
            "loop": config.loop,
        }
        return CaptureCamera(name, settings, config.frozen_after_s)
