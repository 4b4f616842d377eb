"""The only room that speaks to AWS: control plane, logs and credentials, through aioboto3."""
