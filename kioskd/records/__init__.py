"""The bundled records backend: a FHIR R4 server (a named part of it) and the secretaries' use cases beside it.

Read in this order:

``backend``      what can be done: read, put, search, transaction; the check-ins of a day for the desk
``rest``         the same over HTTP, as FHIR R4 lays it down
``capability``   what exactly works, as the server says it of itself
``transaction``  a Bundle of updates, all or nothing (pure)
``resources``    whether a resource is one: elements, codes, invariants (pure)
``primitives``   the primitive types: whether a JSON value is one (pure)
``structures``   the elements of the types that are stored, from FHIR R4 4.0.1
``parameters``   search parameters: where they look, and what of a resource they find (pure)
``search``       what the parameters of a search ask for (pure)
``dates``        FHIR dates and times as intervals (pure)
``checkins``     a check-in as a secretary reads it (pure)
``rows``         resources, versions and search rows in the database
``tables``       the tables of records.db
``outcome``      OperationOutcome, and the refusal that carries one
``fhirjson``     JSON that keeps decimals exact and refuses what can't be stored
"""
