from pinwatch.auth.keys import SALT_SIZE, derived, unmatched


def test_keys_of_one_password_differ_by_their_salt() -> None:
    one, other = derived("ann", "s3cret"), derived("ann", "s3cret")
    assert len(one.salt) == SALT_SIZE
    assert one.salt != other.salt
    assert one.stored_key != other.stored_key
    assert one.md5 == other.md5


def test_unmatched_keys_have_the_form_of_real_ones() -> None:
    real, fake = derived("ann", "s3cret"), unmatched("ann", b"seed")
    for name in ("salt", "stored_key", "server_key", "md5"):
        assert len(getattr(real, name)) == len(getattr(fake, name))


def test_an_unmatched_salt_is_the_users_own() -> None:
    assert unmatched("ann", b"seed").salt == unmatched("ann", b"seed").salt
    assert unmatched("ann", b"seed").salt != unmatched("bob", b"seed").salt
    assert unmatched("ann", b"seed").salt != unmatched("ann", b"other").salt
    assert unmatched("ann", b"seed").md5 != unmatched("ann", b"seed").md5


def test_keys_are_not_shown() -> None:
    keys = derived("ann", "s3cret")
    assert keys.md5.decode() not in repr(keys)
