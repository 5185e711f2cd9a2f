"""What is made of any storage: sessions, documents, locks, artifacts."""
