//! Every plugin that is there: linked into the binary, or loaded from a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use eidetic_sdk::registration::{Kind, Registration, resolve_options};
use serde_json::Value;

use super::error::Error;
use super::library::Library;
use crate::suggest::allowed_and_nearest;

/// The three kinds by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KindName {
    /// A model.
    Model,
    /// An attack.
    Attack,
    /// A mitigation.
    Mitigation,
}

impl KindName {
    /// As it stands in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Attack => "attack",
            Self::Mitigation => "mitigation",
        }
    }

    fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Model { .. } => Self::Model,
            Kind::Attack { .. } => Self::Attack,
            Kind::Mitigation { .. } => Self::Mitigation,
        }
    }
}

/// Where a plugin came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Linked into this binary; its digest is that of its sources.
    Linked,
    /// Loaded from a library; its digest is that of its bytes.
    File(PathBuf),
}

/// One plugin.
pub struct Plugin {
    /// What it registers as.
    pub registration: Registration,
    /// Where it came from.
    pub source: Source,
    /// SHA-256, hex: of its sources where linked, of the library's bytes where loaded.
    pub sha256: String,
}

impl Plugin {
    /// Its kind by name.
    pub fn kind(&self) -> KindName {
        KindName::of(&self.registration.kind)
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.registration.id
    }

    /// Options with every default filled in.
    ///
    /// # Errors
    /// [`Error::Options`], in the plugin's words, with the nearest name for an unknown key.
    pub fn resolve(&self, options: &Value) -> Result<Value, Error> {
        let wrong = |reason: String| Error::Options {
            kind: self.kind().as_str(),
            id: self.id().to_string(),
            reason,
        };
        if let Some(reason) = self.unknown_key(options) {
            return Err(wrong(reason));
        }
        let resolved = resolve_options(&self.registration, &options.to_string())
            .map_err(|error| wrong(error.message))?;
        serde_json::from_str(&resolved)
            .map_err(|error| wrong(format!("its resolved options are not JSON: {error}")))
    }

    fn unknown_key(&self, options: &Value) -> Option<String> {
        let schema: Value = serde_json::from_str(&self.registration.options_schema).ok()?;
        let empty = serde_json::Map::new();
        let known = schema
            .get("properties")
            .and_then(Value::as_object)
            .unwrap_or(&empty);
        let key = options
            .as_object()?
            .keys()
            .find(|key| !known.contains_key(*key))?;
        let names = allowed_and_nearest(key, known.keys().map(String::as_str));
        Some(format!("unknown option `{key}`{names}"))
    }
}

/// Every plugin by kind and id.
#[derive(Default)]
pub struct Registry {
    plugins: BTreeMap<(KindName, String), Plugin>,
}

impl Registry {
    /// Adds a plugin that is linked in, with the digest of its sources.
    pub fn link(&mut self, registration: Registration, sha256: &str) {
        let plugin = Plugin {
            registration,
            source: Source::Linked,
            sha256: sha256.to_string(),
        };
        self.plugins
            .insert((plugin.kind(), plugin.id().to_string()), plugin);
    }

    /// Loads a library and adds what is in it. It takes the place of a linked-in plugin of the
    /// same kind and id, so that a changed one can be tried; two files may not offer the same.
    ///
    /// # Errors
    /// [`Error`], naming the file.
    pub fn load(&mut self, path: &Path) -> Result<(), Error> {
        let library = Library::load(path)?;
        for registration in library.registrations {
            let plugin = Plugin {
                registration,
                source: Source::File(library.path.clone()),
                sha256: library.sha256.clone(),
            };
            let key = (plugin.kind(), plugin.id().to_string());
            match self.plugins.get(&key).map(|there| &there.source) {
                Some(Source::File(first)) => {
                    return Err(Error::Twice {
                        kind: key.0.as_str(),
                        id: key.1,
                        first: first.display().to_string(),
                        second: library.path.display().to_string(),
                    });
                }
                Some(Source::Linked) => tracing::warn!(
                    "{} `{}` comes from {}, not from this binary",
                    key.0.as_str(),
                    key.1,
                    library.path.display()
                ),
                None => {}
            }
            self.plugins.insert(key, plugin);
        }
        Ok(())
    }

    /// A plugin of a kind by its id.
    ///
    /// # Errors
    /// [`Error::Unknown`] with what there is and the nearest of it.
    pub fn get(&self, kind: KindName, id: &str) -> Result<&Plugin, Error> {
        self.plugins.get(&(kind, id.to_string())).ok_or_else(|| {
            let ids: Vec<&str> = self
                .iter()
                .filter(|p| p.kind() == kind)
                .map(Plugin::id)
                .collect();
            Error::Unknown {
                kind: kind.as_str(),
                id: id.to_string(),
                known: allowed_and_nearest(id, ids.iter().copied()),
            }
        })
    }

    /// All of them, by kind and id.
    pub fn iter(&self) -> impl Iterator<Item = &Plugin> {
        self.plugins.values()
    }
}
