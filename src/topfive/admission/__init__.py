"""Who may come in: places in the queue, permits to work, quotas and keys."""
