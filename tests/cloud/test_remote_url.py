"""Places that users name, and texts without what may be a credential."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autrt.errors import UsageError
from autrt.run.options import parse_size
from autrt.storage.remote_url import RemoteUrl, location, redacted

WORD = st.text("abcXYZ019-_.%", min_size=1, max_size=12)


@given(
    secret=st.from_regex(r"s3cr[0-9a-f]{6}", fullmatch=True),
    host=WORD,
    path=WORD,
    name=WORD,
    where=st.integers(0, 3),
)
def test_no_query_nor_password_survives(secret, host, path, name, where):
    url = (
        f"https://{host}/{path}?{name}={secret}",
        f"https://user:{secret}@{host}/{path}",
        f"s3://key:{secret}@{host}/{path}",
        f"https://{host}/{path}?{name}={secret}&X-Amz-Signature={secret}#{secret}",
    )[where]
    for text in (
        str(RemoteUrl(url)),
        repr(RemoteUrl(url)),
        redacted(f"autrt infer '{url}' --out=x: {url}, url='{url}'"),
    ):
        assert secret not in text
        assert path in text


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/a b/c?.mp4",
        "abfs://container@account.dfs.core.windows.net/videos",
        "autrt infer --videos dir --out out --shard 1/2",
        "gs://bucket/x[0-9].mp4",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redacted(text) == text


def test_header_like_parts_of_messages_lose_their_secrets():
    assert "S3CR" not in redacted("GET /bucket/key?X-Amz-Credential=S3CRET&x=1 and sig=S3CR3T failed")


def test_locations():
    assert location("videos/a.mp4") == Path("videos/a.mp4")
    assert location("file:///tmp/a.mp4") == Path("/tmp/a.mp4")
    assert isinstance(location("s3://bucket/videos"), RemoteUrl)
    assert isinstance(location("https://host/a.mp4"), RemoteUrl)
    with pytest.raises(UsageError, match="rsync"):
        location("sftp://host/videos")


@pytest.mark.parametrize(
    ("text", "n_bytes"), [("500MB", 500_000_000), ("1.5 gb", 1_500_000_000), (7, 7), ("20G", 20 * 10**9)]
)
def test_sizes(text, n_bytes):
    assert parse_size(text) == n_bytes


@pytest.mark.parametrize("text", ["", "0", "-1GB", "many", "1XB", True])
def test_wrong_sizes_are_refused(text):
    with pytest.raises(UsageError, match="expected a size"):
        parse_size(text)
