use schemars::generate::SchemaSettings;

use crate::file::File;

/// The JSON Schema of fingerprint files, for editors. Made from the types that read them; what words mean (request
/// names, paths, regular expressions) only the loader knows.
pub fn schema() -> serde_json::Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<File>().to_value()
}
