"""One small web application per audience, each on its own port; pages come from ``ui`` and work as plain forms.

Read in this order:

``security``  what every app refuses and which headers every answer carries
``server``    uvicorn inside the daemon; an audience's app put together, with its error pages
``pages``     templates, translations, dates, icons and static files
``live``      server-sent events: a fragment is rendered again when an event concerns it
``kiosk``     the patient's page
``sheets``    the console's page of what the printers would print
``display``   the waiting room's page
``lab``       the front desk of the demo as a drawing to play with; ``lab_timeline`` is its chart
"""
