import asyncio

import pytest
from sqlalchemy import select

from kioskd.config import StaffConfig, StoreConfig
from kioskd.errors import AccessDenied, RuleViolation
from kioskd.staff import Role, Staff, StaffMember
from kioskd.staff.accounts import ONE_TIME_VALID, SignInDelayed
from kioskd.staff.roles import Account
from kioskd.staff.tables import ACCOUNT, AUDIT, FAILURE, SCHEMA, SESSION
from kioskd.store import Store, audit, open_store
from tests.staff.conftest import Clock

HERE = "10.0.0.5"
NEW = "correct horse battery"


async def audited(store: Store) -> list[tuple[str, str, str]]:
    query = select(AUDIT.c.actor, AUDIT.c.action, AUDIT.c.subject).order_by(AUDIT.c.sequence)
    return [tuple(row) for row in await store.read(lambda c: c.execute(query).all())]


async def everything(store: Store) -> str:
    """All that is stored, as text."""
    tables = (ACCOUNT, SESSION, FAILURE, AUDIT)
    return str([await store.read(lambda c, t=t: c.execute(select(t)).all()) for t in tables])


async def test_a_new_database_lets_nobody_in(staff: Staff):
    assert await staff.accounts() == []
    for name, password in [("admin", "admin"), ("admin", ""), ("", ""), ("kioskd", "kioskd")]:
        with pytest.raises(AccessDenied):
            await staff.sign_in(name, password, HERE)


async def test_the_first_password_works_once_and_then_has_to_be_changed(staff: Staff):
    first = await staff.add_account("anna", [Role.RECEPTIONIST], "system")
    token = await staff.sign_in("anna", first, HERE)
    assert await staff.who(token) == StaffMember("anna", frozenset({Role.RECEPTIONIST}), must_change_password=True)

    fresh = await staff.change_password("anna", first, NEW, HERE)
    assert await staff.who(token) is None
    assert await staff.who(fresh) == StaffMember("anna", frozenset({Role.RECEPTIONIST}), must_change_password=False)
    with pytest.raises(AccessDenied):
        await staff.sign_in("anna", first, HERE)
    assert await staff.who(await staff.sign_in("anna", NEW, HERE))


async def test_a_permanent_password_need_not_be_changed(staff: Staff, clock: Clock):
    password = await staff.add_account("demo", [Role.ADMIN, Role.CLINICIAN], "system", is_permanent=True)
    clock.pass_by(days=400)
    member = await staff.who(await staff.sign_in("demo", password, HERE))
    assert member == StaffMember("demo", frozenset({Role.ADMIN, Role.CLINICIAN}), must_change_password=False)


async def test_a_one_time_password_expires_unused(staff: Staff, clock: Clock):
    password = await staff.add_account("anna", [Role.RECEPTIONIST], "system")
    clock.now += ONE_TIME_VALID
    with pytest.raises(AccessDenied, match="expired"):
        await staff.sign_in("anna", password, HERE)
    again = await staff.reset_password("anna", "staff:boss")
    assert await staff.who(await staff.sign_in("anna", again, HERE))


async def test_one_time_passwords_differ_and_can_be_read_from_paper(staff: Staff):
    made = [await staff.add_account(f"user{n}", [Role.SECRETARY], "system") for n in range(5)]
    assert len(set(made)) == 5
    assert all(len(p) == 19 and not set(p) & set("01ilo") for p in made)


@pytest.mark.parametrize("typed", ["anna", "ANNA", " Anna "])
async def test_case_and_spaces_of_a_name_do_not_matter(staff: Staff, typed: str):
    password = await staff.add_account("Anna", [Role.RECEPTIONIST], "system")
    member = await staff.who(await staff.sign_in(typed, password, HERE))
    assert member is not None
    assert member.name == "anna"


@pytest.mark.parametrize("name", ["", " ", "-anna", "anna-", "an na", "änna", "a/b", "<b>", "x" * 65, "anna\0", "a\nb"])
async def test_a_name_of_another_form_is_refused(staff: Staff, name: str):
    with pytest.raises(RuleViolation) as refused:
        await staff.add_account(name, [Role.RECEPTIONIST], "system")
    assert refused.value.rule == "account-name"
    with pytest.raises(AccessDenied, match="wrong"):
        await staff.sign_in(name, "any password at all", HERE)


async def test_an_account_is_not_made_twice_or_without_a_role(staff: Staff):
    await staff.add_account("anna", [Role.RECEPTIONIST], "system")
    with pytest.raises(RuleViolation, match="already"):
        await staff.add_account("Anna", [Role.ADMIN], "system")
    with pytest.raises(RuleViolation, match="role"):
        await staff.add_account("bert", [], "system")
    assert await staff.accounts() == [Account("anna", frozenset({Role.RECEPTIONIST}), True, False)]


