"""MQTT 5: what kioskd says on the wire, and the only place that knows the MQTT library.

``topics``      topic names and payloads: the public contract for displays and other listeners
``connection``  one connection that comes back by itself: publish, subscribe, request, respond
``client``      one aiomqtt client, from dialling to hanging up, with the reason codes that aiomqtt drops
``backoff``     how long to wait before the next attempt (pure)
``displays``    the outbox destination that publishes what displays show, and its heartbeat
``watch``       a display without a screen, for the demo and the benchmarks
``broker``      the text of mosquitto's configuration, access list and password files (pure)
"""
