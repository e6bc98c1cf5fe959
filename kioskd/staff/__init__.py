"""Staff: who may sign in, as what, and until when.

``accounts``   the use cases: add, sign in, who is it, sign out, change and reset a password, disable
``roles``      what a person may be
``passwords``  hashing, the password rule, one-time passwords
``throttle``   how long the next attempt waits after failed ones
``sessions``   signed-in browsers, as rows
``tables``     the tables of staff.db
"""

from kioskd.staff.accounts import Staff
from kioskd.staff.roles import Role, StaffMember

__all__ = ["Role", "Staff", "StaffMember"]
