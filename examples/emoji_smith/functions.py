"""What AWS Lambda calls."""

from emoji_smith import forge, receive
from pegboard_aws.functions import log_as_json, webhook, worker

log_as_json()
take = webhook(receive)
work = worker(forge)
