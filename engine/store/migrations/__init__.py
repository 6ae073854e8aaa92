"""The schema's history, one file a change; run by `migrate` when a store is opened."""
