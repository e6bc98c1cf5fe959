"""One site: check-ins, tickets, the queue, what displays show, what the desk sees and may do.

``site``     the ``ports.Hub`` that stations talk to: identify, check in, help tickets, reports
``desk``     the receptionist's commands and the console's view
``view``     what the console shows
``tables``   the tables of hub.db
"""
