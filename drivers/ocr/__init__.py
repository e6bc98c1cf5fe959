"""Printed insurance cards: photos of front and back in, fields with a confidence each out. Everything stays here.

``reader``           ``PrintedCardReader``: what everybody else needs
``process``          the process that reads, from outside: started on demand, a deadline for each photo
``reading_process``  that process, a program: rapidocr, and OpenCV through ``photo``
``photo``            exposure and sharpness, the card found and laid flat
``lines``            runs of text and where they stand to one another; two looks at each weighed
``formats``          what the text of each field may look like: check digits, dates, look-alike characters
``fields``           lines to fields: ``us_card`` by labels, ``european_card`` by numbers, ``german_card`` by checks
``synthetic``, ``photographed``  six designs of invented cards, and seven conditions to photograph them in

What is read is a guess until a person has looked at it: ``kioskd.core.printed_card`` keeps both apart. A confidence
comes from two looks at each line, and from the form of the field: a right check digit raises it; a wrong form, two
looks that differ, an O where a 0 may stand, or front and back that differ lower it under ``CONFIDENT``.

Why an extra (``kioskd[ocr]``): rapidocr (Apache-2.0) with its models and onnxruntime (MIT) take 137 MB on disk, which a
hub or a records server has no use for. ``scripts/install`` installs it, because a kiosk PC has. Of the two
distributions, ``rapidocr`` has newer models than ``rapidocr-onnxruntime`` (last released in January 2025) in its wheel
and needs OpenCV without a window system, which is here already; both work without a network. Importing this package
loads none of it; without it a reading raises DeviceUnavailable and names the extra.

Known: print that is embossed, holographic or worn, and real plastic of any kind, was never tried.
"""

from __future__ import annotations

from drivers.ocr.fields import read_fields
from drivers.ocr.lines import TextLine
from drivers.ocr.reader import PrintedCardReader

__all__ = ["PrintedCardReader", "TextLine", "read_fields"]
