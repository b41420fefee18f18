//! `[production]`: what is known of the server the migration is meant for, and what its copy is given of that.

use super::value::VersionText;
use super::{Over, over};
use crate::engine::postgres::parameters::{self, PARAMETERS, ParameterKind};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// The one key of `[production.sizes]` that is no table.
const DATABASE_BYTES: &str = "database_bytes";

/// What is known of production, resolved.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Production {
    /// Major version of its server.
    pub major: Option<u32>,
    /// Parameters that differ from a copy's, by name.
    pub settings: BTreeMap<String, String>,
    /// The same for single roles.
    pub role_settings: BTreeMap<String, BTreeMap<String, String>>,
    /// Size of the database, in bytes.
    pub database_bytes: Option<u64>,
    /// Rows of tables, by qualified name.
    pub rows: BTreeMap<String, u64>,
}

/// What is known of production. `docs/production.sql` prints it.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProductionKeys {
    /// Version of its server, major or full, such as "16" or "16.4". A server of this major is taken for copies where
    /// there is one that is not older than the dump.
    pub version: Option<VersionText>,
    /// Parameters that decide about plans, memory and waiting. Copies have them too.
    pub settings: Option<Parameters>,
    /// The same for single roles: one table each.
    pub role_settings: Option<RoleParameters>,
    /// Rows of tables ("schema.table" = rows) and `database_bytes`, to say how far a copy is from production.
    pub sizes: Option<Sizes>,
}

/// Parameters with their values as text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters(pub BTreeMap<String, String>);

/// Parameters by role.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RoleParameters(pub BTreeMap<String, Parameters>);

/// Rows of tables, and the size of all of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sizes {
    database_bytes: Option<u64>,
    rows: BTreeMap<String, u64>,
}

impl From<ProductionKeys> for Production {
    fn from(keys: ProductionKeys) -> Self {
        let sizes = keys.sizes.unwrap_or_default();
        let roles = keys.role_settings.unwrap_or_default().0;
        Self {
            major: keys.version.map(|version| version.0),
            settings: keys.settings.unwrap_or_default().0,
            role_settings: roles.into_iter().map(|(role, settings)| (role, settings.0)).collect(),
            database_bytes: sizes.database_bytes,
            rows: sizes.rows,
        }
    }
}

impl Over for ProductionKeys {
    fn over(self, below: Self) -> Self {
        Self {
            version: over(self.version, below.version),
            settings: over(self.settings, below.settings),
            role_settings: over(self.role_settings, below.role_settings),
            sizes: over(self.sizes, below.sizes),
        }
    }
}

impl Over for Parameters {
    fn over(self, mut below: Self) -> Self {
        below.0.extend(self.0);
        below
    }
}

impl Over for RoleParameters {
    fn over(self, mut below: Self) -> Self {
        for (role, settings) in self.0 {
            let known = below.0.remove(&role).unwrap_or_default();
            below.0.insert(role, settings.over(known));
        }
        below
    }
}

impl Over for Sizes {
    fn over(self, mut below: Self) -> Self {
        below.rows.extend(self.rows);
        Self { database_bytes: self.database_bytes.or(below.database_bytes), rows: below.rows }
    }
}

/// A name among [`PARAMETERS`].
struct ParameterName(&'static str, ParameterKind);

impl<'de> Deserialize<'de> for ParameterName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        let known = parameters::find(&name).map(|(name, kind)| Self(name, kind));
        known.ok_or_else(|| D::Error::unknown_field(&name, &parameters::NAMES))
    }
}

/// Reads the value of one parameter: what TOML has a type for may be written in it.
struct ParameterValue(ParameterKind);

impl<'de> DeserializeSeed<'de> for ParameterValue {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<String, D::Error> {
        from.deserialize_any(self)
    }
}

