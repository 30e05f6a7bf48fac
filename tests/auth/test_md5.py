from pinwatch.auth import md5


def test_the_hash_and_the_answer_of_postgresql() -> None:
    """SELECT md5('secret' || 'ann'), and the md5 of that and the salt."""
    stored = md5.stored("ann", "secret")
    assert stored == b"9d792a3a8853c2411afb9163d088c036"
    assert md5.answer(stored, b"salt") == b"md5b8f5ba9f485dba302ec0963f7ee9ba8f"
