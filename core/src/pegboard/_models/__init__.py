"""Language models as users hold them: requests, replies, runs, batches."""