@pytest.mark.parametrize(
    ("new", "rule"),
    [
        ("short", "password-too-short"),
        ("elevenchars", "password-too-short"),
        ("x" * 201, "password-too-long"),
        ("anna.kurz.an", "password-is-name"),
        ("Anna.Kurz-2026!", "password-is-name"),
    ],
)
async def test_a_password_that_breaks_the_rule_is_refused_and_the_old_one_stays(staff: Staff, new: str, rule: str):
    old = await staff.add_account("anna.kurz", [Role.RECEPTIONIST], "system")
    with pytest.raises(RuleViolation) as refused:
        await staff.change_password("anna.kurz", old, new, HERE)
    assert refused.value.rule == rule
    assert new not in str(refused.value)
    assert await staff.sign_in("anna.kurz", old, HERE)


@pytest.mark.parametrize(
    "new", ["twelve chars", "zwölf Zeichen", "漢字かなカナ한국어עברית", "x" * 200, "  spaces stay  "]
)
async def test_any_long_enough_password_is_taken(staff: Staff, new: str):
    old = await staff.add_account("anna", [Role.RECEPTIONIST], "system")
    await staff.change_password("anna", old, new, HERE)
    assert await staff.sign_in("anna", new, HERE)


async def test_a_password_is_the_same_however_the_keyboard_composed_it(staff: Staff):
    old = await staff.add_account("anna", [Role.RECEPTIONIST], "system")
    await staff.change_password("anna", old, "Grüße aus Köln", HERE)
    assert await staff.sign_in("anna", "Gru\u0308ße aus Ko\u0308ln", HERE)


async def test_changing_a_password_needs_the_old_one_and_another_new_one(staff: Staff):
    old = await staff.add_account("anna", [Role.RECEPTIONIST], "system")
    with pytest.raises(AccessDenied):
        await staff.change_password("anna", "not the old one", NEW, HERE)
    with pytest.raises(RuleViolation, match="the old one"):
        await staff.change_password("anna", old, old, HERE)


async def test_a_disabled_account_is_out_at_once_and_nobody_can_tell(staff: Staff):
    password = await staff.add_account("anna", [Role.RECEPTIONIST], "system", is_permanent=True)
    token = await staff.sign_in("anna", password, HERE)
    await staff.disable("anna", "staff:boss")
    assert await staff.who(token) is None
    with pytest.raises(AccessDenied, match="name or password is wrong"):
        await staff.sign_in("anna", password, HERE)
    await staff.enable("anna", "staff:boss")
    assert await staff.who(token) is None
    assert await staff.who(await staff.sign_in("anna", password, HERE))


async def test_a_reset_password_ends_every_session(staff: Staff):
    old = await staff.add_account("anna", [Role.RECEPTIONIST], "system", is_permanent=True)
    tokens = [await staff.sign_in("anna", old, HERE) for _ in range(3)]
    new = await staff.reset_password("anna", "staff:boss")
    assert [await staff.who(token) for token in tokens] == [None, None, None]
    with pytest.raises(AccessDenied):
        await staff.sign_in("anna", old, HERE)
    member = await staff.who(await staff.sign_in("anna", new, HERE))
    assert member is not None
    assert member.must_change_password


@pytest.mark.parametrize("change", ["disable", "enable", "reset_password"])
async def test_an_account_that_does_not_exist_is_not_changed(staff: Staff, change: str):
    with pytest.raises(RuleViolation, match="no account"):
        await getattr(staff, change)("nobody", "staff:boss")


async def test_a_session_ends_when_nothing_is_done(staff: Staff, clock: Clock):
    password = await staff.add_account("anna", [Role.RECEPTIONIST], "system")
    token = await staff.sign_in("anna", password, HERE)
    for _ in range(10):
        clock.pass_by(minutes=29)
        assert await staff.who(token)
    clock.pass_by(minutes=30)
    assert await staff.who(token) is None
    clock.pass_by(minutes=-20)
    assert await staff.who(token), "only looking at a session that is over does not end it"


async def test_a_live_stream_is_not_an_action(staff: Staff, clock: Clock):
    token = await staff.sign_in("anna", await staff.add_account("anna", [Role.RECEPTIONIST], "system"), HERE)
    for _ in range(3):
        clock.pass_by(minutes=9)
        assert await staff.who(token, is_activity=False)
    clock.pass_by(minutes=3)
    assert await staff.who(token, is_activity=False) is None


