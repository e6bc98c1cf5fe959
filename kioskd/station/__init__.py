"""One kiosk: the check-in session, its print jobs and the devices they run on.

``kiosk``     the session: inputs from the card reader and the page, intents, the hub
``codes``     what scanners and cameras read, as inputs of the session; ``code_reading`` is their loop
``clearing``  what the page does by itself as time passes
``screen``    what stands on the screen, with the ``session_sheets`` of who stands before it; ``view`` is how it looks
``checkins``  the crash protocol with the hub; ``intents`` are not yet answered, ``asking_again`` asks them
``orders``    what staff ask this station to print
``job_maker`` print jobs from a ``content`` for one of the ``printers``; ``sheets``, ``bands``, ``self_tests`` word it
``templates`` how a site's tickets look, in plain files
``printing``  print jobs from commit to proof: ``print_book`` (in station.db, by ``jobs``), a ``print_worker`` for each
              printer, ``readiness`` and ``rerouting`` to the next one, ``print_reports`` to the desk
``devices``   driver registry, device thread, supervisor, and what the desk is told of them
"""
