DROP TABLE leases, watch, api_keys, idempotency, quotas, events, segments, runners, session_labels, sessions;
