"""MQTT 5: what kioskd says on the wire, and the only place that knows the MQTT library.

``topics``      topic names and payloads: the public contract for displays and other listeners
``connection``  one connection that comes back by itself: publish, subscribe, request, respond
``client``      one aiomqtt client, from dialling to hanging up, with the reason codes that aiomqtt drops
``backoff``     how long to wait before the next attempt (pure)
``hub_client``  the hub as a station sees it over the broker: ``ports.Hub``, and whether the hub is there
``hub_server``  serves any ``ports.Hub`` to the stations of a site
``hub_messages`` the wire format between the two, versioned
``hub_bodies``  what is asked and answered about people: pydantic models
``hub_reports`` the same about devices, sheets and print orders
``wake``        the hub's word to a station that it has print orders
``sealed``      AES-256-GCM around them: the broker never sees patient data
``displays``    the outbox destination that publishes what displays show, and its heartbeat
``watch``       a display without a screen, for the demo and the benchmarks
``broker``      the text of mosquitto's configuration, access list and password files (pure)
"""
