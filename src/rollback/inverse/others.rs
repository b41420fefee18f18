//! Objects of catalogs without a part of their own here: names, schemas and options go back in place, so that nothing
//! that uses them has to move. What they were is read from the words of the dump.

use super::super::generate::Step;
use super::super::names::{describe, identifier, object, other_word};
use super::super::planner::Plan;
use super::drops::capitalised;
use super::restores::entry_of;
use crate::engine::postgres::session::quote_literal;
use crate::snapshot::catalog::Catalog;
use crate::snapshot::object::{Address, Class, OtherObject};

/// What `ALTER` takes before and after an object's own name.
pub(super) struct Spelled {
    pub word: String,
    pub schema: Option<String>,
    pub name: String,
    /// Such as ` USING btree` or an operator's types.
    pub suffix: String,
}

/// How an object is spelled; none for what has no name of its own, such as a cast or a user mapping.
pub(super) fn spelled(catalog: &Catalog, address: Address) -> Option<Spelled> {
    let other = catalog.others.get(&address)?;
    let word = other_word(&other.type_name);
    let (name, suffix) = match other.type_name.as_str() {
        "operator class" | "operator family" => {
            let (name, method) = other.identity.rsplit_once(" USING ")?;
            (last_part(name), format!(" USING {method}"))
        }
        "operator" => {
            let (name, arguments) = other.identity.split_once('(')?;
            (name.rsplit('.').next()?.to_owned(), format!("({arguments}"))
        }
        "collation" => (other.name.clone().unwrap_or_else(|| last_part(&other.identity)), String::new()),
        "conversion"
        | "statistics object"
        | "publication"
        | "server"
        | "foreign-data wrapper"
        | "event trigger"
        | "language"
        | "access method"
        | "extension" => (other.name.clone()?, String::new()),
        kind if kind.starts_with("text search ") => (other.name.clone()?, String::new()),
        _ => return None,
    };
    let schema = other.schema.clone().filter(|_| other.type_name != "extension");
    Some(Spelled { word, schema, name, suffix })
}

/// The name in `schema.name`, unquoted.
fn last_part(qualified: &str) -> String {
    match qualified.strip_suffix('"') {
        Some(rest) => {
            let start = rest.rfind(".\"").map(|at| at + 2).or_else(|| rest.starts_with('"').then_some(1));
            rest[start.unwrap_or(0)..].replace("\"\"", "\"")
        }
        None => qualified.rsplit('.').next().unwrap_or(qualified).to_owned(),
    }
}

/// Extensions that were moved to another schema, and whatever else was, before names go back.
pub(super) fn schemas_back(plan: &Plan<'_>, schema_now: impl Fn(&str) -> String) -> Vec<Step> {
    let mut steps = Vec::new();
    for (before, after) in staying(plan) {
        let (Some(old), Some(new)) = (plan.before.others.get(&before), plan.after.others.get(&after)) else { continue };
        let (Some(was), Some(is)) = (&old.schema, &new.schema) else { continue };
        let now = schema_now(is);
        let Some(spelled) = spelled(plan.after, after).filter(|_| *was != now) else { continue };
        let place = spelled.schema.as_ref().map(|_| format!("{}.", identifier(&now))).unwrap_or_default();
        let name = if old.type_name == "operator" { spelled.name } else { identifier(&spelled.name) };
        steps.push(Step::new(
            "Moved to another schema by the migration.",
            format!("ALTER {} {place}{name}{} SET SCHEMA {};", spelled.word, spelled.suffix, identifier(was)),
        ));
    }
    steps
}

