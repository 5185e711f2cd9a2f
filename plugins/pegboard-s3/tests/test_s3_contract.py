from __future__ import annotations

import hypothesis
import obstore
import pytest
from pegboard import Context
from pegboard.testing.blobs import (
    EXAMPLES,
    PersistentBlobsContract,
    PresignedBlobsContract,
)
from pegboard_s3.options import S3Options
from pegboard_s3.plugin import make_blobs

PART = 5 * 1024 * 1024


class TestSeaweed(PersistentBlobsContract, PresignedBlobsContract):
    examples = hypothesis.settings(EXAMPLES, max_examples=20)
    piece = PART

    @pytest.fixture
    def settings(self, settings_of, shared_server):
        """Return the settings of a place in a bucket that holds nothing yet."""
        return settings_of(shared_server.endpoint, part_size=PART)

    @pytest.fixture
    def damage(self, settings, tmp_path):
        """Return a function that changes a byte of an object, its metadata kept."""

        async def damage(key):
            given = {name: settings[name] for name in settings if name != "provider"}
            context = Context("storage.kit", tmp_path)
            blobs = make_blobs(S3Options.model_validate(given), context)
            path = blobs._path(key)
            result = await obstore.get_async(blobs._store, path)
            content = bytearray(await result.bytes_async())
            content[0] ^= 1
            await obstore.put_async(
                blobs._store, path, bytes(content), attributes=result.attributes
            )

        return damage

    @pytest.mark.xfail(
        reason="SeaweedFS begins a page after a/ where it is asked for what follows a",
        run=False,
    )
    async def test_pages_show_every_key_once(self):
        """Left out: see the reason."""
