"""Kinds of chip cards, pure: bytes in, bytes out, over a ``transmit`` that somebody else owns.

``iso7816``    commands, status words, 61xx and 6Cxx, reading a file in chunks
``egk``        the German health card (eGK)
``synthetic``  invented people and the card images that carry them
``image``      a card image and how it answers commands: the inside of a simulated card

A third party adds a kind of card as a class with the shape of ``kioskd.ports.CardKind``, named under the entry
point group ``kioskd.cards``. It MUST recognise its card by SELECT, not by the ATR (lists of those go stale), and
raise nothing but ``CardUnreadable`` whatever the card answers.
"""
