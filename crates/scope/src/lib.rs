//! Authorised blocks, exclusions, targets and their shuffled order; mints `AuthorizedTarget`.