/// Objects that were changed in place.
pub(super) fn others(plan: &Plan<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (before, after) in staying(plan) {
        let (Some(old), Some(new)) = (plan.before.others.get(&before), plan.after.others.get(&after)) else { continue };
        if (&old.raw, &old.definition) == (&new.raw, &new.definition) {
            continue;
        }
        let why = format!("{}: as it was.", capitalised(&describe(plan.before, before)));
        let text = entry_of(plan, before).unwrap_or_default();
        if old.type_name == "user mapping" {
            steps.extend(user_mapping(&old.identity, &text).map(|sql| Step::new(why, sql)));
            continue;
        }
        let Some(name) = object(plan.before, before) else { continue };
        let sql = match old.type_name.as_str() {
            "extension" => Some(version(old, new)),
            "text search dictionary" => Some(dictionary(&name, old, new)),
            "text search configuration" => Some(mapping(&old.identity, &text)),
            "server" => Some(server(&name, old, &text)),
            "operator" => Some(estimators(&name, &text)),
            "publication" => publication(&name, &text, plan.before.version),
            "statistics object" if old.raw != new.raw => Some(target(&name, &text)),
            "event trigger" => Some(firing(&name, &text)),
            _ => None,
        };
        steps.extend(sql.map(|sql| Step::new(why, sql)));
    }
    steps
}

fn staying(plan: &Plan<'_>) -> Vec<(Address, Address)> {
    plan.staying().into_iter().filter(|(before, _)| matches!(before.class, Class::Other(_))).collect()
}

/// Whether a change of the object's row is taken back by [`others`].
pub(in crate::rollback) fn is_altered_in_place(type_name: &str) -> bool {
    ["extension", "server", "user mapping", "operator", "publication", "statistics object", "event trigger"]
        .contains(&type_name)
}

/// Only what an extension brings along leads from a version to another, and few lead back.
fn version(old: &OtherObject, new: &OtherObject) -> String {
    let (was, is) = (old.definition.as_deref().unwrap_or_default(), new.definition.as_deref().unwrap_or_default());
    format!(
        "DO $seatrial$\nBEGIN\n    ALTER EXTENSION {} UPDATE TO {};\nEXCEPTION WHEN invalid_parameter_value THEN\n    \
         RAISE WARNING 'extension % stays at version %: there is no way back to %', {}, {}, {};\nEND\n$seatrial$;",
        old.identity,
        identifier(was),
        quote_literal(&old.identity),
        quote_literal(is),
        quote_literal(was)
    )
}

/// `name = value` pairs cut apart at commas outside quotes.
fn pairs(text: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut quote: Option<char> = None;
    for letter in text.chars() {
        match quote {
            Some(open) if letter == open => quote = None,
            None if letter == '\'' || letter == '"' => quote = Some(letter),
            _ => {}
        }
        if letter == ',' && quote.is_none() {
            found.push(String::new());
        } else if let Some(last) = found.last_mut() {
            last.push(letter);
        }
    }
    found.iter().map(|pair| pair.trim().to_owned()).filter(|pair| !pair.is_empty()).collect()
}

fn dictionary(name: &str, old: &OtherObject, new: &OtherObject) -> String {
    let (wanted, current) =
        (pairs(old.definition.as_deref().unwrap_or_default()), pairs(new.definition.as_deref().unwrap_or_default()));
    let key = |pair: &str| pair.split_once('=').map_or(pair, |(key, _)| key).trim().to_owned();
    let kept: Vec<String> = wanted.iter().map(|pair| key(pair)).collect();
    let mut options: Vec<String> = current.iter().map(|pair| key(pair)).filter(|name| !kept.contains(name)).collect();
    options.extend(wanted);
    format!("ALTER {name} ({});", options.join(", "))
}

/// Every type of token loses its dictionaries and gets back those it had.
fn mapping(identity: &str, text: &str) -> String {
    let literal = quote_literal(identity);
    let mut sql = format!(
        "DO $seatrial$\nDECLARE\n    token text;\nBEGIN\n    FOR token IN SELECT DISTINCT t.alias FROM \
         pg_catalog.pg_ts_config AS c, pg_catalog.pg_ts_config_map AS m, pg_catalog.ts_token_type(c.cfgparser) AS t\n        \
         WHERE c.oid = {literal}::regconfig AND m.mapcfg = c.oid AND m.maptokentype = t.tokid\n    LOOP\n        EXECUTE \
         pg_catalog.format('ALTER TEXT SEARCH CONFIGURATION %s DROP MAPPING FOR %I', {literal}::regconfig, token);\n    \
         END LOOP;\nEND\n$seatrial$;"
    );
    for statement in text.split(';').map(str::trim) {
        if statement.starts_with("ALTER ") && statement.contains("ADD MAPPING FOR ") {
            sql.push_str(&format!("\n{statement};"));
        }
    }
    sql
}

