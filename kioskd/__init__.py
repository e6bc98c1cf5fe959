"""kioskd owns a clinic's front desk: the kiosk, its card reader and printers, the queue, the displays and the record.

Read in this order:

``core``       the domain, pure: who checks in, ticket numbers, the queue, the state of a print
``ports``      what the parts need from outside, as Protocols
``app``        every part started in order and stopped in reverse: the life of the process on one page
``roles``      what each role of a site file is made of
``station``    one kiosk: the check-in session, its print jobs and the devices they run on
``hub``        one site: check-ins, tickets, the queue, what displays show, what the desk sees
``records``    the bundled records backend: FHIR R4
``staff``      accounts, roles and sessions of the people behind the desk
``store``      the database mechanism: engine, writer thread, outbox, audit chain, migrations
``bus``        MQTT 5: topics, connection, broker rules
``forward``    the outbox worker and the FHIR client
``web``        one small web application per audience
``demo``       mosquitto, pcscd and simulators around ``app``
"""

__version__ = "0.1.0"
