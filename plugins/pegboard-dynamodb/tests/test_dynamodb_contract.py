from __future__ import annotations

import hypothesis
from pegboard.testing.documents import (
    DocumentCollectionsContract,
    PersistentDocumentStoreContract,
)
from pegboard.testing.key_value import EXAMPLES, PersistentKeyValueContract

FEW = hypothesis.settings(EXAMPLES, max_examples=10, stateful_step_count=30)


class TestValues(PersistentKeyValueContract):
    examples = FEW


class TestDocuments(DocumentCollectionsContract, PersistentDocumentStoreContract):
    examples = FEW
