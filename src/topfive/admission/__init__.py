"""Which requests are admitted: places in the queue, permits to work, quotas and keys."""