async def test_a_session_ends_after_its_whole_length_however_busy(staff: Staff, clock: Clock):
    token = await staff.sign_in("anna", await staff.add_account("anna", [Role.RECEPTIONIST], "system"), HERE)
    for _ in range(12 * 3 - 1):
        clock.pass_by(minutes=20)
        assert await staff.who(token)
    clock.pass_by(minutes=20)
    assert await staff.who(token) is None


async def test_sessions_that_are_over_are_removed_at_the_next_sign_in(staff: Staff, clock: Clock, store: Store):
    password = await staff.add_account("anna", [Role.RECEPTIONIST], "system", is_permanent=True)
    for _ in range(3):
        await staff.sign_in("anna", password, HERE)
    clock.pass_by(hours=1)
    await staff.sign_in("anna", password, HERE)
    assert len(await store.read(lambda c: c.execute(select(SESSION)).all())) == 1


async def test_a_signed_out_session_is_over_and_the_others_are_not(staff: Staff):
    password = await staff.add_account("anna", [Role.RECEPTIONIST], "system")
    one, two = [await staff.sign_in("anna", password, HERE) for _ in range(2)]
    await staff.sign_out(one)
    await staff.sign_out(one)
    assert await staff.who(one) is None
    assert await staff.who(two)


@pytest.mark.parametrize("token", ["", "x", "\0", "'; DROP TABLE session; --", "é" * 5000])
async def test_a_made_up_token_is_nobody(staff: Staff, token: str):
    assert await staff.who(token) is None
    await staff.sign_out(token)


async def test_neither_token_nor_password_is_stored(staff: Staff, store: Store):
    first = await staff.add_account("anna", [Role.RECEPTIONIST], "system")
    token = await staff.sign_in("anna", first, HERE)
    second = await staff.change_password("anna", first, NEW, HERE)
    with pytest.raises(AccessDenied):
        await staff.sign_in("my secret typed as a name", "my secret", HERE)
    stored = await everything(store)
    assert "argon2id$v=19$m=19456,t=2,p=1" in stored
    for secret in (first, token, second, NEW, "my secret"):
        assert secret not in stored
    assert len(token) == len(second) == 43
    assert token != second


async def test_everything_is_in_the_audit_trail(staff: Staff, store: Store):
    first = await staff.add_account("anna", [Role.RECEPTIONIST], "staff:boss")
    token = await staff.sign_in("anna", first, HERE)
    await staff.change_password("anna", first, NEW, HERE)
    for name in ("anna", "wrong field"):
        with pytest.raises(AccessDenied):
            await staff.sign_in(name, "wrong password", HERE)
    await staff.sign_out(token)  # its session is over since the change
    await staff.sign_out(await staff.sign_in("anna", NEW, HERE))
    await staff.reset_password("anna", "staff:boss")
    await staff.disable("anna", "staff:boss")
    await staff.enable("anna", "staff:boss")
    assert await audited(store) == [
        ("staff:boss", "add-account", "account/anna"),
        ("staff:anna", "sign-in", "account/anna"),
        ("staff:anna", "change-password", "account/anna"),
        ("system", "sign-in-failed", "account/anna"),
        ("system", "sign-in-failed", "account/unknown"),
        ("staff:anna", "sign-in", "account/anna"),
        ("staff:anna", "sign-out", "account/anna"),
        ("staff:boss", "reset-password", "account/anna"),
        ("staff:boss", "disable-account", "account/anna"),
        ("staff:boss", "enable-account", "account/anna"),
    ]
    [report] = await store.read(lambda c: audit.verify(c, AUDIT))
    assert report.problem == ""


async def fail(staff: Staff, name: str = "anna", address: str = HERE) -> None:
    with pytest.raises(AccessDenied) as refused:
        await staff.sign_in(name, "wrong password", address)
    assert not isinstance(refused.value, SignInDelayed)


async def test_failed_attempts_make_the_next_one_wait_longer_and_longer(staff: Staff, clock: Clock):
    password = await staff.add_account("anna", [Role.RECEPTIONIST], "system", is_permanent=True)
    waits = []
    for _ in range(3):
        await fail(staff)
    for _ in range(12):
        await fail(staff)
        with pytest.raises(SignInDelayed) as delayed:
            await staff.sign_in("anna", password, HERE)
        waits.append(delayed.value.retry_after_s)
        clock.pass_by(seconds=waits[-1])
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]
    assert await staff.sign_in("anna", password, HERE), "never a lock-out for good"
    await fail(staff)
    assert await staff.sign_in("anna", password, HERE), "a right password forgives the wrong ones"


