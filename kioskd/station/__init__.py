"""One kiosk: the check-in session, its print jobs and the devices they run on.

``kiosk``     the session: inputs from the card reader and the page, intents, the hub
``view``      what the kiosk page shows
``checkins``  the crash protocol with the hub
``intents``   check-ins asked for and not yet answered, in station.db
``templates`` how a site's tickets look, in plain files; ``sheets`` fills them in
``printing``  print jobs in station.db and the worker of each printer
``devices``   driver registry, device thread, supervisor
"""
