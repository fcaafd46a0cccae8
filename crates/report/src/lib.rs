//! Output formats, one file each: table, NDJSON, CSV.
