//! Options cross as one JSON string and arrive as the author's own struct.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};

/// Options of a plugin: derive `Serialize`, `Deserialize` and `JsonSchema`, and mark the struct
/// `#[serde(default, deny_unknown_fields)]`.
pub trait Options: Serialize + DeserializeOwned + JsonSchema {}

impl<T: Serialize + DeserializeOwned + JsonSchema> Options for T {}

/// For plugins without options.
#[derive(Debug, Clone, Copy, Default, Serialize, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoOptions {}

/// JSON to options. Empty text means `{}`.
pub(crate) fn parse<O: Options>(json: &str) -> Result<O> {
    let json = if json.trim().is_empty() { "{}" } else { json };
    serde_json::from_str(json).map_err(|error| {
        // The position is one inside a string that no user wrote.
        let text = error.to_string();
        let text = text.split(" at line ").next().unwrap_or_default();
        Error::bad_options(text.to_string())
    })
}

/// JSON to the same with every default filled in; a key that the options do not have is refused
/// even where the struct forgets `deny_unknown_fields`.
pub(crate) fn resolve<O: Options>(json: &str, check: fn(&O) -> Result<()>) -> Result<String> {
    let options: O = parse(json)?;
    check(&options)?;
    let failed = |error: serde_json::Error| Error::bad_options(error.to_string());
    let resolved = serde_json::to_value(&options).map_err(failed)?;
    let given: Value =
        serde_json::from_str(if json.trim().is_empty() { "{}" } else { json }).map_err(failed)?;
    if let (Some(given), Some(known)) = (given.as_object(), resolved.as_object())
        && let Some(key) = given.keys().find(|key| !known.contains_key(*key))
    {
        let known: Vec<&str> = known.keys().map(String::as_str).collect();
        return Err(Error::bad_options(format!(
            "unknown option `{key}`, expected one of {}",
            known.join(", ")
        )));
    }
    serde_json::to_string(&resolved).map_err(failed)
}

/// The JSON schema of options.
pub(crate) fn schema<O: Options>() -> String {
    schemars::schema_for!(O).as_value().to_string()
}
