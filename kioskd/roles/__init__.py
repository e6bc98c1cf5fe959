"""What each role of a site file is made of: its database, what it talks to, its pages.

``running``  what the roles of one process share
``station``  one kiosk PC
``hub``      the site's shared state
``records``  the bundled records backend
``preview``  what the site's printers would print, as pictures
"""
