//! The mapping tables: what each key of Compose and each field of Kubernetes becomes.