impl Visitor<'_> for ParameterValue {
    type Value = String;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.expectation())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        if self.0.accepts(text) {
            Ok(text.to_owned())
        } else {
            Err(E::custom(format!("expected {}, found \"{text}\"", self.0.expectation())))
        }
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<String, E> {
        self.visit_str(if value { "on" } else { "off" })
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<String, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<String, E> {
        self.visit_str(&value.to_string())
    }
}

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Table;
        impl<'de> Visitor<'de> for Table {
            type Value = Parameters;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parameters, A::Error> {
                let mut parameters = Parameters::default();
                while let Some(ParameterName(name, kind)) = map.next_key()? {
                    parameters.0.insert(name.to_owned(), map.next_value_seed(ParameterValue(kind))?);
                }
                Ok(parameters)
            }
        }
        from.deserialize_map(Table)
    }
}

impl JsonSchema for Parameters {
    fn schema_name() -> Cow<'static, str> {
        "Parameters".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let properties: Map<String, Value> =
            PARAMETERS.iter().map(|(name, kind)| ((*name).to_owned(), kind_schema(*kind))).collect();
        json_schema!({ "type": "object", "properties": properties, "additionalProperties": false })
    }
}

fn kind_schema(kind: ParameterKind) -> Value {
    use serde_json::json;
    match kind {
        ParameterKind::Switch => json!({ "enum": [true, false, "on", "off"] }),
        ParameterKind::Integer => json!({ "type": ["integer", "string"], "pattern": "^-?[0-9]+$" }),
        ParameterKind::Real => json!({ "type": ["number", "string"], "pattern": "^-?[0-9.]+$" }),
        ParameterKind::Memory => {
            json!({ "type": ["integer", "string"], "pattern": "^-?[0-9]+ *(B|kB|MB|GB|TB)?$" })
        }
        ParameterKind::Time => {
            json!({ "type": ["integer", "string"], "pattern": "^-?[0-9]+ *(us|ms|s|min|h|d)?$" })
        }
        ParameterKind::Word(words) => json!({ "enum": words }),
    }
}

/// Rows of one table, or the tables of one schema: `shop.orders = 3` is a table within a table to TOML.
enum Size {
    Rows(u64),
    Schema(BTreeMap<String, u64>),
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Size;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a whole number, 0 or more")
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Size, E> {
                u64::try_from(value)
                    .map(Size::Rows)
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(value), &self))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Size, A::Error> {
                let mut tables = BTreeMap::new();
                while let Some(table) = map.next_key()? {
                    tables.insert(table, map.next_value()?);
                }
                Ok(Size::Schema(tables))
            }
        }
        from.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for Sizes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Table;
        impl<'de> Visitor<'de> for Table {
            type Value = Sizes;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sizes, A::Error> {
                let mut sizes = Sizes::default();
                while let Some(key) = map.next_key::<String>()? {
                    match map.next_value_seed(SizeOf(&key))? {
                        Size::Rows(bytes) if key == DATABASE_BYTES => sizes.database_bytes = Some(bytes),
                        Size::Rows(rows) => {
                            sizes.rows.insert(key, rows);
                        }
                        Size::Schema(tables) => {
                            sizes.rows.extend(tables.into_iter().map(|(table, rows)| (format!("{key}.{table}"), rows)));
                        }
                    }
                }
                Ok(sizes)
            }
        }
        from.deserialize_map(Table)
    }
}

/// Reads what stands for a key: a number needs a table's whole name.
struct SizeOf<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for SizeOf<'_> {
    type Value = Size;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Size, D::Error> {
        let size = Size::deserialize(from)?;
        let is_table = self.0.contains('.');
        match size {
            Size::Rows(_) if !is_table && self.0 != DATABASE_BYTES => Err(D::Error::custom(format!(
                "`{}` is no table: write its schema too, as in \"public.{}\", or `{DATABASE_BYTES}`",
                self.0, self.0
            ))),
            size => Ok(size),
        }
    }
}

impl JsonSchema for Sizes {
    fn schema_name() -> Cow<'static, str> {
        "Sizes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let rows = serde_json::json!({ "type": "integer", "minimum": 0 });
        json_schema!({
            "type": "object",
            "properties": {
                (DATABASE_BYTES): { "description": "Size of the whole database, in bytes.", "type": "integer", "minimum": 0 }
            },
            "patternProperties": { "\\.": rows },
            "additionalProperties": { "type": "object", "additionalProperties": rows }
        })
    }
}