/// The text between `word` followed by a parenthesis and the one that closes it.
fn in_parentheses<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let start = text.find(&format!("{word} ("))? + word.len() + 2;
    let mut quoted = false;
    for (offset, letter) in text[start..].char_indices() {
        match letter {
            '\'' => quoted = !quoted,
            ')' if !quoted => return Some(&text[start..start + offset]),
            _ => {}
        }
    }
    None
}

/// Parts of names of options nobody else may know.
const SECRET: [&str; 5] = ["pass", "secret", "token", "credential", "key"];

/// The options that are not secret.
fn open_options(options: &str) -> Vec<String> {
    let secret = |pair: &String| {
        let name = pair.split_whitespace().next().unwrap_or_default().to_lowercase();
        SECRET.iter().any(|part| name.contains(part))
    };
    pairs(options).into_iter().filter(|pair| !secret(pair)).collect()
}

/// Options that are not secret go and come; the others stay what they are.
fn user_mapping(identity: &str, text: &str) -> Option<String> {
    let (role, server) = identity.split_once(" on server ")?;
    let options = in_parentheses(text, "OPTIONS").map(open_options).unwrap_or_default();
    let add = quote_literal(&options.iter().map(|pair| format!("ADD {pair}")).collect::<Vec<_>>().join(", "));
    let (role_name, server_name) = (last_part(&format!(".{role}")), last_part(&format!(".{server}")));
    Some(format!(
        "DO $seatrial$\nDECLARE\n    changes text;\nBEGIN\n    SELECT pg_catalog.concat_ws(', ', \
         pg_catalog.string_agg(pg_catalog.format('DROP %I', o.option_name), ', '), nullif({add}, '')) INTO changes\n        \
         FROM pg_catalog.pg_user_mappings AS m, pg_catalog.pg_options_to_table(m.umoptions) AS o\n        WHERE m.srvname = {} \
         AND m.usename = {} AND o.option_name !~* {};\n    changes := coalesce(nullif(changes, ''), {add});\n    IF changes <> '' \
         THEN\n        EXECUTE {} || changes || ')';\n    END IF;\nEND\n$seatrial$;",
        quote_literal(&server_name),
        quote_literal(&role_name),
        quote_literal(&SECRET.join("|")),
        quote_literal(&format!("ALTER USER MAPPING FOR {role} SERVER {server} OPTIONS ("))
    ))
}

/// A user mapping without what nobody else may know: scripts are read and kept.
pub(super) fn without_secrets(text: &str) -> String {
    let Some(options) = in_parentheses(text, "OPTIONS") else { return text.to_owned() };
    let kept = open_options(options);
    let all = format!("OPTIONS ({options})");
    match kept.as_slice() {
        [] => text.replacen(&format!(" {all}"), "", 1),
        kept => text.replacen(&all, &format!("OPTIONS (\n    {}\n)", kept.join(",\n    ")), 1),
    }
}

/// Options as they are now are known to the server alone: all of them go, those of before come.
fn server(name: &str, old: &OtherObject, text: &str) -> String {
    let options: Vec<String> = in_parentheses(text, "OPTIONS")
        .map(|options| pairs(options).into_iter().map(|pair| format!("ADD {pair}")).collect())
        .unwrap_or_default();
    let version = text
        .split_once(" VERSION '")
        .and_then(|(_, rest)| rest.split_once('\''))
        .map_or_else(|| "NULL".to_owned(), |(version, _)| quote_literal(version));
    let add = quote_literal(&options.join(", "));
    format!(
        "ALTER {name} VERSION {version};\nDO $seatrial$\nDECLARE\n    changes text;\nBEGIN\n    SELECT \
         pg_catalog.concat_ws(', ', pg_catalog.string_agg(pg_catalog.format('DROP %I', o.option_name), ', '), \
         nullif({add}, '')) INTO changes\n        FROM pg_catalog.pg_foreign_server AS s, \
         pg_catalog.pg_options_to_table(s.srvoptions) AS o WHERE s.srvname = {};\n    changes := \
         coalesce(nullif(changes, ''), {add});\n    IF changes <> '' THEN\n        EXECUTE {} || changes || ')';\n    \
         END IF;\nEND\n$seatrial$;",
        quote_literal(old.name.as_deref().unwrap_or_default()),
        quote_literal(&format!("ALTER {name} OPTIONS ("))
    )
}