async def test_knocking_during_the_delay_does_not_make_it_longer(staff: Staff, clock: Clock, store: Store):
    password = await staff.add_account("anna", [Role.RECEPTIONIST], "system", is_permanent=True)
    for _ in range(4):
        await fail(staff)
    entries = len(await audited(store))
    for _ in range(50):
        with pytest.raises(SignInDelayed):
            await staff.sign_in("anna", "still wrong", HERE)
    assert len(await audited(store)) == entries, "nobody fills the disk by knocking"
    clock.pass_by(seconds=2)
    assert await staff.sign_in("anna", password, HERE)


async def test_a_guesser_elsewhere_costs_the_real_person_half_a_minute_at_most(staff: Staff, clock: Clock):
    password = await staff.add_account("anna", [Role.RECEPTIONIST], "system", is_permanent=True)
    for machine in range(30):
        clock.pass_by(seconds=31)
        await fail(staff, address=f"10.9.0.{machine}")
    with pytest.raises(SignInDelayed) as delayed:
        await staff.sign_in("anna", password, HERE)
    assert delayed.value.retry_after_s <= 30
    clock.pass_by(seconds=30)
    assert await staff.sign_in("anna", password, HERE)


async def test_one_machine_that_tries_many_names_is_slowed_down(staff: Staff, clock: Clock):
    for number in range(22):
        clock.pass_by(seconds=3)
        await fail(staff, name=f"user{number}")
    with pytest.raises(SignInDelayed):
        await staff.sign_in("somebody-else", "wrong password", HERE)


async def test_parallel_guesses_do_not_outrun_the_count(staff: Staff):
    await staff.add_account("anna", [Role.RECEPTIONIST], "system")
    results = await asyncio.gather(
        *(staff.sign_in("anna", f"guess number {n}", HERE) for n in range(30)), return_exceptions=True
    )
    looked_at = [r for r in results if not isinstance(r, SignInDelayed)]
    assert len(looked_at) == 4
    assert all(isinstance(r, AccessDenied) for r in results)


async def test_a_clock_that_is_set_back_locks_nobody_out(staff: Staff, clock: Clock):
    password = await staff.add_account("anna", [Role.RECEPTIONIST], "system", is_permanent=True)
    for _ in range(4):
        await fail(staff)
    clock.pass_by(days=-1)
    assert await staff.sign_in("anna", password, HERE)


async def test_an_unknown_name_costs_the_same_work_as_a_known_one(staff: Staff):
    """Not a stopwatch: each failed attempt runs one Argon2id with the very same parameters."""
    from argon2 import extract_parameters

    from kioskd.staff import passwords

    parameters = extract_parameters(passwords.hashed("any password"))
    assert extract_parameters(passwords._NOBODY) == parameters
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19456, 2, 1)
    assert not passwords.is_right(None, "any password")


async def test_a_password_that_was_reset_during_the_check_signs_nobody_in(staff: Staff):
    old = await staff.add_account("anna", [Role.RECEPTIONIST], "system", is_permanent=True)
    signed_in, _ = await asyncio.gather(
        staff.sign_in("anna", old, HERE), staff.reset_password("anna", "staff:boss"), return_exceptions=True
    )
    token = signed_in if isinstance(signed_in, str) else ""
    assert await staff.who(token) is None or isinstance(signed_in, AccessDenied)


@pytest.mark.parametrize("idle_minutes", [1, 720])
async def test_the_site_file_says_how_long_a_session_lasts(store: Store, clock: Clock, idle_minutes: int):
    staff = Staff(store, clock, StaffConfig(idle_minutes=idle_minutes, session_hours=24))
    token = await staff.sign_in("anna", await staff.add_account("anna", [Role.ADMIN], "system"), HERE)
    clock.pass_by(minutes=idle_minutes - 0.5)
    assert await staff.who(token, is_activity=False)
    clock.pass_by(minutes=0.5)
    assert await staff.who(token, is_activity=False) is None
    staff.close()


async def test_accounts_work_the_same_on_both_databases(store_config: StoreConfig, clock: Clock):
    async with open_store(SCHEMA, store_config) as store:
        staff = Staff(store, clock)
        first = await staff.add_account("anna", [Role.ADMIN, Role.SECRETARY], "system")
        await fail(staff)
        with pytest.raises(AccessDenied):
            await staff.sign_in("anna\0", "x\0", HERE)
        token = await staff.change_password("anna", first, NEW, HERE)
        assert await staff.who(token) == StaffMember("anna", frozenset({Role.ADMIN, Role.SECRETARY}), False)
        clock.pass_by(minutes=1)
        assert await staff.who(token)
        await staff.sign_out(token)
        assert await staff.who(token) is None
        await staff.disable("anna", "system")
        staff.close()
