"""The outside world of the platform: imagery catalogues, the store of record, the warehouse."""
