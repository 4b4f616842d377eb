"""Amazon EventBridge: buses, rules with event patterns, and targets (AWS API reference, EventBridge)."""
