"""Kinds of chip cards, pure: bytes in, bytes out, over a ``transmit`` that somebody else owns.

``iso7816``          commands, status words, 61xx and 6Cxx, reading a file in chunks
``tlv``, ``fields``  what stands in files: elements, texts, digits, dates
``egk``              the German health card (eGK)
``veka``             the Swiss health insurance card
``ecard``            the Austrian e-card
``nhi``              the Taiwanese health insurance card
``serbian_health``   the Serbian health card
``belgian_eid``, ``estonian_id``, ``thai_id``, ``portuguese_cc``, ``mykad``  identity cards that health care asks for
``vitale``           the French Carte Vitale 2, experimental
``image``            a card image and how it answers commands: the inside of a simulated card
``samples``          images of every kind, of invented people, one module each
``synthetic``        the German ones, and the tray of the lab page

All read open data over contacts: no PIN, no second card. Which facts are from public readers and which from memory
stands in each module; none but the eGK's layout was ever checked against a specification, and no kind was tried on
real plastic here.

How to add a card
-----------------

1. Copy the kind that is nearest: ``veka`` (files with tags), ``portuguese_cc`` (fields at fixed places), ``ecard``
   (DER), ``estonian_id`` (a file for each field), ``thai_id`` (commands of its own). It is a class with the shape of
   ``kioskd.ports.CardKind``:

   * ``is_present`` asks by SELECT, not by the ATR: lists of those go stale, and kinds share them. Where the name of the
     file or application is not the card's alone, look at what stands in it too;
   * ``read_id`` gives a number that no other card has, so that a swap during the read is noticed;
   * ``read`` gives a ``core.identity.Card``: the system of its identifier as the country's FHIR profiles name it (or
     ``urn:kioskd:``), what the card does not say left out, every check digit checked (``fields.checked``);
   * ``suffices_for_billing`` says whether the desk still needs the card. A number that a family shares is marked
     with ``is_shared_by_family``.

   Raise nothing but ``CardUnreadable``, whatever the card answers: ``unreadable`` (laid out otherwise), ``damaged``
   (contradicts its own check), ``refusal`` (a status word). Texts of errors quote nothing of the card.
2. Name the class under the entry point group ``kioskd.cards`` of your package, by the ``name`` it has.
3. Copy the module in ``samples`` that is nearest, and change layout and people. It is found by itself; its cards are
   then behind the virtual reader and in the tests of all kinds: read as shown, claimed by one kind only, damaged and
   torn in every way, and through a real pcscd.
"""