fn estimators(name: &str, text: &str) -> String {
    let of = |word: &str| {
        text.lines()
            .find_map(|line| line.trim().strip_prefix(&format!("{word} = ")))
            .map_or("NONE", |rest| rest.trim_end_matches([',', ')', ';', ' ']))
            .to_owned()
    };
    format!("ALTER {name} SET (RESTRICT = {}, JOIN = {});", of("RESTRICT"), of("JOIN"))
}

fn publication(name: &str, text: &str, version: u32) -> Option<String> {
    let mut options = pairs(in_parentheses(text, "WITH")?);
    if !text.contains("publish_via_partition_root") {
        options.push("publish_via_partition_root = false".to_owned());
    }
    if version >= 180_000 && !text.contains("publish_generated_columns") {
        options.push("publish_generated_columns = none".to_owned());
    }
    Some(format!("ALTER {name} SET ({});", options.join(", ")))
}

fn target(name: &str, text: &str) -> String {
    let target = text
        .split_once(" SET STATISTICS ")
        .and_then(|(_, rest)| rest.split_once(';'))
        .map_or("-1", |(target, _)| target.trim());
    format!("ALTER {name} SET STATISTICS {target};")
}

fn firing(name: &str, text: &str) -> String {
    let state = ["DISABLE", "ENABLE REPLICA", "ENABLE ALWAYS"]
        .into_iter()
        .find(|state| text.contains(&format!("ALTER {name} {state};")))
        .unwrap_or("ENABLE");
    format!("ALTER {name} {state};")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_cut_at_commas_outside_quotes() {
        assert_eq!(pairs("host 'a, b',\n    \"Po,rt\" '1'"), ["host 'a, b'", "\"Po,rt\" '1'"]);
        assert!(pairs("").is_empty());
        assert_eq!(in_parentheses("x OPTIONS (\n a 'b)'\n);", "OPTIONS"), Some("\n a 'b)'\n"));
    }

    #[test]
    fn a_user_mapping_comes_back_without_its_password() {
        let mapping = |options: &str| format!("CREATE USER MAPPING FOR app SERVER far{options};");
        let found = without_secrets(&mapping(" OPTIONS (\n    password 'it''s, (x)',\n    \"user\" 'u'\n)"));
        assert_eq!(found, mapping(" OPTIONS (\n    \"user\" 'u'\n)"));
        assert_eq!(without_secrets(&mapping(" OPTIONS (\n    password 'x'\n)")), mapping(""));
        assert_eq!(without_secrets(&mapping("")), mapping(""));
    }

    #[test]
    fn the_last_part_of_a_quoted_name_is_found() {
        assert_eq!(last_part("public.digits"), "digits");
        assert_eq!(last_part("public.\"a.b \"\"c\"\"\""), "a.b \"c\"");
    }

    #[test]
    fn options_a_dictionary_did_not_have_are_taken_out() {
        let with = |text: &str| OtherObject { definition: Some(text.to_owned()), ..OtherObject::default() };
        let (old, new) = (with("language = 'german'"), with("language = 'english', stopwords = 'english'"));
        assert_eq!(
            dictionary("TEXT SEARCH DICTIONARY public.d", &old, &new),
            "ALTER TEXT SEARCH DICTIONARY public.d (stopwords, language = 'german');"
        );
    }
}
