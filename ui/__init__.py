"""The pages: templates, styles, scripts, fonts and translations, served as they are, without a build step.

``kiosk/`` ``console/`` ``display/`` ``records/`` ``lab/``  one folder of Jinja2 templates per audience
``static/``   what browsers fetch; ``tokens.css`` is the visual language in values, ``vendor/`` is other people's work
``locale/``   one ``<language>.po`` per language beside English, read when the daemon starts
"""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
"""Where the files are, also when kioskd is installed as a package."""
